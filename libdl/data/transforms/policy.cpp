// AutoAugment, RandAugment and TrivialAugment.
#include "data/transforms/policy.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>

#include "data/transforms/colour.h"

namespace dl {
namespace {

struct Strengths {
  double shear, degrees, enhance, posterize;  // at level 1
};
constexpr Strengths kStrengths[] = {{0.3, 30, 0.9, 4}, {0.99, 135, 0.99, 6}};

double signed_by(Random& random, double v) { return random.bits() >> 31 ? -v : v; }

void shift(Image& image, double share, double dy, double dx, const Sampling& s, Random& random) {
  warp_affine(image,
              {.dy = std::round(dy * share * static_cast<double>(image.height)),
               .dx = std::round(dx * share * static_cast<double>(image.width))},
              s, random);
}

using Op = void (*)(Image&, double level, Strength, const Sampling&, Random&);

// A shift at level 1: 150 of 331 pixels (AutoAugment was searched with images of that size), or 32 pixels.
double shift_share(Strength strength, int64_t extent) {
  return strength == Strength::normal ? 150.0 / 331 : 32.0 / static_cast<double>(extent);
}

template <void (*change)(Image&, float)>
void enhance(Image& image, double level, Strength strength, const Sampling&, Random& random) {
  change(image, static_cast<float>(
                    1 + signed_by(random, level * kStrengths[static_cast<size_t>(strength)].enhance)));
}

void shear_x(Image& image, double level, Strength strength, const Sampling& s, Random& random) {
  warp_affine(image, {.xy = signed_by(random, level * kStrengths[static_cast<size_t>(strength)].shear)}, s,
              random);
}
void shear_y(Image& image, double level, Strength strength, const Sampling& s, Random& random) {
  warp_affine(image, {.yx = signed_by(random, level * kStrengths[static_cast<size_t>(strength)].shear)}, s,
              random);
}
void translate_x(Image& image, double level, Strength strength, const Sampling& s, Random& random) {
  shift(image, signed_by(random, level * shift_share(strength, image.width)), 0, 1, s, random);
}
void translate_y(Image& image, double level, Strength strength, const Sampling& s, Random& random) {
  shift(image, signed_by(random, level * shift_share(strength, image.height)), 1, 0, s, random);
}
void rotate(Image& image, double level, Strength strength, const Sampling& s, Random& random) {
  const double degrees = signed_by(random, level * kStrengths[static_cast<size_t>(strength)].degrees);
  warp_affine(image, inverse_affine(degrees, 1, 0, 0, 0, 0), s, random);
}
void posterize_op(Image& image, double level, Strength strength, const Sampling&, Random&) {
  posterize(image, static_cast<int>(8 - std::lround(std::min(level, 1.0) *
                                                    kStrengths[static_cast<size_t>(strength)].posterize)));
}
void solarize_op(Image& image, double level, Strength, const Sampling&, Random&) {
  const float threshold = image.white - image.span() * static_cast<float>(std::min(level, 1.0));
  // Magnitude 0 leaves white as it is.
  if (level > 0) solarize(image, threshold);
}
void invert_op(Image& image, double, Strength, const Sampling&, Random&) { invert(image); }
void equalize_op(Image& image, double, Strength, const Sampling&, Random&) { equalize(image); }
void auto_contrast_op(Image& image, double, Strength, const Sampling&, Random&) {
  stretch_contrast(image, 0);
}
void identity_op(Image&, double, Strength, const Sampling&, Random&) {}

struct NamedOp {
  std::string_view name;
  Op apply;
};
// The first fourteen are those of RandAugment and TrivialAugment.
constexpr NamedOp kOps[] = {
    {"identity", identity_op},
    {"auto_contrast", auto_contrast_op},
    {"equalize", equalize_op},
    {"rotate", rotate},
    {"solarize", solarize_op},
    {"color", enhance<change_saturation>},
    {"posterize", posterize_op},
    {"contrast", enhance<change_contrast>},
    {"brightness", enhance<change_brightness>},
    {"sharpness", enhance<change_sharpness>},
    {"shear_x", shear_x},
    {"shear_y", shear_y},
    {"translate_x", translate_x},
    {"translate_y", translate_y},
    {"invert", invert_op},
};
constexpr size_t kRandomOps = 14;

}  // namespace

std::span<const std::string_view> policy_ops() {
  static const auto names = [] {
    std::array<std::string_view, std::size(kOps)> out;
    for (size_t i = 0; i < out.size(); ++i) out[i] = kOps[i].name;
    return out;
  }();
  return names;
}

void apply_policy_op(std::string_view op, double level, Strength strength, const Sampling& sampling,
                     Image& image, Random& random) {
  for (const NamedOp& o : kOps)
    if (o.name == op) return o.apply(image, level, strength, sampling, random);
  throw Error(Exit::internal, str("there is no policy operation '", op, "'"));
}

// ---- The transforms ---------------------------------------------------------------------------------------------

// A published policy by name, or one's own: [[[op, p, magnitude], ...], ...].
struct PolicyTable {
  std::string name = "cifar10";  // empty: own
  std::vector<Policy> own;
};

template <>
struct FieldType<PolicyTable> {
  static void parse(PolicyTable& v, const json& j, const std::string& at, const Bounds&) {
    v = {};
    if (j.is_string()) {
      const std::vector<std::string> names = published_policy_names();
      const std::vector<std::string_view> views(names.begin(), names.end());
      v.name = names[detail::parse_enum(j, views, at)];
      return;
    }
    v.name.clear();
    detail::expect(j.is_array() && !j.empty(), j, "the name of a policy, or a list of policies", at);
    for (size_t i = 0; i < j.size(); ++i) {
      const std::string here = str(at, '/', i);
      detail::expect(j[i].is_array() && !j[i].empty(), j[i], "a list of steps [op, p, magnitude]", here);
      v.own.emplace_back();
      for (size_t k = 0; k < j[i].size(); ++k) v.own.back().push_back(parse_step(j[i][k], str(here, '/', k)));
    }
  }
  static PolicyStep parse_step(const json& j, const std::string& at) {
    detail::expect(j.is_array() && (j.size() == 2 || j.size() == 3), j, "[op, p, magnitude]", at);
    PolicyStep s;
    s.op = policy_ops()[detail::parse_enum(j[0], policy_ops(), at + "/0")];
    s.p = detail::parse_number(j[1], at + "/1");
    detail::check_bounds(s.p, {0, 1}, at + "/1");
    if (j.size() == 3 && !j[2].is_null()) {
      s.magnitude = detail::parse_number(j[2], at + "/2");
      detail::check_bounds(s.magnitude, {0, 10}, at + "/2");
    }
    return s;
  }
  static json schema(const Bounds&) {
    json ops = json::array();
    for (std::string_view op : policy_ops()) ops.push_back(op);
    const json step{{"type", "array"},
                    {"prefixItems", {{{"enum", ops}}, {{"type", "number"}}, {{"type", "number"}}}}};
    return {{"anyOf",
             {{{"enum", published_policy_names()}},
              {{"type", "array"}, {"items", {{"type", "array"}, {"items", step}}}}}}};
  }
  static json dump(const PolicyTable& v) {
    if (!v.name.empty()) return v.name;
    json out = json::array();
    for (const Policy& p : v.own) {
      out.push_back(json::array());
      for (const PolicyStep& s : p) out.back().push_back({s.op, s.p, s.magnitude});
    }
    return out;
  }
  static bool equal(const PolicyTable& a, const PolicyTable& b) { return dump(a) == dump(b); }
};

namespace {

struct PolicySampling : Chance {
  Interpolation interpolation = Interpolation::bilinear;
  std::optional<double> fill;
  Sampling sampling(const Image& image) const {
    Sampling s;
    s.interpolation = interpolation;
    s.fill = fill ? static_cast<float>(*fill) : image.black + 0.5f * image.span();
    return s;
  }
};
constexpr auto fields(const PolicySampling*) {
  return fields_with<Chance>(
      field("interpolation", &PolicySampling::interpolation, "Of rotations, slants and shifts."),
      field("fill", &PolicySampling::fill,
            "What comes in from outside, in the units of the data; null: half of white."));
}

struct AutoAugment : PolicySampling {
  PolicyTable policy;
};
constexpr auto fields(const AutoAugment*) {
  return fields_with<PolicySampling>(field("policy", &AutoAugment::policy,
                                           "cifar10, svhn, imagenet, or a list of own policies, of which "
                                           "each sample draws one: a policy is a list of "
                                           "steps [op, p, magnitude], magnitudes from 0 to 10."));
}
void apply(Image& image, const AutoAugment& a, Random& random) {
  const std::vector<Policy>& policies =
      a.policy.name.empty() ? a.policy.own : published_policy(a.policy.name);
  const Policy& policy = policies[static_cast<size_t>(random.below(static_cast<int64_t>(policies.size())))];
  const Sampling sampling = a.sampling(image);
  for (const PolicyStep& s : policy)
    if (random.uniform() < s.p)
      apply_policy_op(s.op, s.magnitude / 9, Strength::normal, sampling, image, random);
}

struct RandAugment : PolicySampling {
  int64_t ops = 2;
  double magnitude = 9;
};
constexpr auto fields(const RandAugment*) {
  return fields_with<PolicySampling>(
      field("ops", &RandAugment::ops, "How many operations follow each other (N).").range(0, 14),
      field("magnitude", &RandAugment::magnitude, "Strength of all of them (M), 30 is the strongest.")
          .range(0, 30));
}
void apply(Image& image, const RandAugment& a, Random& random) {
  const Sampling sampling = a.sampling(image);
  for (int64_t i = 0; i < a.ops; ++i) {
    const auto op = static_cast<size_t>(random.below(kRandomOps));
    kOps[op].apply(image, a.magnitude / 30, Strength::normal, sampling, random);
  }
}

struct TrivialAugment : PolicySampling {
  Strength strength = Strength::wide;
};
constexpr auto fields(const TrivialAugment*) {
  return fields_with<PolicySampling>(field("strength", &TrivialAugment::strength,
                                           "The space of strengths: that of RandAugment, or the wide one."));
}
void apply(Image& image, const TrivialAugment& a, Random& random) {
  const auto op = static_cast<size_t>(random.below(kRandomOps));
  const double level = static_cast<double>(random.below(31)) / 30;
  kOps[op].apply(image, level, a.strength, a.sampling(image), random);
}

}  // namespace

std::span<const TransformDef> policy_transforms() {
  static const TransformDef all[] = {
      transform<AutoAugment>(
          "auto_augment",
          "One policy of a list, published or one's own, for each sample (Cubuk et al. 2019).")
          .ranged(),
      transform<RandAugment>(
          "rand_augment", "Operations drawn evenly from fourteen, all of one strength (Cubuk et al. 2020).")
          .ranged(),
      transform<TrivialAugment>(
          "trivial_augment",
          "One operation of fourteen, of a strength drawn evenly (Mueller and Hutter 2021).")
          .ranged(),
  };
  return all;
}

}  // namespace dl
