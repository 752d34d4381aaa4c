#pragma once
// Operations of augmentation policies: named changes whose strength is one number.
#include <string>
#include <string_view>
#include <vector>

#include "data/transforms/warp.h"

namespace dl {

// One step of a policy: [op, p, magnitude].
struct PolicyStep {
  std::string op;
  double p = 1;
  double magnitude = 0;  // 0 to 10, see policy_strength()
};
using Policy = std::vector<PolicyStep>;  // steps in order; of several policies one is drawn for each sample

// The published policies of Cubuk et al. 2019 (AutoAugment), appendix; empty for an unknown name.
const std::vector<Policy>& published_policy(std::string_view name);
std::vector<std::string> published_policy_names();

// The operations, "identity" first.
std::span<const std::string_view> policy_ops();

// "auto_augment": up to what the paper's table 6 says at magnitude 9 of 0 to 9. "wide": as in Mueller and Hutter 2021
// (TrivialAugment), table 1.
enum class Strength { normal, wide };
constexpr auto enum_names(const Strength*) { return std::to_array<std::string_view>({"normal", "wide"}); }

// Applies one operation at `level`, 0 to 1 (a little above 1 for magnitude 10). The sign of rotations, slants, shifts and
// of the enhancements is drawn.
void apply_policy_op(std::string_view op, double level, Strength strength, const Sampling& sampling,
                     Image& image, Random& random);

}  // namespace dl
