// Transforms made of others.
#include <numeric>

#include "data/transforms/compose.h"

namespace dl {

static void check(const Choose& a, const std::string& at) {
  if (a.of.items.empty()) field_error(at + "/of", "names no transform, expected at least one");
  if (!a.weights.empty() && a.weights.size() != a.of.items.size())
    field_error(at + "/weights", str("has ", a.weights.size(), " numbers, expected ", a.of.items.size()));
  if (!a.weights.empty() && std::accumulate(a.weights.begin(), a.weights.end(), 0.0) <= 0)
    field_error(at + "/weights", "are all 0, expected at least one above");
  for (const Typed<Transform>& t : a.of.items)
    if (stage_of(t) != stage_of(a.of.items.front()) || stage_of(t) == Stage::label)
      field_error(at + "/of", "expected transforms of images alone, or of mixing alone");
}

const Typed<Transform>& pick(const Choose& a, Random& random) {
  if (a.weights.empty())
    return a.of.items[static_cast<size_t>(random.below(static_cast<int64_t>(a.of.items.size())))];
  double left = random.uniform() * std::accumulate(a.weights.begin(), a.weights.end(), 0.0);
  size_t last = 0;
  for (size_t i = 0; i < a.weights.size(); ++i) {
    if (a.weights[i] <= 0) continue;
    last = i;
    if (left < a.weights[i]) break;
    left -= a.weights[i];
  }
  return a.of.items[last];
}

static void apply(Image& image, const Choose& a, Random& random) {
  apply_transform(pick(a, random), image, random);
}

static void check(const Sequence& a, const std::string& at) {
  if (!a.range.empty() && (a.range.size() != 2 || a.range[1] <= a.range[0]))
    field_error(at + "/range", "expected black and white, in this order");
  for (const Typed<Transform>& t : a.transforms.items)
    if (stage_of(t) != Stage::image)
      field_error(at + "/transforms", str("holds '", t.type, "', expected transforms of images"));
}
static void apply(Image& image, const Sequence& a, Random& random) {
  const float black = image.black, white = image.white;
  if (!a.range.empty())
    image.black = static_cast<float>(a.range[0]), image.white = static_cast<float>(a.range[1]);
  for (const Typed<Transform>& t : a.transforms.items) apply_transform(t, image, random);
  image.black = black, image.white = white;
}

namespace {

struct Identity {};
constexpr auto fields(const Identity*) { return std::tuple{}; }
void apply(Image&, const Identity&, Random&) {}

}  // namespace

std::span<const TransformDef> compose_transforms() {
  static const TransformDef all[] = {
      transform<Choose>("choose", "One of several, drawn anew for each sample."),
      transform<Sequence>("sequence", "Several in order, all or none; may state the range of the values."),
      transform<Identity>("identity", "Changes nothing: a member of \"choose\"."),
  };
  return all;
}

}  // namespace dl
