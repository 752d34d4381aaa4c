#include "search/search_config.h"

#include "search/space.h"

namespace dl {

SearchConfig parse_search(const json& section, const std::string& pointer) {
  SearchConfig c;
  if (section.is_object() && section.contains("objective")) c.objective = {};
  parse_fields(c, section, pointer);
  if (c.objective.maximize.has_value() == c.objective.minimize.has_value())
    field_error(pointer + "/objective",
                "expected either \"maximize\" or \"minimize\" with the name of a metric");
  parse_space(c.space, pointer + "/space");
  return c;
}

}  // namespace dl
