#include "search/search_config.h"

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
  parse_space(c.space, pointer + "/space");
  for (size_t i = 0; i < c.constraints.size(); ++i)
    check_constraint(c.constraints[i], str(pointer, "/constraints/", i));
  return c;
}

}  // namespace dl
