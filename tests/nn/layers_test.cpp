// Layers that are made of several operators, by what they compute.
#include <doctest/doctest.h>

#include <cmath>
#include <numeric>

#include "base/random.h"
#include "nn/run.h"

using namespace dl;
using namespace dl::test;

namespace {

Tensor counting(const Shape& shape, float from = 0, float step = 1) {
  Tensor t(DType::f32, shape);
  for (float& v : t.data<float>()) {
    v = from;
    from += step;
  }
  return t;
}

void check_near(const std::vector<float>& got, const std::vector<double>& want, double tol = 1e-6) {
  REQUIRE(got.size() == want.size());
  for (size_t i = 0; i < want.size(); ++i)
    CHECK(std::fabs(static_cast<double>(got[i]) - want[i]) <= tol * (1 + std::fabs(want[i])));
}

std::string error(const std::string& layers, const Tensor& x) {
  try {
    run_layers(layers, x);
  } catch (const Error& e) { return e.pointer + ": " + e.what(); }
  return "no error";
}

struct Moments {
  double mean = 0, variance = 0;
};
Moments moments_of(const std::vector<float>& v) {
  Moments m;
  for (float x : v) m.mean += static_cast<double>(x) / static_cast<double>(v.size());
  for (float x : v)
    m.variance += std::pow(static_cast<double>(x) - m.mean, 2) / static_cast<double>(v.size());
  return m;
}

Tensor normal(const Shape& shape, uint64_t seed) {
  Tensor t(DType::f32, shape);
  Random r(seed, 2);
  for (float& v : t.data<float>()) v = static_cast<float>(r.normal());
  return t;
}

}  // namespace

TEST_CASE("maxout, glu, prelu, softmin and clipped units") {
  const Tensor x = tensor_of({1, 4}, {1, -2, 3, 0.5});
  check_near(run_layers(R"([{"type": "maxout", "pieces": 2}])", x), {1, 3});
  check_near(run_layers(R"([{"type": "glu", "gate": "none"}])", x), {3, -1});
  check_near(run_layers(R"(["glu"])", x), {1 / (1 + std::exp(-3.0)), -2 / (1 + std::exp(-0.5))});
  check_near(run_layers(R"(["prelu"])", x), {1, -0.5, 3, 0.5});
  check_near(run_layers(R"([{"type": "prelu", "shared": true, "initial": 0.1}])", x), {1, -0.2, 3, 0.5});
  check_near(run_layers(R"(["hard_tanh"])", x), {1, -1, 1, 0.5});
  const double sum = std::exp(-1.0) + std::exp(2.0) + std::exp(-3.0) + std::exp(-0.5);
  check_near(run_layers(R"(["softmin"])", x),
             {std::exp(-1.0) / sum, std::exp(2.0) / sum, std::exp(-3.0) / sum, std::exp(-0.5) / sum});
  const Tensor image = counting({1, 4, 1, 2}, -3);
  check_near(run_layers(R"([{"type": "maxout", "pieces": 2}])", image), {-1, 0, 3, 4});
  check_near(run_layers(R"(["prelu"])", image), {-0.75, -0.5, -0.25, 0, 1, 2, 3, 4});
  CHECK(error(R"([{"type": "maxout", "pieces": 3}])", x) ==
        "/model/layers/0/pieces: layer 'maxout_1': (4) cannot be split into groups of 3 channels");
  CHECK(error(R"([{"type": "glu"}])", counting({1, 3})) ==
        "/model/layers/0/axis: layer 'glu_1': axis 1 of (3) cannot be halved");
}

TEST_CASE("vectors of length 1 along any axis") {
  const Tensor x = tensor_of({2, 2}, {3, 4, 0, 0});
  check_near(run_layers(R"(["l2_normalize"])", x), {0.6, 0.8, 0, 0});
  const Tensor image = tensor_of({1, 2, 1, 2}, {3, 5, 4, 12});
  check_near(run_layers(R"(["l2_normalize"])", image), {0.6, 5.0 / 13, 0.8, 12.0 / 13});
}

