#pragma once
// The contract of a transform. To add one: an attribute struct with its field list, apply(image, attributes, random)
// beside it, and one line in the table at the end of the file of its family (geometry.cpp, warp.cpp, colour.cpp ...).
// Help, manual, schema, --list, --bench and the test of all transforms follow from the line.
//
// `p` among the attributes is the probability that the transform is applied at all; it is drawn before apply() is
// called. Random numbers come from the Random that apply() is given, whose key holds the place in the list: a
// transform may draw as many as it likes without moving those of its neighbours.
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "base/fields.h"
#include "base/random.h"
#include "data/schema.h"
#include "data/transforms/image.h"

namespace dl {

class Dataset;

struct Transform {
  static constexpr std::string_view what = "transform";
  static DL_API std::span<const Variant> variants();
};

// What a transform works on.
enum class Stage {
  image,  // one image
  mix,    // two samples with their targets; stands behind all others in the list
  label   // the class label of one sample
};

struct TransformDef {
  Variant variant;
  Stage stage = Stage::image;
  bool colours = false;   // wants three channels
  bool in_range = false;  // wants values from black to white
  void (*apply)(Image&, const void* attrs, Random&) = nullptr;
  // Throws (Exit::config, at the pointer) for attributes that contradict each other. May be null.
  void (*check)(const void* attrs, const std::string& pointer) = nullptr;
  // Attributes completed from the training part: those that "fitted to the data" needs. May be null.
  Attrs (*fit)(const Attrs& attrs, const Dataset& data, const std::string& split,
               const Input& input) = nullptr;

  constexpr TransformDef coloured() const {
    TransformDef d = *this;
    d.colours = true;
    return d;
  }
  constexpr TransformDef ranged() const {
    TransformDef d = *this;
    d.in_range = true;
    return d;
  }
};

// Every transform that there is.
std::span<const TransformDef> all_transforms();
const TransformDef& transform_def(std::string_view type);  // of a type that parsed

struct Chance {
  double p = 1;
};
constexpr auto fields(const Chance*) {
  return std::tuple{field("p", &Chance::p, "Probability that it is applied.").range(0, 1)};
}
// The field list of an attribute struct and that of its base.
template <class Base, class... F>
constexpr auto fields_with(F... f) {
  return std::tuple_cat(std::tuple{f...}, fields(static_cast<const Base*>(nullptr)));
}

template <class A>
TransformDef transform(std::string_view name, std::string_view doc) {
  TransformDef d;
  d.variant = {name, doc, &attr_ops<A>};
  d.apply = [](Image& image, const void* attrs, Random& random) {
    static const A defaults{};
    const A& a = attrs ? *static_cast<const A*>(attrs) : defaults;
    if constexpr (std::is_base_of_v<Chance, A>)
      if (random.uniform() >= a.p) return;
    apply(image, a, random);
  };
  if constexpr (requires(const A& a, const std::string& at) { check(a, at); })
    d.check = [](const void* attrs, const std::string& at) {
      static const A defaults{};
      check(attrs ? *static_cast<const A*>(attrs) : defaults, at);
    };
  return d;
}

// A number from [from, to].
inline double draw(const double (&range)[2], Random& random) { return random.uniform(range[0], range[1]); }
// Error when the second number is below the first.
void check_range(const double (&range)[2], const std::string& pointer, std::string_view key);

// Transforms that hold others: a list as in the config. Its schema says no more than that, for it would hold itself.
struct TransformList {
  std::vector<Typed<Transform>> items;
};
template <>
struct FieldType<TransformList> {
  static void parse(TransformList& v, const json& j, const std::string& at, const Bounds& b) {
    FieldType<decltype(v.items)>::parse(v.items, j, at, b);
  }
  static json schema(const Bounds&) {
    return {{"type", "array"}, {"items", {{"anyOf", {{{"type", "string"}}, {{"type", "object"}}}}}}};
  }
  static json dump(const TransformList& v) { return FieldType<decltype(v.items)>::dump(v.items); }
  static bool equal(const TransformList& a, const TransformList& b) { return dump(a) == dump(b); }
};

// Applies one transform of any kind that works on images.
void apply_transform(const Typed<Transform>& t, Image& image, Random& random);

// The families.
std::span<const TransformDef> geometry_transforms();
std::span<const TransformDef> resize_transforms();
std::span<const TransformDef> warp_transforms();
std::span<const TransformDef> colour_transforms();
std::span<const TransformDef> histogram_transforms();
std::span<const TransformDef> filter_transforms();
std::span<const TransformDef> noise_transforms();
std::span<const TransformDef> erase_transforms();
std::span<const TransformDef> compose_transforms();
std::span<const TransformDef> policy_transforms();
std::span<const TransformDef> mix_transforms();
std::span<const TransformDef> label_transforms();

}  // namespace dl
