#include "nn/groups.h"

#include <algorithm>

#include "nn/model.h"
#include "nn/regularizer.h"

namespace dl {
namespace {

void apply(Model& model, const ParameterGroup& group, std::span<const std::string> layers) {
  std::vector<std::string> members;
  for (const std::string& name : layers)
    if (group.layers.match(name)) members.push_back(name);
  for (Parameter& p : model.parameters) {
    const auto it = std::find(members.begin(), members.end(), p.layer);
    if (it == members.end()) continue;
    p.lr_scale *= group.lr_scale * std::pow(group.lr_decay, static_cast<double>(members.end() - it - 1));
    if (group.weight_decay) p.weight_decay = group.weight_decay;
  }
}

}  // namespace

bool is_frozen(std::span<const ParameterGroup> groups, std::string_view layer) {
  return std::any_of(groups.begin(), groups.end(),
                     [&](const ParameterGroup& g) { return g.freeze && g.layers.match(layer); });
}

void apply_groups(Model& model, std::span<const ParameterGroup> groups) {
  if (groups.empty()) return;
  const std::vector<std::string> layers = parameter_layers(model);
  for (size_t i = 0; i < groups.size(); ++i) {
    check_globs(groups[i].layers, layers, str("/train/groups/", i, "/layers"));
    apply(model, groups[i], layers);
  }
}

}  // namespace dl