TEST_CASE("norms with and without what they learn") {
  const Tensor x = tensor_of({1, 4}, {1, 2, 3, 4});
  const std::vector<double> unit{-1.3416354, -0.4472118, 0.4472118, 1.3416354};
  check_near(run_layers(R"([{"type": "layer_norm", "affine": false}])", x), unit);
  check_near(run_layers(R"(["layer_norm"])", x), unit);
  check_near(run_layers(R"([{"type": "group_norm", "groups": 2}])", x),
             {-0.99998, 0.99998, -0.99998, 0.99998}, 1e-5);
  const double root = std::sqrt(7.5 + 1e-6);
  check_near(run_layers(R"(["rms_norm"])", x), {1 / root, 2 / root, 3 / root, 4 / root});
  check_near(run_layers(R"([{"type": "instance_norm", "affine": false}])", counting({1, 2, 1, 2})),
             {-0.99998, 0.99998, -0.99998, 0.99998}, 1e-5);
  CHECK(error(R"([{"type": "group_norm", "groups": 3}])", x) ==
        "/model/layers/0/groups: layer 'group_norm_1': 4 channels cannot be split into 3 groups");
  CHECK(error(R"(["instance_norm"])", x)
            .starts_with("/model/layers/0: layer 'instance_norm_1': instance_norm takes"));
  CHECK(error(R"([{"type": "layer_norm", "axis": 0}])", x).starts_with("/model/layers/0/axis: "));
}

TEST_CASE("adaptive pooling covers the image with overlapping cells") {
  const Tensor x = normal({2, 3, 5, 7}, 1);
  for (const auto& cells : {std::pair{2, 3}, {5, 7}, {1, 1}, {3, 7}, {4, 4}}) {
    const int64_t h = cells.first, w = cells.second;
    INFO(h, " x ", w);
    std::vector<double> mean, most;
    for (int64_t plane = 0; plane < 6; ++plane)
      for (int64_t i = 0; i < h; ++i)
        for (int64_t j = 0; j < w; ++j) {
          double sum = 0, largest = -INFINITY, count = 0;
          for (int64_t a = i * 5 / h; a < ((i + 1) * 5 + h - 1) / h; ++a)
            for (int64_t b = j * 7 / w; b < ((j + 1) * 7 + w - 1) / w; ++b) {
              const double v =
                  static_cast<double>(x.data<float>()[static_cast<size_t>(plane * 35 + a * 7 + b)]);
              sum += v, ++count, largest = std::max(largest, v);
            }
          mean.push_back(sum / count);
          most.push_back(largest);
        }
    const std::string size = str("\"output\": [", h, ", ", w, "]}]");
    check_near(run_layers(R"([{"type": "adaptive_avg_pool2d", )" + size, x), mean);
    check_near(run_layers(R"([{"type": "adaptive_max_pool2d", )" + size, x), most);
  }
}

TEST_CASE("weight norm starts as the plain layer") {
  const Tensor x = normal({3, 5}, 2), image = normal({2, 3, 6, 6}, 3);
  const auto both = [](const std::string& layer, const Tensor& in) {
    const std::vector<float> plain = run_layers("[{" + layer + "}]", in);
    check_near(run_layers("[{" + layer + R"(, "weight_form": "weight_norm"}])", in),
               std::vector<double>(plain.begin(), plain.end()), 1e-5);
  };
  both(R"("type": "dense", "units": 4, "name": "a")", x);
  both(R"("type": "conv2d", "filters": 4, "kernel": 3, "name": "a")", image);
}

