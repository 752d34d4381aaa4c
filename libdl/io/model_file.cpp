#include "io/model_file.h"

#include <algorithm>

#include "base/error.h"
#include "base/str.h"
#include "io/stored_json.h"

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

json read_history(const ArtifactReader& r) {
  json history = read_json(r, "/history");
  if (history.is_null()) return json::array();
  const auto is_object = [](const json& epoch) { return epoch.is_object(); };
  if (!history.is_array() || !std::all_of(history.begin(), history.end(), is_object))
    throw Error(Exit::data, str(r.name(), ": its history does not read"));
  return history;
}

void write_model(ArtifactWriter& w, const ModelFile& m) {
  w.config(m.config);
  w.attribute("schema", m.data_schema);
  if (!m.recipe_hash.empty()) w.recipe_hash(m.recipe_hash);
  for (const Parent& p : m.parents) w.parent(p.kind, p.content_hash);
  if (!m.preparation.is_null()) write_json(w, kPreparation, m.preparation);
  write_all(w, "/parameters/", m.parameters);
  if (!m.history.empty()) write_json(w, "/history", m.history);
}

ModelFile read_model(const ArtifactReader& r) {
  ModelFile m;
  m.config = r.config();
  m.data_schema = r.parsed("schema");
  m.preparation = read_json(r, kPreparation);
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
