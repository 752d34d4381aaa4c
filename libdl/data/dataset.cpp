#include "data/dataset.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <deque>
#include <mutex>
#include <numeric>
#include <unordered_map>

#include "base/error.h"
#include "base/str.h"
#include "io/stored_json.h"

namespace dl {

using Block = std::vector<std::unique_ptr<unsigned char[]>>;  // one piece of memory for each column

struct Dataset::Split {
  std::string name;
  int64_t rows = 0, block_rows = 1, blocks = 0;
  std::vector<std::shared_ptr<const ArtifactColumn>> columns;
  std::shared_ptr<const ArtifactColumn> id, id_end;
  std::vector<int64_t> row_bytes;

  std::mutex mutex;
  bool resident = false;
  std::vector<Memory> memory;                  // resident: all rows of each column
  std::unique_ptr<std::atomic<bool>[]> ready;  // resident: by block
  std::unordered_map<int64_t, Block> cache;    // otherwise: the blocks read last
  std::deque<int64_t> age;                     // blocks of the cache, oldest first
  int64_t cached_blocks = 0;

  int64_t bytes() const {
    int64_t b = 0;
    for (int64_t r : row_bytes) b += r;
    return b * rows;
  }
  int64_t count(int64_t block) const { return std::min(block_rows, rows - block * block_rows); }
  void read_block(const Dataset& data, int64_t block, std::span<unsigned char* const> out) const;
  std::vector<std::string> read_ids(const Dataset& data, int64_t first, int64_t count) const;
  // The rows of a block in each column; call with the mutex held when not resident.
  void locate(const Dataset& data, int64_t block, std::span<const unsigned char*> out);
};

namespace {

// First value that is not finite, or count.
int64_t find_non_finite(const float* v, int64_t count) {
  for (int64_t i = 0; i < count; ++i)
    if (!std::isfinite(v[i])) return i;
  return count;
}

// The texts that the numbers of a column stand for; null for other columns.
const std::vector<std::string>* names_of(const Schema& s, size_t column) {
  if (column < s.inputs.size()) return nullptr;
  column -= s.inputs.size();
  if (column >= s.targets.size()) return &s.groups[column - s.targets.size()].values;
  const Target& t = s.targets[column];
  return t.kind == TargetKind::class_index ? &t.classes : nullptr;
}

}  // namespace

void Dataset::Split::read_block(const Dataset& data, int64_t block,
                                std::span<unsigned char* const> out) const {
  const int64_t first = block * block_rows, n = count(block);
  for (size_t c = 0; c < columns.size(); ++c) {
    if (columns[c]->chunked() && columns[c]->chunk_rows() == block_rows)
      columns[c]->read_chunk(block, out[c]);
    else
      columns[c]->read_rows(first, n, out[c]);
    const Schema& s = data.schema();
    const auto fail = [&](int64_t row, const std::string& what) {
      throw Error(Exit::data, str(data.name(), ": split '", name, "', row ", first + row, " (id '",
                                  data.id(name, first + row), "'): ", what));
    };
    if (s.column_type(c).dtype == DType::f32) {
      const auto* v = reinterpret_cast<const float*>(out[c]);
      const int64_t width = row_bytes[c] / 4, at = find_non_finite(v, n * width);
      if (at < n * width)
        fail(at / width, str("value ", at % width, " of '", s.column_name(c), "' is ", number(v[at]),
                             ", expected a finite number"));
    }
    if (c >= s.inputs.size() && c < s.inputs.size() + s.targets.size() &&
        s.targets[c - s.inputs.size()].kind == TargetKind::class_probabilities)
      for (int64_t i = 0; i < n; ++i) {
        const int64_t width = row_bytes[c] / 4;
        const auto* v = reinterpret_cast<const float*>(out[c]) + i * width;
        const double sum = std::accumulate(v, v + width, 0.0);
        if (*std::min_element(v, v + width) < 0 || std::abs(sum - 1) > 1e-3)
          fail(i, str("the probabilities '", s.column_name(c), "' sum to ", number(static_cast<float>(sum)),
                      ", expected numbers from 0 on that sum to 1"));
      }
    const std::vector<std::string>* const names = names_of(s, c);
    if (!names) continue;
    const auto classes = static_cast<int64_t>(names->size());
    const auto* label = reinterpret_cast<const int32_t*>(out[c]);
    for (int64_t i = 0; i < n; ++i)
      if (label[i] < 0 || (classes > 0 && label[i] >= classes))
        fail(i, str("label ", label[i], " in '", s.column_name(c), "' is out of range, expected 0 to ",
                    classes - 1));
  }
}

void Dataset::Split::locate(const Dataset& data, int64_t block, std::span<const unsigned char*> out) {
  std::vector<unsigned char*> at(columns.size());
  if (resident) {
    for (size_t c = 0; c < columns.size(); ++c)
      at[c] = static_cast<unsigned char*>(memory[c].data()) + block * block_rows * row_bytes[c];
    if (!ready[block].load(std::memory_order_acquire)) {
      const std::lock_guard lock(mutex);
      if (!ready[block].load(std::memory_order_relaxed)) {
        read_block(data, block, at);
        ready[block].store(true, std::memory_order_release);
      }
    }
  } else {
    auto it = cache.find(block);
    if (it == cache.end()) {
      Block b;
      if (static_cast<int64_t>(age.size()) >= cached_blocks) {  // its memory serves again
        b = std::move(cache.at(age.front()));
        cache.erase(age.front());
        age.pop_front();
      } else {
        for (int64_t bytes : row_bytes)
          b.push_back(
              std::make_unique_for_overwrite<unsigned char[]>(static_cast<size_t>(bytes * block_rows)));
      }
      for (size_t c = 0; c < columns.size(); ++c) at[c] = b[c].get();
      read_block(data, block, at);
      it = cache.emplace(block, std::move(b)).first;
      age.push_back(block);
    }
    for (size_t c = 0; c < columns.size(); ++c) at[c] = it->second[c].get();
  }
  std::copy(at.begin(), at.end(), out.begin());
}

std::vector<std::string> Dataset::Split::read_ids(const Dataset& data, int64_t first, int64_t count) const {
  std::vector<std::string> out;
  if (!id_end) {
    for (int64_t i = first; i < first + count; ++i) out.push_back(std::to_string(i));
    return out;
  }
  const int64_t before = first > 0;
  std::vector<int64_t> ends(static_cast<size_t>(count + before));
  id_end->read_rows(first - before, count + before, ends.data());
  if (!before) ends.insert(ends.begin(), 0);
  for (size_t i = 1; i < ends.size(); ++i)
    if (ends[i - 1] < 0 || ends[i] <= ends[i - 1] || ends[i] > id->rows())
      throw Error(Exit::data, str(data.name(), ": the ids of split '", name, "' are damaged"));
  std::string text(static_cast<size_t>(ends.back() - ends.front()), '\0');
  id->read_rows(ends.front(), static_cast<int64_t>(text.size()), text.data());
  for (size_t i = 1; i < ends.size(); ++i)
    out.push_back(text.substr(static_cast<size_t>(ends[i - 1] - ends.front()),
                              static_cast<size_t>(ends[i] - ends[i - 1] - 1)));
  return out;
}

Dataset::Dataset(const std::string& path, const DatasetOptions& options)
    : reader_(path, "dataset", options.tmp) {
  schema_json_ = reader_.parsed("schema");
  schema_ = Schema::parse(schema_json_, name());
  const json listed = reader_.parsed("splits");
  if (!listed.is_array() || listed.empty()) throw Error(Exit::data, str(name(), ": has no splits"));
  int64_t left = options.memory;
  for (const json& j : listed) {
    auto s = std::make_unique<Split>();
    s->name = j.is_string() ? j.get<std::string>() : "";
    const std::string group = "/" + s->name + "/";
    for (size_t c = 0; c < schema_.columns(); ++c) {
      const auto column = reader_.column(group + schema_.column_name(c));
      TensorType expected{schema_.column_type(c).dtype, {column->rows()}};
      for (int64_t d : schema_.column_type(c).shape) expected.shape.push_back(d);
      if (column->type() != expected || (c > 0 && column->rows() != s->rows))
        throw Error(Exit::data,
                    str(name(), ": data set '", group, schema_.column_name(c), "' is ", column->type().text(),
                        ", expected ", expected.text(), c > 0 ? str(" and ", s->rows, " rows") : ""));
      s->rows = column->rows();
      s->row_bytes.push_back(column->row_bytes());
      const int64_t rows =
          column->chunked() ? column->chunk_rows() : std::max<int64_t>(1, kChunkBytes / column->row_bytes());
      s->block_rows = std::max(s->block_rows, std::min(rows, std::max<int64_t>(s->rows, 1)));
      s->columns.push_back(column);
    }
    if (reader_.exists(group + "id_end")) {
      s->id = reader_.column(group + "id");
      s->id_end = reader_.column(group + "id_end");
      if (s->id->type() != TensorType{DType::u8, {s->id->rows()}} ||
          s->id_end->type() != TensorType{DType::i64, {s->rows}})
        throw Error(Exit::data, str(name(), ": the ids of split '", s->name, "' are damaged"));
    }
    s->blocks = (s->rows + s->block_rows - 1) / s->block_rows;
    s->resident = s->bytes() <= left;
    if (s->resident) {
      left -= s->bytes();
      for (int64_t bytes : s->row_bytes) s->memory.emplace_back(static_cast<size_t>(bytes * s->rows));
      s->ready = std::make_unique<std::atomic<bool>[]>(static_cast<size_t>(s->blocks));
    } else {
      const int64_t block_bytes = std::max<int64_t>(1, s->bytes() / s->rows * s->block_rows);
      s->cached_blocks = std::max<int64_t>(2, options.memory / 4 / block_bytes);
    }
    names_.push_back(s->name);
    splits_.push_back(std::move(s));
  }
  if (options.fold) choose_fold(*options.fold);
}

Dataset::~Dataset() = default;

// What a name stands for: one split, or several one after the other.
struct Dataset::View {
  std::vector<Split*> parts;
  std::vector<int64_t> first;  // row of each part; behind the last: all rows

