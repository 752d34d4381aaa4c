#include <algorithm>

#include "base/str.h"
#include "passes/passes.h"

namespace dl {

std::vector<std::string> pass_names() {
  return {"fold",        "simplify",  "fuse",     "layout", "winograd",
          "split_batch", "recompute", "schedule", "hoist",  "in_place"};
}

Graph optimise(Graph g, const PassOptions& options) {
  const std::vector<std::string> known = pass_names();
  for (const std::string& name : options.off)
    if (std::find(known.begin(), known.end(), name) == known.end())
      throw Error(Exit::config, str("there is no pass '", name, "', expected one of ", join(known, ", ")));
  const auto run = [&](std::string_view name, auto pass) {
    if (options.off.contains(name)) return;
    g = pass(std::move(g));
    if (options.verify) verify(g);
  };
  if (options.verify) verify(g);
  run("fold", fold);
  run("simplify", simplify);
  if (options.precision != Precision::f32) {
    g = precise(std::move(g), options.precision, options.device);
    if (options.verify) verify(g);
  }
  run("fuse", fuse);
  run("layout", [&](Graph from) {
    return layout(std::move(from), {!options.off.contains("winograd"), options.device});
  });
  if (!options.off.contains("layout")) run("fuse", fuse);  // blocked convolutions take residuals
  if (!options.device) run("split_batch", split_batch);
  run("recompute", [&](Graph from) { return recompute(std::move(from), options.recompute); });
  run("schedule", schedule);
  run("hoist", hoist);
  return g;
}

}  // namespace dl