TEST_CASE("spectral norm divides by the largest singular value") {
  const std::string layer =
      R"([{"type": "dense", "units": 2, "bias": false, "name": "a", "weight_form": "spectral_norm"}])";
  TensorMap values{{"a.weight", tensor_of({2, 3}, {-1, 2, -3, 4, -6, 6})}};
  const Tensor x = tensor_of({1, 3}, {1, 0, 0});
  run_layers(layer, x, values, true, 20);
  constexpr double sigma = 10.06227499652;
  check_near(run_layers(layer, x, values), {-1 / sigma, 4 / sigma});
  double length = 0;
  for (float v : values.at("a.singular_vector").data<float>())
    length += static_cast<double>(v) * static_cast<double>(v);
  CHECK(length == doctest::Approx(1));
}

TEST_CASE("dropout of channels and of samples drops them as one") {
  const Tensor ones = counting({40, 30, 3, 3}, 1, 0);
  const auto check = [&](const char* layer, size_t together) {
    INFO(layer);
    const std::vector<float> y = run_layers(str(R"([{"type": ")", layer, R"(", "rate": 0.25}])"), ones, true);
    size_t dropped = 0;
    for (size_t i = 0; i < y.size(); ++i) {
      CHECK((y[i] == 0 || y[i] == doctest::Approx(4.f / 3)));
      CHECK(y[i] == y[i / together * together]);
      dropped += y[i] == 0;
    }
    const double draws = static_cast<double>(y.size() / together),
                 share = static_cast<double>(dropped) / static_cast<double>(y.size());
    CHECK(std::fabs(share - 0.25) < 4 * std::sqrt(0.25 * 0.75 / draws));
    CHECK(run_layers(str(R"([{"type": ")", layer, R"(", "rate": 0.25}])"), ones) ==
          std::vector<float>(y.size(), 1));
  };
  check("dropout", 1);
  check("dropout2d", 9);
  check("drop_path", 270);
}

TEST_CASE("noise keeps the moments that it promises") {
  const Tensor x = normal({200, 500}, 4);
  const Moments before = moments_of({x.data<float>().begin(), x.data<float>().end()});
  const auto after = [&](const std::string& layer) {
    return moments_of(run_layers("[{" + layer + "}]", x, true));
  };
  const Moments alpha = after(R"("type": "alpha_dropout", "rate": 0.2)");
  CHECK(std::fabs(alpha.mean) < 0.02);
  CHECK(std::fabs(alpha.variance - 1) < 0.02);
  const Moments noise = after(R"("type": "gaussian_noise", "std": 0.5)");
  CHECK(std::fabs(noise.mean - before.mean) < 0.01);
  CHECK(std::fabs(noise.variance - before.variance - 0.25) < 0.02);
  const Moments factor = after(R"("type": "gaussian_dropout", "rate": 0.2)");
  CHECK(std::fabs(factor.variance - 1.25 * before.variance) < 0.03);
  TensorMap none;
  const std::vector<float> y = run_layers(R"(["rrelu"])", x, none, true);
  double low = 1, high = 0;
  for (size_t i = 0; i < y.size(); ++i) {
    const float v = x.data<float>()[i];
    if (v > 0) {
      CHECK(y[i] == v);
    } else if (v < -0.01f) {
      low = std::min(low, static_cast<double>(y[i] / v));
      high = std::max(high, static_cast<double>(y[i] / v));
    }
  }
  CHECK(low > 0.1249);
  CHECK(low < 0.13);
  CHECK(high < 0.3334);
  CHECK(high > 0.33);
}

TEST_CASE("dropconnect and weight noise are for training alone") {
  const Tensor x = counting({2, 300}, 1, 0);
  const std::string plain = R"("type": "dense", "units": 50, "name": "a")";
  const std::vector<float> want = run_layers("[{" + plain + "}]", x);
  for (const char* option : {R"("dropconnect": 0.5)", R"("weight_noise": 0.1)"}) {
    const std::string layer = "[{" + plain + ", " + option + "}]";
    CHECK(run_layers(layer, x) == want);
    const std::vector<float> y = run_layers(layer, x, true);
    CHECK(y != want);
    CHECK(std::vector(y.begin(), y.begin() + 50) ==
          std::vector(y.begin() + 50, y.end()));  // one draw for the batch
  }
}
