#include "cli/info.h"

#include "base/str.h"
#include "io/artifact.h"

namespace dl::cli {

json artifact_record(const std::string& path, const std::string& tmp) {
  const ArtifactReader a(path, "", tmp);
  json out{{"file", a.name()},
           {"kind", a.kind()},
           {"format", a.integer("format")},
           {"content_hash", a.content_hash()}};
  if (a.has_attribute("recipe_hash")) out["recipe_hash"] = a.text("recipe_hash");
  out["parents"] = a.parents();
  json sets = json::object();
  for (const std::string& name : a.data_sets("/")) sets[name] = a.type(name).text();
  out["data_sets"] = sets;
  if (a.has_attribute("schema")) out["schema"] = a.parsed("schema");
  out["config"] = a.config();
  return out;
}

std::string artifact_text(const json& record) {
  std::string out;
  const auto line = [&](const std::string& key, const std::string& value) {
    out += str(key, std::string(14 - std::min<size_t>(13, key.size()), ' '), value, '\n');
  };
  for (const char* key : {"file", "kind"}) line(key, record[key].get<std::string>());
  line("format", record["format"].dump());
  for (const char* key : {"content_hash", "recipe_hash"})
    if (record.contains(key)) line(key, record[key].get<std::string>());
  for (const json& p : record["parents"])
    line("parent", str(p.value("kind", "?"), ' ', p.value("content_hash", "?")));
  for (const auto& item : record["data_sets"].items())
    line("data set", str(item.key(), ' ', item.value().get<std::string>()));
  if (record.contains("schema")) out += "schema " + record["schema"].dump(2) + '\n';
  out += "config " + record["config"].dump(2) + '\n';
  return out;
}

}  // namespace dl::cli
