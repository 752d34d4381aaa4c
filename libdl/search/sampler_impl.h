#pragma once
// The samplers, one file each; sampler.cpp lists them.
#include "search/sampler.h"

namespace dl {

struct SamplerOps {
  std::string_view name, doc;
  const AttrOps* attrs;
  int64_t (*needed)(const SearchContext& c, int64_t number);
  Suggestion (*suggest)(const SearchContext& c, int64_t number, std::span<const Trial> trials);
  std::optional<int64_t> (*available)(const SearchContext& c) = nullptr;
};
extern const SamplerOps kRandomSampler, kGridSampler, kQuasiRandomSampler, kCoarseToFineSampler, kTpeSampler,
    kGpSampler, kLipoSampler, kCmaEsSampler, kPbtSampler;

// results_needed of samplers that learn from each result: all but those that may run at the same time.
inline int64_t all_but_batch(const SearchContext& c, int64_t number) {
  return std::max<int64_t>(0, number - c.search.batch + 1);
}
inline int64_t nothing_needed(const SearchContext&, int64_t) { return 0; }

}  // namespace dl
