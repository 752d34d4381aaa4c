#include "data/augment.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <unordered_map>

#include "base/clones.h"
#include "data/transforms/label.h"
#include "data/transforms/mix.h"

namespace dl {
namespace {

// Marks a pixel range of f32 images as missed only beyond rounding.
constexpr float kSlack = 1e-3f;

DL_CLONES void bytes_to_floats(const uint8_t* in, size_t n, float* out) {
  for (size_t i = 0; i < n; ++i) out[i] = in[i];
}

DL_CLONES void floats_to_bytes(const float* in, size_t n, uint8_t* out) {
  for (size_t i = 0; i < n; ++i) {
    const float v = in[i] < 0 ? 0 : in[i] > 255 ? 255 : in[i];
    out[i] = static_cast<uint8_t>(static_cast<int>(v + 0.5f));
  }
}

void to_float(const void* in, const TensorType& type, std::vector<float>& out) {
  out.resize(static_cast<size_t>(type.elements()));
  if (type.dtype == DType::f32) {
    std::memcpy(out.data(), in, out.size() * sizeof(float));
  } else {
    bytes_to_floats(static_cast<const uint8_t*>(in), out.size(), out.data());
  }
}

void from_float(const std::vector<float>& in, const TensorType& type, void* out) {
  if (type.dtype == DType::f32) {
    std::memcpy(out, in.data(), in.size() * sizeof(float));
  } else {
    floats_to_bytes(in.data(), in.size(), static_cast<uint8_t*>(out));
  }
}

void load(Plane& plane, const TensorType& type, const void* in) {
  const Shape& s = type.shape;
  const bool image = s.rank() == 3;
  plane.channels = image ? s[0] : 1;
  plane.height = image ? s[1] : 1;
  plane.width = image ? s[2] : type.elements();
  to_float(in, type, plane.pixels);
}

bool is_image(const Input& i) {
  return i.role == Role::image && (i.type.dtype == DType::u8 || i.type.dtype == DType::f32);
}

// Members of "choose" and "sequence" included.
template <class F>
void for_each_transform(const Typed<Transform>& t, const std::string& at, F&& fn) {
  fn(t, at);
  const std::vector<Typed<Transform>>* members = nullptr;
  if (t.type == "choose") members = &t.as<Choose>().of.items;
  if (t.type == "sequence") members = &t.as<Sequence>().transforms.items;
  for (size_t i = 0; members && i < members->size(); ++i)
    for_each_transform((*members)[i], str(at, t.type == "choose" ? "/of/" : "/transforms/", i), fn);
}

// Whether values are taken to lie from 0 to 1, or 255, without the user having said so.
bool assumes_range(const Typed<Transform>& t) {
  const auto any = [](const std::vector<Typed<Transform>>& members) {
    return std::any_of(members.begin(), members.end(), assumes_range);
  };
  if (t.type == "choose") return any(t.as<Choose>().of.items);
  if (t.type == "sequence") return t.as<Sequence>().range.empty() && any(t.as<Sequence>().transforms.items);
  return transform_def(t.type).in_range;
}

void check_attributes(const Typed<Transform>& t, const std::string& at) {
  for_each_transform(t, at, [](const Typed<Transform>& each, const std::string& where) {
    const TransformDef& def = transform_def(each.type);
    if (def.check) def.check(each.attrs.get(), where);
  });
}

Typed<Transform> fitted(const Typed<Transform>& t, const Dataset& data, const std::string& split,
                        const Input& input) {
  Typed<Transform> out = t;
  const auto each = [&](std::vector<Typed<Transform>>& members) {
    for (Typed<Transform>& m : members) m = fitted(m, data, split, input);
  };
  if (t.type == "choose") {
    Choose a = t.as<Choose>();
    each(a.of.items);
    out.attrs = make_attrs(std::move(a));
  } else if (t.type == "sequence") {
    Sequence a = t.as<Sequence>();
    each(a.transforms.items);
    out.attrs = make_attrs(std::move(a));
  } else if (const auto fit = transform_def(t.type).fit) {
    out.attrs = fit(t.attrs, data, split, input);
  }
  return out;
}

}  // namespace

// ---- The table of all transforms ----------------------------------------------------------------------------------

std::span<const TransformDef> all_transforms() {
  static const auto all = [] {
    std::vector<TransformDef> v;
    for (const auto family :
         {geometry_transforms(), resize_transforms(), warp_transforms(), colour_transforms(),
          histogram_transforms(), filter_transforms(), noise_transforms(), erase_transforms(),
          compose_transforms(), policy_transforms(), mix_transforms(), label_transforms()})
      v.insert(v.end(), family.begin(), family.end());
    return v;
  }();
  return all;
}

const TransformDef& transform_def(std::string_view type) {
  static const auto by_name = [] {
    std::unordered_map<std::string_view, const TransformDef*> m;
    for (const TransformDef& d : all_transforms()) m[d.variant.name] = &d;
    return m;
  }();
  return *by_name.at(type);
}

std::span<const Variant> Transform::variants() {
  static const auto all = [] {
    std::vector<Variant> v;
    for (const TransformDef& d : all_transforms()) v.push_back(d.variant);
    return v;
  }();
  return all;
}

void check_range(const double (&range)[2], const std::string& pointer, std::string_view key) {
  if (range[1] < range[0]) field_error(pointer_join(pointer, key), "the second number is below the first");
}

void apply_transform(const Typed<Transform>& t, Image& image, Random& random) {
  transform_def(t.type).apply(image, t.attrs.get(), random);
}

Stage stage_of(const Typed<Transform>& t) {
  if (t.type == "choose" && !t.as<Choose>().of.items.empty())
    return stage_of(t.as<Choose>().of.items.front());
  return transform_def(t.type).stage;
}

bool works_on_pairs(const Typed<Transform>& t) { return stage_of(t) == Stage::mix; }

json list_transforms() {
  json out = json::array();
  for (const TransformDef& d : all_transforms()) {
    const json schema = d.variant.attrs->schema();
    json attributes = json::object();
    for (const auto& item : schema.at("properties").items()) {
      json a{{"doc", item.value().value("description", "")}};
      if (item.value().contains("default")) a["default"] = item.value()["default"];
      attributes[item.key()] = a;
    }
    const char* works_on = d.stage == Stage::image ? "image"
                           : d.stage == Stage::mix ? "pair of samples"
                                                   : "label";
    out.push_back({{"type", d.variant.name},
                   {"doc", d.variant.doc},
                   {"works_on", works_on},
                   {"attributes", attributes}});
  }
  return out;
}

AugmentConfig parse_augment(const json& list, const std::string& pointer) {
  AugmentConfig c;
  FieldType<decltype(c.transforms)>::parse(c.transforms, list, pointer, Bounds{});
  Stage before = Stage::image;
  for (size_t i = 0; i < c.transforms.size(); ++i) {
    check_attributes(c.transforms[i], str(pointer, '/', i));
    const Stage stage = stage_of(c.transforms[i]);
    if (before == Stage::mix && stage != Stage::mix)
      field_error(str(pointer, '/', i),
                  str("'", c.transforms[i].type, "' stands behind a mixing of samples, expected it before"));
    before = stage;
  }
  return c;
}

json augment_schema() {
  return FieldType<decltype(AugmentConfig::transforms)>::schema(Bounds{-INFINITY, INFINITY});
}

// ---- Augmenter ------------------------------------------------------------------------------------------------------

Augmenter::Augmenter(const AugmentConfig& config, const Schema& schema, uint64_t seed, bool soft)
    : config_(config), in_(schema), schema_(schema), seed_(seed), soft_(soft) {
  const bool images = std::any_of(in_.inputs.begin(), in_.inputs.end(), is_image);
  const auto has_classes = [&] {
    return std::any_of(in_.targets.begin(), in_.targets.end(),
                       [](const Target& t) { return t.kind == TargetKind::class_index; });
  };
  const auto fail = [](const std::string& at, const std::string& what) {
    throw Error(Exit::config, at, what);
  };
  for (size_t i = 0; i < config_.transforms.size(); ++i) {
    const Typed<Transform>& t = config_.transforms[i];
    const std::string at = str("/augment/", i);
    const Stage stage = stage_of(t);
    stages_.push_back(stage);
    transforms_images_ = transforms_images_ || stage == Stage::image;
    mixes_ = mixes_ || stage == Stage::mix;
    in_range_ = in_range_ || assumes_range(t);
    if (stage == Stage::image && !images)
      fail(at, str("'", t.type, "' transforms images, the data set has none"));
    if (stage == Stage::mix && !images && !mixes_features(t))
      fail(at, str("'", t.type, "' cuts images, the data set has none; mixup mixes features"));
    if (stage == Stage::label && !has_classes())
      fail(at, str("'", t.type, "' changes labels of classes, the data set has none"));
    if (stage == Stage::label)
      for (const Target& target : in_.targets)
        if (target.kind == TargetKind::class_index && concerns_target(t, target.name))
          check_label_transform(t, static_cast<int64_t>(target.classes.size()), at);
    for_each_transform(t, at, [&](const Typed<Transform>& each, const std::string& where) {
      const TransformDef& def = transform_def(each.type);
      for (const Input& input : in_.inputs)
        if (def.colours && is_image(input) && input.type.shape[0] != 3)
          fail(where, str("'", each.type, "' changes colours, expected images of 3 channels, '", input.name,
                          "' has ", input.type.shape[0]));
    });
  }
  if (softens())
    for (Target& t : schema_.targets)
      if (t.kind == TargetKind::class_index) {
        t.kind = TargetKind::class_probabilities;
        t.type = {DType::f32, {static_cast<int64_t>(t.classes.size())}};
      }
}

void Augmenter::fit(const Dataset& data, const std::string& split) {
  for (const Input& input : in_.inputs)
    if (is_image(input))
      for (Typed<Transform>& t : config_.transforms) t = fitted(t, data, split, input);
}

const Input* Augmenter::image_of_mask(const Target& t) const {
  const Shape& s = t.type.shape;
  if (s.rank() != 3 || t.type.dtype != DType::f32) return nullptr;
  const auto found = std::find_if(in_.inputs.begin(), in_.inputs.end(), [&](const Input& i) {
    return is_image(i) && i.type.shape[1] == s[1] && i.type.shape[2] == s[2];
  });
  return found == in_.inputs.end() ? nullptr : &*found;
}

void Augmenter::transform_image(const Input& input, std::span<void* const> columns, size_t c, uint64_t round,
                                uint64_t sample, Image& work) const {
  const Shape& shape = input.type.shape;
  load(work, input.type, columns[c]);
  work.black = 0;
  work.white = input.type.dtype == DType::u8 ? 255 : 1;
  if (in_range_ && input.type.dtype == DType::f32)
    for (float v : work.pixels)
      if (v < -kSlack || v > 1 + kSlack)
        throw Error(Exit::data, "/augment",
                    str("row ", sample, " of '", input.name, "' has the value ", number(v),
                        ", transforms of colours expect f32 images from 0 to 1"),
                    "a \"sequence\" with \"range\" states another range");
  std::vector<size_t> masks;  // columns
  for (size_t t = 0; t < in_.targets.size() && columns.size() == in_.columns(); ++t)
    if (image_of_mask(in_.targets[t]) == &input) masks.push_back(in_.inputs.size() + t);
  work.masks.resize(masks.size());
  for (size_t m = 0; m < masks.size(); ++m) load(work.masks[m], in_.column_type(masks[m]), columns[masks[m]]);

  for (size_t t = 0; t < config_.transforms.size(); ++t) {
    if (stages_[t] != Stage::image) continue;
    // The position in the list is part of the key: a second flip is another flip.
    Random random(seed_, stream_id("augment") + (round << 8) + t, sample);
    apply_transform(config_.transforms[t], work, random);
  }
  if (work.channels != shape[0] || work.height != shape[1] || work.width != shape[2])
    throw Error(Exit::config, "/augment",
                str("the transforms turn images of ", shape.text(), " into ", work.channels, ',', work.height,
                    ',', work.width, ", expected the same extents"));
  from_float(work.pixels, input.type, columns[c]);
  for (size_t m = 0; m < masks.size(); ++m)
    from_float(work.masks[m].pixels, in_.column_type(masks[m]), columns[masks[m]]);
}

void Augmenter::transform_labels(std::span<void* const> columns, uint64_t sample) const {
  for (size_t i = 0; i < in_.targets.size(); ++i) {
    const Target& target = in_.targets[i];
    if (target.kind != TargetKind::class_index) continue;
    auto* const at = static_cast<unsigned char*>(columns[in_.inputs.size() + i]);
    for (size_t t = 0; t < config_.transforms.size(); ++t) {
      const Typed<Transform>& transform = config_.transforms[t];
      if (stages_[t] != Stage::label || !concerns_target(transform, target.name)) continue;
      // Neither epoch nor copy: a wrong label stays the same wrong one.
      Random random(seed_, stream_id("augment.label") + (i << 8) + t, sample);
      int32_t label;
      std::memcpy(&label, at, sizeof label);
      label = change_label(transform, label, static_cast<int64_t>(target.classes.size()), random);
      std::memcpy(at, &label, sizeof label);
    }
  }
}

void Augmenter::apply(std::span<void* const> columns, uint64_t round, uint64_t sample, Image& work) const {
  for (size_t c = 0; transforms_images_ && c < in_.inputs.size(); ++c)
    if (is_image(in_.inputs[c])) transform_image(in_.inputs[c], columns, c, round, sample, work);
  if (columns.size() == in_.columns()) transform_labels(columns, sample);
}

int64_t Augmenter::partner(uint64_t round, uint64_t sample, int64_t count) const {
  return Random(seed_, stream_id("augment.partner") + (round << 8), sample).below(count);
}

double Augmenter::mix_column(const TensorType& type, void* out, const void* own, const void* other,
                             uint64_t round, uint64_t sample, Image& work) const {
  load(work, type, own);
  work.masks.resize(1);
  load(work.masks[0], type, other);
  double weight = 1;
  for (size_t t = 0; t < config_.transforms.size(); ++t) {
    if (stages_[t] != Stage::mix) continue;
    // The same for every column of the sample.
    Random random(seed_, stream_id("augment.mix") + (round << 8) + t, sample);
    weight *= mix_planes(config_.transforms[t], work, work.masks[0], random);
  }
  from_float(work.pixels, type, out);
  return weight;
}

void Augmenter::mix(std::span<void* const> out, std::span<const void* const> own,
                    std::span<const void* const> other, uint64_t round, uint64_t sample, Image& work) const {
  double weight = 1;
  bool known = false;
  for (size_t c = 0; c < in_.inputs.size(); ++c) {
    const Input& input = in_.inputs[c];
    if (!mixes_) {
      std::memcpy(out[c], own[c], static_cast<size_t>(input.type.bytes()));
      continue;
    }
    const double w = mix_column(input.type, out[c], own[c], other[c], round, sample, work);
    if (!known || is_image(input)) weight = w;
    known = true;
  }
  const auto keep = static_cast<float>(weight);
  for (size_t i = 0; i < in_.targets.size(); ++i) {
    const Target& target = in_.targets[i];
    const size_t c = in_.inputs.size() + i;
    if (target.kind == TargetKind::class_index) {
      int32_t label[2];
      std::memcpy(&label[0], own[c], sizeof label[0]);
      std::memcpy(&label[1], other[c], sizeof label[1]);
      auto* p = static_cast<float*>(out[c]);
      std::fill(p, p + target.classes.size(), 0.0f);
      p[label[0]] += keep;
      p[label[1]] += 1 - keep;
    } else if (mixes_ && image_of_mask(target)) {
      mix_column(target.type, out[c], own[c], other[c], round, sample, work);
    } else {
      const auto *a = static_cast<const float*>(own[c]), *b = static_cast<const float*>(other[c]);
      for (int64_t k = 0; k < target.type.elements(); ++k)
        static_cast<float*>(out[c])[k] = b[k] + keep * (a[k] - b[k]);
    }
  }
}

}  // namespace dl
