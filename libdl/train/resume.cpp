#include "train/resume.h"

#include <algorithm>
#include <map>

#include "base/fields.h"
#include "base/str.h"

namespace dl {
namespace {

struct Rule {
  std::string_view prefix;
  ChangeClass allowed;
};
// The longest prefix that fits decides; what no rule names is forbidden.
constexpr Rule kRules[] = {
    {"/train/epochs", ChangeClass::free},
    {"/train/max_steps", ChangeClass::free},
    {"/train/validate_every", ChangeClass::free},
    {"/train/train_metrics", ChangeClass::free},
    {"/train/save", ChangeClass::free},
    {"/train/early_stopping", ChangeClass::free},
    {"/train/metrics", ChangeClass::free},
    {"/train/recompute", ChangeClass::free},
    {"/train/schedule", ChangeClass::noted},
    {"/train/optimizer", ChangeClass::noted},
    {"/train/regularizers", ChangeClass::noted},
    {"/train/constraints", ChangeClass::noted},
    {"/train/weight_noise", ChangeClass::noted},
    {"/train/optimizer/type", ChangeClass::forbidden},
    {"/augment", ChangeClass::noted},
};

ChangeClass classify(std::string_view pointer) {
  ChangeClass found = ChangeClass::forbidden;
  size_t longest = 0;
  for (const Rule& r : kRules)
    if (pointer.starts_with(r.prefix) && r.prefix.size() > longest) {
      longest = r.prefix.size();
      found = r.allowed;
    }
  return found;
}

void leaves(const json& j, const std::string& at, std::map<std::string, json>& out) {
  if (j.is_object() || j.is_array()) {
    if (j.empty()) out[at] = j;
    size_t i = 0;
    for (const auto& item : j.items()) {
      leaves(item.value(), j.is_object() ? pointer_join(at, item.key()) : str(at, '/', i), out);
      ++i;
    }
  } else if (!j.is_null()) {
    out[at] = j;
  }
}

std::string shown(const json& j) { return j.is_null() ? "absent" : j.dump(); }

}  // namespace

std::vector<ConfigChange> compare_configs(const json& before, const json& after) {
  std::map<std::string, json> a, b;
  for (const char* section : {"model", "train", "augment"}) {
    leaves(before.value(section, json()), str('/', section), a);
    leaves(after.value(section, json()), str('/', section), b);
  }
  std::map<std::string, json> all = a;
  all.insert(b.begin(), b.end());
  std::vector<ConfigChange> out;
  for (const auto& [pointer, unused] : all) {
    const auto i = a.find(pointer), j = b.find(pointer);
    const json x = i == a.end() ? json() : i->second, y = j == b.end() ? json() : j->second;
    if (x != y) out.push_back({pointer, x, y, classify(pointer)});
  }
  return out;
}

std::vector<std::string> check_resume(const json& before, const json& after) {
  std::vector<std::string> noted, forbidden;
  std::string first;
  for (const ConfigChange& c : compare_configs(before, after)) {
    const std::string line = str(c.pointer, ": ", shown(c.before), " -> ", shown(c.after));
    if (c.allowed == ChangeClass::noted) noted.push_back(line);
    if (c.allowed != ChangeClass::forbidden) continue;
    if (forbidden.empty()) first = c.pointer;
    forbidden.push_back(line);
  }
  if (!forbidden.empty()) {
    const size_t shown_lines = std::min<size_t>(forbidden.size(), 5);
    const std::string more =
        forbidden.size() > shown_lines ? str(" and ", forbidden.size() - shown_lines, " more") : "";
    throw Error(Exit::config, first,
                str("cannot resume: the checkpoint was made with another configuration: ",
                    join(std::span(forbidden).first(shown_lines), "; "), more),
                "start anew with --resume none, or take the weights with --init-from");
  }
  return noted;
}

void adopt_tensors(const TensorMap& tensors, const std::string& path, TensorMap& store) {
  for (const auto& [name, tensor] : tensors) {
    const auto it = store.find(name);
    if (it == store.end() || it->second.type() != tensor.type())
      throw Error(Exit::data, str(path, ": '", name, "' does not belong to this network"));
    it->second = tensor;
  }
}

Taken take_tensors(const TensorMap& from, const std::vector<std::string>& names, TensorMap& store) {
  std::vector<std::string> missing, unexpected, other;
  for (const std::string& name : names) {
    const auto it = from.find(name);
    Tensor& mine = store.at(name);
    if (it == from.end())
      missing.push_back(name);
    else if (it->second.type() != mine.type())
      other.push_back(str(name, " (", it->second.type().text(), " there, ", mine.type().text(), " here)"));
    else
      mine = it->second;
  }
  for (const auto& [name, tensor] : from)
    if (std::find(names.begin(), names.end(), name) == names.end()) unexpected.push_back(name);
  Taken taken{names.size() - missing.size() - other.size(), {}};
  const auto list = [](const std::vector<std::string>& v) { return v.empty() ? "none" : join(v, ", "); };
  if (!missing.empty() || !unexpected.empty() || !other.empty())
    taken.misfits = str("missing: ", list(missing), "; of another shape: ", list(other),
                        "; not used: ", list(unexpected));
  return taken;
}

}  // namespace dl
