#include "nn/init.h"

#include <algorithm>
#include <cmath>

#include "base/random.h"
#include "nn/init_matrix.h"

namespace dl {

struct ConstantInit {
  double value = 0;
};
constexpr auto fields(const ConstantInit*) {
  return std::tuple{field("value", &ConstantInit::value, "Value of every element.").required()};
}

struct UniformInit {
  double min = -0.05, max = 0.05;
};
constexpr auto fields(const UniformInit*) {
  return std::tuple{field("min", &UniformInit::min, "Lower end."),
                    field("max", &UniformInit::max, "Upper end.")};
}

struct NormalInit {
  double mean = 0, std = 0.01;
};
constexpr auto fields(const NormalInit*) {
  return std::tuple{field("mean", &NormalInit::mean, "Mean."),
                    field("std", &NormalInit::std, "Standard deviation (before truncation).").at_least(0)};
}

struct XavierInit {
  double gain = 1;
};
constexpr auto fields(const XavierInit*) {
  return std::tuple{field("gain", &XavierInit::gain, "Factor of the standard deviation.").at_least(0)};
}

enum class Fan { in, out, avg };
constexpr auto enum_names(const Fan*) { return std::array<std::string_view, 3>{"in", "out", "avg"}; }

struct FanInit {
  Fan fan = Fan::in;
};
constexpr auto fields(const FanInit*) {
  return std::tuple{
      field("fan", &FanInit::fan, "Connections that count: into a unit, out of it, or their mean.")};
}

struct HeInit : FanInit {
  double slope = 0;
};
constexpr auto fields(const HeInit*) {
  return std::tuple_cat(
      fields(static_cast<const FanInit*>(nullptr)),
      std::tuple{field("slope", &HeInit::slope,
                       "Slope of the activation below zero: variance 2 / ((1 + slope^2) fan).")});
}

struct GainInit {
  double gain = 1;
};
constexpr auto fields(const GainInit*) {
  return std::tuple{field("gain", &GainInit::gain, "Factor of every element.")};
}

struct SparseInit {
  int64_t connections = 10;
  double std = 1;
};
constexpr auto fields(const SparseInit*) {
  return std::tuple{
      field("connections", &SparseInit::connections, "Inputs of each unit whose weight is not zero.")
          .at_least(0),
      field("std", &SparseInit::std, "Standard deviation of those weights.").at_least(0)};
}

namespace {

double count(Fan fan, const Fans& f) {
  return fan == Fan::in ? f.in : fan == Fan::out ? f.out : (f.in + f.out) / 2;
}

// Every element takes one word of the stream, whoever draws it: fill(part, first word) on parts of kPart elements.
template <class F>
void fill_parts(std::span<float> v, Pool* pool, const F& fill) {
  constexpr int64_t kPart = 1 << 15;
  const auto n = static_cast<int64_t>(v.size());
  const auto part = [&](int64_t i, int) {
    const int64_t first = i * kPart;
    fill(v.subspan(static_cast<size_t>(first), static_cast<size_t>(std::min(kPart, n - first))),
         static_cast<uint64_t>(first));
  };
  const int64_t parts = (n + kPart - 1) / kPart;
  if (pool) return parallel(pool, parts, part);
  for (int64_t i = 0; i < parts; ++i) part(i, 0);
}

// As Random::uniform(min, max) draws them.
void fill_uniform(std::span<float> v, const RandomSource& from, double min, double max) {
  fill_parts(v, from.pool, [&](std::span<float> part, uint64_t first) {
    uint32_t words[1024];
    for (size_t i = 0; i < part.size(); i += std::size(words)) {
      const size_t n = std::min(std::size(words), part.size() - i);
      random_words(from.seed, from.stream, first + i, {words, n});
      for (size_t k = 0; k < n; ++k)
        part[i + k] = static_cast<float>(min + (max - min) * (words[k] * 0x1p-32));
    }
  });
}

void fill_normal(std::span<float> v, const RandomSource& from, double mean, double std) {
  fill_parts(v, from.pool, [&](std::span<float> part, uint64_t first) {
    Random random(from.seed, from.stream);
    random.seek(first / 4);
    for (float& x : part) x = static_cast<float>(mean + std * random.normal());
  });
}

// Takes as many words as it needs: one after the other.
void fill_truncated(std::span<float> v, const RandomSource& from, double mean, double std) {
  Random random(from.seed, from.stream);
  for (float& x : v) {
    double z;
    do z = random.normal();
    while (std::fabs(z) > 2);
    x = static_cast<float>(mean + std * z);
  }
}

}  // namespace

std::span<const Variant> InitializerFamily::variants() {
  static const Variant all[] = {
      {"zero", "All zero.", &attr_ops<NoAttrs>},
      {"constant", "All equal.", &attr_ops<ConstantInit>},
      {"uniform", "Uniform between min and max.", &attr_ops<UniformInit>},
      {"normal", "Normal.", &attr_ops<NormalInit>},
      {"truncated_normal", "Normal, draws beyond two standard deviations drawn again.",
       &attr_ops<NormalInit>},
      {"xavier_uniform",
       "Uniform, variance 2 / (fan in + fan out): Glorot and Bengio 2010, for tanh and sigmoid.",
       &attr_ops<XavierInit>},
      {"xavier_normal", "Normal, variance 2 / (fan in + fan out).", &attr_ops<XavierInit>},
      {"he_uniform", "Uniform, variance 2 / fan: He et al. 2015, for ReLU. The default of weights.",
       &attr_ops<HeInit>},
      {"he_normal", "Normal, variance 2 / fan.", &attr_ops<HeInit>},
      {"lecun_uniform", "Uniform, variance 1 / fan: LeCun et al. 1998.", &attr_ops<FanInit>},
      {"lecun_normal", "Normal, variance 1 / fan.", &attr_ops<FanInit>},
      {"orthogonal",
       "Units with the norm `gain` at right angles to each other, or where there are more units than inputs "
       "the other "
       "way round: Saxe, McClelland and Ganguli 2014.",
       &attr_ops<GainInit>},
      {"delta_orthogonal",
       "The same in the middle of a window that is zero elsewhere: Xiao et al. 2018, for very deep networks.",
       &attr_ops<GainInit>},
      {"identity", "Unit i takes input i times `gain`, in the middle of a window (Dirac), and nothing else.",
       &attr_ops<GainInit>},
      {"sparse", "Normal for a few inputs of each unit, zero for the others: Martens 2010.",
       &attr_ops<SparseInit>},
  };
  return all;
}

Fans fans_of(const Shape& weight) {
  if (weight.rank() < 2)
    return {static_cast<double>(weight.elements()), static_cast<double>(weight.elements())};
  const auto window = static_cast<double>(weight.elements(2, weight.rank()));
  return {static_cast<double>(weight[1]) * window, static_cast<double>(weight[0]) * window};
}

Tensor initial_value(const Initializer& init, const Shape& shape, uint64_t seed, std::string_view name) {
  Tensor t(DType::f32, shape);
  initialize(t, init, seed, name);
  return t;
}

void initialize(Tensor& t, const Initializer& init, uint64_t seed, std::string_view name, Pool* pool) {
  const std::span<float> v = t.data<float>();
  const Fans fans = fans_of(t.shape());
  const RandomSource random{seed, stream_id(name), pool};
  const std::string& type = init.type;
  // A uniform distribution on [-a, a] has the variance a^2 / 3.
  const auto spread = [&](double variance, bool uniform) {
    if (uniform)
      fill_uniform(v, random, -std::sqrt(3 * variance), std::sqrt(3 * variance));
    else
      fill_normal(v, random, 0, std::sqrt(variance));
  };
  if (v.empty() || type == "zero") return;
  if (type == "constant") {
    for (float& x : v) x = static_cast<float>(init.as<ConstantInit>().value);
  } else if (type == "uniform") {
    fill_uniform(v, random, init.as<UniformInit>().min, init.as<UniformInit>().max);
  } else if (type == "normal") {
    fill_normal(v, random, init.as<NormalInit>().mean, init.as<NormalInit>().std);
  } else if (type == "truncated_normal") {
    fill_truncated(v, random, init.as<NormalInit>().mean, init.as<NormalInit>().std);
  } else if (type.starts_with("xavier_")) {
    const double gain = init.as<XavierInit>().gain;
    spread(gain * gain * 2 / (fans.in + fans.out), type == "xavier_uniform");
  } else if (type.starts_with("he_")) {
    const HeInit& he = init.as<HeInit>();
    spread(2 / (1 + he.slope * he.slope) / count(he.fan, fans), type == "he_uniform");
  } else if (type.starts_with("lecun_")) {
    spread(1 / count(init.as<FanInit>().fan, fans), type == "lecun_uniform");
  } else if (type == "orthogonal") {
    fill_orthogonal(t, init.as<GainInit>().gain, random);
  } else if (type == "delta_orthogonal") {
    fill_delta_orthogonal(t, init.as<GainInit>().gain, random);
  } else if (type == "identity") {
    fill_identity(t, init.as<GainInit>().gain);
  } else if (type == "sparse") {
    fill_sparse(t, init.as<SparseInit>().connections, init.as<SparseInit>().std, random);
  } else {
    throw Error(Exit::internal, str("initializer '", type, "' has no code"));
  }
}

}  // namespace dl
