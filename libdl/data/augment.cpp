#include "data/augment.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "data/transforms.h"

namespace dl {
namespace {

// One line for each transform: name, help, attributes, what it does.
template <class A>
void apply_as(Image& image, const void* attrs, Random& random) {
  static const A defaults{};
  apply(image, attrs ? *static_cast<const A*>(attrs) : defaults, random);
}

struct Row {
  Variant variant;
  void (*apply)(Image&, const void* attrs, Random&);
};

template <class A>
constexpr Row row(std::string_view name, std::string_view doc) {
  return {{name, doc, &attr_ops<A>}, &apply_as<A>};
}

const std::array kTransforms{
    row<Flip>("flip", "Mirrors the image with probability p."),
    row<PadAndCrop>("pad_and_crop", "Pads all sides and cuts the former size out at a random place."),
    row<Translate>("translate", "Moves the image by a random number of pixels."),
};

void to_float(const void* in, const TensorType& type, std::vector<float>& out) {
  out.resize(static_cast<size_t>(type.elements()));
  if (type.dtype == DType::f32) {
    std::memcpy(out.data(), in, out.size() * sizeof(float));
  } else {
    const auto* p = static_cast<const uint8_t*>(in);
    std::copy(p, p + out.size(), out.begin());
  }
}

void from_float(const std::vector<float>& in, const TensorType& type, void* out) {
  if (type.dtype == DType::f32) {
    std::memcpy(out, in.data(), in.size() * sizeof(float));
  } else {
    auto* p = static_cast<uint8_t*>(out);
    for (size_t i = 0; i < in.size(); ++i)
      p[i] = static_cast<uint8_t>(std::lrintf(std::clamp(in[i], 0.0f, 255.0f)));
  }
}

}  // namespace

std::span<const Variant> Transform::variants() {
  static const auto all = [] {
    std::array<Variant, kTransforms.size()> v;
    for (size_t i = 0; i < v.size(); ++i) v[i] = kTransforms[i].variant;
    return v;
  }();
  return all;
}

AugmentConfig parse_augment(const json& list, const std::string& pointer) {
  AugmentConfig c;
  FieldType<decltype(c.transforms)>::parse(c.transforms, list, pointer, Bounds{});
  return c;
}

json augment_schema() {
  return FieldType<decltype(AugmentConfig::transforms)>::schema(Bounds{-INFINITY, INFINITY});
}

Augmenter::Augmenter(const AugmentConfig& config, const Schema& schema, uint64_t seed)
    : config_(config), inputs_(schema.inputs), seed_(seed) {
  if (config.transforms.empty()) return;
  const auto image = [](const Input& i) {
    return i.role == Role::image && (i.type.dtype == DType::u8 || i.type.dtype == DType::f32);
  };
  if (std::none_of(inputs_.begin(), inputs_.end(), image))
    throw Error(Exit::config, "/augment",
                str("'", config.transforms.front().type, "' transforms images, the data set has none"));
}

void Augmenter::apply(std::span<void* const> columns, uint64_t round, uint64_t sample, Image& work) const {
  for (size_t c = 0; c < inputs_.size(); ++c) {
    const Input& input = inputs_[c];
    if (input.role != Role::image) continue;
    const Shape& shape = input.type.shape;
    work.channels = shape[0], work.height = shape[1], work.width = shape[2];
    to_float(columns[c], input.type, work.pixels);
    for (size_t t = 0; t < config_.transforms.size(); ++t) {
      // The position in the list is part of the key: a second flip is another flip.
      Random random(seed_, stream_id("augment") + (round << 8) + t, sample);
      const Typed<Transform>& transform = config_.transforms[t];
      for (const Row& r : kTransforms)
        if (r.variant.name == transform.type) r.apply(work, transform.attrs.get(), random);
    }
    if (work.channels != shape[0] || work.height != shape[1] || work.width != shape[2])
      throw Error(Exit::config, "/augment",
                  str("the transforms turn images of ", shape.text(), " into ", work.channels, ',',
                      work.height, ',', work.width, ", expected the same extents"));
    from_float(work.pixels, input.type, columns[c]);
  }
}

}  // namespace dl
