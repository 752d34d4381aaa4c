#include "search/search_config.h"

#include <algorithm>

#include "base/str.h"
#include "search/constraint.h"
#include "search/space.h"

namespace dl {
namespace {

// Rungs give out trials that go on from others, so a sampler that counts trials in its own way does not fit them.
void check_together(const SearchConfig& c, const std::string& pointer) {
  const std::string &sampler = c.sampler.type, &pruner = c.pruner.type;
  const bool rungs = pruner == "successive_halving" || pruner == "hyperband";
  const bool counts = sampler == "grid" || sampler == "coarse_to_fine" || sampler == "cmaes";
  if ((rungs && counts) || (sampler == "pbt" && pruner != "none"))
    field_error(pointer + "/pruner", str("'", pruner, "' does not go with the sampler '", sampler, "'"),
                sampler == "pbt" ? "pbt replaces the worst by itself"
                                 : "it goes with random, quasi_random, tpe and gp");
}

// Values to begin with are such as the space can give.
void check_first(const SearchConfig& c, const std::vector<Dimension>& space, const std::string& pointer) {
  for (size_t i = 0; i < c.first.size(); ++i) {
    const std::string at = str(pointer, "/first/", i);
    if (!c.first[i].is_object())
      field_error(at, "expected an object {\"key\": value}, got " + c.first[i].dump());
    for (const auto& item : c.first[i].items()) {
      const auto d =
          std::find_if(space.begin(), space.end(), [&](const Dimension& x) { return x.key == item.key(); });
      if (d == space.end())
        field_error(pointer_join(at, item.key()), str("'", item.key(), "' is not a key of the space"));
      if (!d->holds(item.value()))
        field_error(pointer_join(at, item.key()),
                    item.value().dump() + " is not among the values of the space");
    }
  }
  if (!c.first.empty() && (c.sampler.type == "grid" || c.sampler.type == "pbt"))
    field_error(pointer + "/first", str("'", c.sampler.type, "' begins by itself"));
}

}  // namespace

SearchConfig parse_search(const json& section, const std::string& pointer) {
  SearchConfig c;
  if (section.is_object() && section.contains("objective")) c.objective = {};
  parse_fields(c, section, pointer);
  if (c.objective.maximize.has_value() == c.objective.minimize.has_value())
    field_error(pointer + "/objective",
                "expected either \"maximize\" or \"minimize\" with the name of a metric");
  if (c.folds == 1)
    field_error(pointer + "/folds", "1 fold leaves nothing to learn from, expected at least 2 (or 0)");
  check_together(c, pointer);
  check_first(c, parse_space(c.space, pointer + "/space"), pointer);
  for (size_t i = 0; i < c.constraints.size(); ++i)
    check_constraint(c.constraints[i], str(pointer, "/constraints/", i));
  return c;
}

}  // namespace dl
