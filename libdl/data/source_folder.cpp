#include <algorithm>
#include <cstring>
#include <filesystem>

#include "base/error.h"
#include "base/str.h"
#include "data/source.h"
#include "io/byte_reader.h"
#include "io/image.h"

namespace dl {

namespace fs = std::filesystem;

namespace {

constexpr int64_t kMaxFile = int64_t{256} << 20;

class FolderSource : public Source {
 public:
  FolderSource(const FolderOptions& options, std::vector<std::string> classes,
               std::span<const std::string> roots, const SourceContext& context)
      : options_(options), context_(context), classes_(std::move(classes)) {
    if (options.resize.size() != 0 && options.resize.size() != 2)
      throw Error(Exit::config, "/prep/from/resize",
                  str("has ", options.resize.size(), " numbers, expected height and width"));
    for (const std::string& root : roots) {
      if (!fs::is_directory(root))
        throw Error(Exit::data, str(root, ": is no folder, expected one with a folder for each class"));
      roots_.push_back(root);
    }
    const bool found = classes_.empty();
    if (found) classes_ = options.classes.empty() ? folders() : options.classes;
    if (classes_.empty())
      throw Error(Exit::data, str(roots[0], ": has no folders, expected one for each class"));
    list_files(found);
  }

  SourceScan scan() override {
    SourceScan s{static_cast<int64_t>(files_.size()), std::vector<int64_t>(classes_.size())};
    for (const File& f : files_) ++s.class_records[static_cast<size_t>(f.label)];
    if (schema_.inputs.empty()) describe(first_picture());
    return s;
  }
  const Schema& schema() const override { return schema_; }

  bool read(Rows& rows) override {
    for (; rows.count < rows.capacity && at_ < files_.size(); ++at_) {
      const File& f = files_[at_];
      try {
        const Tensor image = decode(f);
        if (image.shape() != schema_.inputs[0].type.shape)
          throw Error(Exit::data, str(path(f), ": has shape ", image.shape().text(), ", expected ",
                                      schema_.inputs[0].type.shape.text(),
                                      " as the first picture; or set \"resize\": [height, width]"));
        std::memcpy(rows.row(0, rows.count), image.raw(), static_cast<size_t>(image.bytes()));
      } catch (const Error& e) {
        if (e.code != Exit::data) throw;
        context_.bad->add(e.what());
        continue;
      }
      std::memcpy(rows.row(1, rows.count), &f.label, sizeof f.label);
      rows.ids[static_cast<size_t>(rows.count)] = f.name;
      rows.index[static_cast<size_t>(rows.count)] = static_cast<int64_t>(at_);
      ++rows.count;
    }
    return at_ < files_.size();
  }
  void rewind() override { at_ = 0; }

  std::unique_ptr<Source> follow(std::span<const std::string> roots) override {
    auto next = std::make_unique<FolderSource>(options_, classes_, roots, context_);
    next->schema_ = schema_;
    return next;
  }

 private:
  struct File {
    std::string name;  // "cat/1.png": below its root, and its id
    int32_t label;
    uint32_t root;
  };

  std::vector<std::string> folders() const {
    std::vector<std::string> names;
    for (const std::string& root : roots_)
      for (const auto& e : fs::directory_iterator(root)) {
        std::string name = e.path().filename().string();
        if (e.is_directory() && !name.starts_with('.')) names.push_back(std::move(name));
      }
    std::sort(names.begin(), names.end());
    names.erase(std::unique(names.begin(), names.end()), names.end());
    return names;
  }

  void list_files(bool found) {
    for (uint32_t r = 0; r < roots_.size(); ++r) {
      for (size_t c = 0; c < classes_.size(); ++c) {
        const fs::path dir = fs::path(roots_[r]) / classes_[c];
        if (!fs::is_directory(dir)) {
          if (found || !options_.classes.empty()) continue;
          throw Error(Exit::data, str(dir.string(), ": is no folder, expected the pictures of class '",
                                      classes_[c], "'"));
        }
        const size_t first = files_.size();
        for (const auto& e : fs::directory_iterator(dir))
          if (e.is_regular_file() && is_image_name(e.path().filename().string()))
            files_.push_back({classes_[c] + "/" + e.path().filename().string(), static_cast<int32_t>(c), r});
        std::sort(files_.begin() + static_cast<int64_t>(first), files_.end(),
                  [](const File& a, const File& b) { return a.name < b.name; });
      }
      for (const std::string& name : folders())
        if (std::find(classes_.begin(), classes_.end(), name) == classes_.end() && options_.classes.empty())
          context_.bad->add(str(roots_[r], "/", name, ": is no class of the training pictures, expected ",
                                join(classes_, ", ")));
    }
    if (files_.empty())
      throw Error(Exit::data,
                  str(roots_[0], ": has no pictures in its folders, expected .png, .jpg, .bmp or .pnm"));
  }

  std::string path(const File& f) const { return roots_[f.root] + "/" + f.name; }

  Tensor decode(const File& f) const {
    const int channels = !schema_.inputs.empty() ? static_cast<int>(schema_.inputs[0].type.shape[0])
                         : options_.channels == Channels::grey ? 1
                         : options_.channels == Channels::rgb  ? 3
                                                               : 0;
    const Tensor image = decode_image(read_file(path(f), kMaxFile), channels, path(f));
    return options_.resize.empty() ? image : resize_image(image, options_.resize[0], options_.resize[1]);
  }

  Tensor first_picture() {
    for (const File& f : files_) try {
        return decode(f);
      } catch (const Error& e) {
        if (e.code != Exit::data) throw;
        context_.bad->add(e.what());
      }
    throw Error(Exit::data, str(roots_[0], ": no picture decodes"));
  }

  void describe(const Tensor& picture) {
    schema_.inputs.push_back({"image", Role::image, picture.type(), {}});
    schema_.targets.push_back({"label", TargetKind::class_index, {DType::i32, Shape{}}, classes_});
  }

  FolderOptions options_;
  SourceContext context_;
  std::vector<std::string> classes_, roots_;
  std::vector<File> files_;
  Schema schema_;
  size_t at_ = 0;
};

}  // namespace

std::unique_ptr<Source> open_folder(const FolderOptions& options, std::span<const std::string> roots,
                                    const SourceContext& context) {
  return std::make_unique<FolderSource>(options, std::vector<std::string>{}, roots, context);
}

}  // namespace dl