  int64_t rows() const { return first.back(); }
  size_t part_of(int64_t row) const {
    return static_cast<size_t>(std::upper_bound(first.begin() + 1, first.end() - 1, row) - first.begin()) - 1;
  }
  int64_t block_rows() const {
    int64_t n = parts[0]->block_rows;
    for (const Split* s : parts) n = std::min(n, s->block_rows);
    return n;
  }
};

const Dataset::View& Dataset::view(const std::string& wanted) const {
  const std::lock_guard lock(views_mutex_);
  auto& slot = views_[wanted];
  if (slot) return *slot;
  auto v = std::make_unique<View>();
  v->first.push_back(0);
  const auto alias = alias_.find(wanted);
  for (const std::string& name : dl::split(alias == alias_.end() ? wanted : alias->second, '+')) {
    const auto it = std::find(names_.begin(), names_.end(), name);
    if (it == names_.end()) {
      views_.erase(wanted);
      throw Error(Exit::data, str(this->name(), ": has no split '", name, "', it has ", join(names_, ", ")));
    }
    v->parts.push_back(splits_[static_cast<size_t>(it - names_.begin())].get());
    if (std::count(v->parts.begin(), v->parts.end(), v->parts.back()) > 1) {
      views_.erase(wanted);
      throw Error(Exit::data, str(this->name(), ": '", wanted, "' has split '", name, "' twice"));
    }
    v->first.push_back(v->first.back() + v->parts.back()->rows);
  }
  slot = std::move(v);
  return *slot;
}

void Dataset::choose_fold(int64_t fold) {
  const bool bootstrap = has(str("boot_", fold));
  const std::string held = str(bootstrap ? "oob_" : "fold_", fold);
  if (!has(held))
    throw Error(Exit::data, {}, str(name(), ": has no fold ", fold, ", its splits are ", join(names_, ", ")),
                "dl-prep makes folds: -s prep.split.folds=10");
  std::string train = bootstrap ? str("boot_", fold) : "";
  for (const std::string& n : names_)
    if (!bootstrap && n.starts_with("fold_") && n != held) train += (train.empty() ? "" : "+") + n;
  alias_ = {{"train", train}, {"valid", held}};
  const auto rounds = fold_normalization();
  if (static_cast<size_t>(fold) < rounds.size()) schema_.normalization = rounds[static_cast<size_t>(fold)];
  schema_json_ = schema_.dump();
}

std::vector<std::map<std::string, Normalization>> Dataset::fold_normalization() const {
  std::vector<std::map<std::string, Normalization>> out;
  for (const auto& [input, whole] : schema_.normalization) {
    const std::string at = str("/fold_normalization/", input);
    if (!reader_.exists(at + "/mean")) continue;
    for (const bool mean : {true, false}) {
      const std::string path = at + (mean ? "/mean" : "/std");
      const Tensor t = reader_.read(path);
      const size_t width = whole.mean.size(),
                   rounds = t.shape().rank() ? static_cast<size_t>(t.shape()[0]) : 0;
      if (t.type() != TensorType{DType::f32, {static_cast<int64_t>(rounds), static_cast<int64_t>(width)}} ||
          (!out.empty() && out.size() != rounds))
        throw Error(Exit::data, str(name(), ": data set '", path, "' is ", t.type().text(),
                                    ", expected rows of ", width, " numbers"));
      out.resize(rounds);
      const float* first = t.data<float>().data();
      for (size_t k = 0; k < rounds; ++k) {
        Normalization& n = out[k][input];
        (mean ? n.mean : n.std).assign(first + k * width, first + (k + 1) * width);
      }
    }
  }
  return out;
}

json Dataset::preparation() const { return read_json(reader_, kPreparation); }

bool Dataset::has(const std::string& wanted) const {
  const auto alias = alias_.find(wanted);
  for (const std::string& name : dl::split(alias == alias_.end() ? wanted : alias->second, '+'))
    if (std::find(names_.begin(), names_.end(), name) == names_.end()) return false;
  return true;
}
int64_t Dataset::rows(const std::string& wanted) const { return view(wanted).rows(); }
bool Dataset::in_memory(const std::string& wanted) const {
  const View& v = view(wanted);
  return std::all_of(v.parts.begin(), v.parts.end(), [](const Split* s) { return s->resident; });
}
int64_t Dataset::block_rows(const std::string& wanted) const { return view(wanted).block_rows(); }
int64_t Dataset::cached_blocks(const std::string& wanted) const {
  const View& v = view(wanted);
  int64_t blocks = INT64_MAX;
  for (const Split* s : v.parts)
    if (s->rows > 0) blocks = std::min(blocks, s->resident ? s->blocks : s->cached_blocks);
  return blocks == INT64_MAX ? 0 : blocks;
}

int64_t Dataset::memory(const std::string& wanted) const {
  int64_t bytes = 0;
  for (const Split* s : view(wanted).parts)
    bytes += s->resident || s->rows == 0
                 ? s->bytes()
                 : std::min(s->blocks, s->cached_blocks) * s->block_rows * (s->bytes() / s->rows);
  return bytes;
}

void Dataset::gather(const std::string& wanted, std::span<const int64_t> rows,
                     std::span<void* const> out) const {
  const View& v = view(wanted);
  std::vector<const unsigned char*> at(schema_.columns());
  Split* s = nullptr;
  size_t part = 0;
  int64_t current = -1;
  std::unique_lock<std::mutex> lock;
  for (size_t i = 0; i < rows.size(); ++i) {
    if (rows[i] < 0 || rows[i] >= v.rows())
      throw Error(Exit::internal, str("row ", rows[i], " of ", v.rows(), " asked for"));
    if (const size_t p = v.part_of(rows[i]); !s || p != part) {
      if (lock.owns_lock()) lock.unlock();
      s = v.parts[part = p];
      if (!s->resident) lock = std::unique_lock(s->mutex);
      current = -1;
    }
    const int64_t local = rows[i] - v.first[part], block = local / s->block_rows,
                  row = local - block * s->block_rows;
    if (block != current) s->locate(*this, current = block, at);
    for (size_t c = 0; c < at.size(); ++c)
      if (out[c])
        std::memcpy(static_cast<unsigned char*>(out[c]) + static_cast<int64_t>(i) * s->row_bytes[c],
                    at[c] + row * s->row_bytes[c], static_cast<size_t>(s->row_bytes[c]));
  }
}

void Dataset::read(const std::string& wanted, int64_t first, int64_t count,
                   std::span<void* const> out) const {
  std::vector<int64_t> rows(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i) rows[static_cast<size_t>(i)] = first + i;
  gather(wanted, rows, out);
}

void Dataset::preload(const std::string& wanted, int64_t block) const {
  const View& v = view(wanted);
  const int64_t begin = block * v.block_rows(), end = std::min(v.rows(), begin + v.block_rows());
  for (int64_t row = begin; row < end;) {
    const size_t part = v.part_of(row);
    Split& s = *v.parts[part];
    std::unique_lock lock(s.mutex, std::defer_lock);
    if (!s.resident) lock.lock();
    std::vector<const unsigned char*> at(s.columns.size());
    const int64_t local = (row - v.first[part]) / s.block_rows;
    s.locate(*this, local, at);
    row = v.first[part] + std::min(s.rows, (local + 1) * s.block_rows);
  }
}

std::vector<std::string> Dataset::ids(const std::string& wanted, int64_t first, int64_t count) const {
  const View& v = view(wanted);
  std::vector<std::string> out;
  for (size_t p = 0; p < v.parts.size() && count > 0; ++p) {
    const Split& s = *v.parts[p];
    const int64_t from = first - v.first[p], n = std::min(count, s.rows - from);
    if (from < 0 || n <= 0) continue;
    for (std::string& id : s.read_ids(*this, from, n)) out.push_back(std::move(id));
    first += n;
    count -= n;
  }
  return out;
}

}  // namespace dl
