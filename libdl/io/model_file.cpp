#include "io/model_file.h"

#include "base/error.h"
#include "base/str.h"

namespace dl {
namespace {

void write_all(ArtifactWriter& w, const std::string& group, const TensorMap& tensors) {
  for (const auto& [name, value] : tensors) w.write(group + name, value);
}

TensorMap read_all(const ArtifactReader& r, const std::string& group) {
  TensorMap out;
  for (const std::string& name : r.data_sets(group)) out.emplace(name, r.read(group + "/" + name));
  return out;
}

// Text of any length: an attribute holds 64 KiB.
void write_history(ArtifactWriter& w, const json& history) {
  if (history.empty()) return;
  const std::string text = history.dump();
  w.create("/history", {DType::u8, {}});
  w.append("/history", text.data(), static_cast<int64_t>(text.size()));
}

json read_history(const ArtifactReader& r) {
  if (!r.exists("/history")) return json::array();
  const Tensor bytes = r.read("/history");
  const auto damaged = [&] { throw Error(Exit::data, str(r.name(), ": its history does not read")); };
  if (bytes.dtype() != DType::u8) damaged();
  const auto text = bytes.data<uint8_t>();
  json history = json::parse(text.begin(), text.end(), nullptr, false);
  if (!history.is_array()) damaged();
  for (const json& epoch : history)
    if (!epoch.is_object()) damaged();
  return history;
}

void write_model(ArtifactWriter& w, const ModelFile& m) {
  w.config(m.config);
  w.attribute("schema", m.data_schema);
  if (!m.recipe_hash.empty()) w.recipe_hash(m.recipe_hash);
  for (const Parent& p : m.parents) w.parent(p.kind, p.content_hash);
  write_all(w, "/parameters/", m.parameters);
  write_history(w, m.history);
}

ModelFile read_model(const ArtifactReader& r) {
  ModelFile m;
  m.config = r.config();
  m.data_schema = r.parsed("schema");
  m.parameters = read_all(r, "/parameters");
  m.history = read_history(r);
  if (r.has_attribute("recipe_hash")) m.recipe_hash = r.text("recipe_hash");
  m.content_hash = r.content_hash();
  const auto text = [](const json& j, const char* key) {
    return j.contains(key) && j[key].is_string() ? j[key].get<std::string>() : std::string();
  };
  for (const json& p : r.parents())
    if (p.is_object()) m.parents.push_back({text(p, "kind"), text(p, "content_hash")});
  return m;
}

}  // namespace

void ModelFile::save(const std::string& path, const OutputOptions& options) {
  ArtifactWriter w(path, "model", options);
  write_model(w, *this);
  content_hash = w.finish();
}

ModelFile ModelFile::load(const std::string& path, const std::string& tmp) {
  return read_model(ArtifactReader(path, "model", tmp));
}

void StateFile::save(const std::string& path, const OutputOptions& options) {
  ArtifactWriter w(path, "state", options);
  write_model(w, model);
  w.attribute("counters", counters);
  w.attribute("serial", serial);
  write_all(w, "/state/", state);
  write_all(w, "/best/", best);
  model.content_hash = w.finish();
}

StateFile StateFile::load(const std::string& path) {
  const ArtifactReader r(path, "state");
  StateFile s;
  s.model = read_model(r);
  s.counters = r.parsed("counters");
  s.serial = r.integer("serial");
  s.state = read_all(r, "/state");
  s.best = read_all(r, "/best");
  return s;
}

}  // namespace dl
