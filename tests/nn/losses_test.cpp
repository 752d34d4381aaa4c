// Losses that are made of several operators, against formulas in doubles, and their gradients against differences of those.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "base/random.h"
#include "nn/run.h"

using namespace dl;
using namespace dl::test;

namespace {

using Numbers = std::vector<double>;
using Formula = std::function<double(const Numbers& x)>;

Tensor labels_of(const std::vector<int32_t>& v, Shape sample = {}) {
  Shape shape{static_cast<int64_t>(v.size()) / sample.elements()};
  for (int64_t extent : sample) shape.push_back(extent);
  Tensor t(DType::i32, shape);
  std::copy(v.begin(), v.end(), t.data<int32_t>().begin());
  return t;
}

Tensor random_numbers(const Shape& shape, uint64_t seed, double scale = 1) {
  Tensor t(DType::f32, shape);
  Random r(seed, 1);
  for (float& v : t.data<float>()) v = static_cast<float>(scale * r.normal());
  return t;
}

void check(const json& loss, const Tensor& x, const Tensor& t, int64_t classes, const Formula& f,
           const TensorMap& values = {}) {
  INFO(loss.dump());
  const LossRun got = run_loss(loss, x, t, classes, values);
  Numbers at(x.data<float>().begin(), x.data<float>().end());
  CHECK(static_cast<double>(got.loss) == doctest::Approx(f(at)).epsilon(1e-5));
  double largest = 1e-9;
  std::vector<double> want;
  for (size_t i = 0; i < at.size(); ++i) {
    constexpr double h = 1e-6;
    const double v = at[i];
    at[i] = v + h;
    const double above = f(at);
    at[i] = v - h;
    want.push_back((above - f(at)) / (2 * h));
    at[i] = v;
    largest = std::max(largest, std::fabs(want.back()));
  }
  for (size_t i = 0; i < want.size(); ++i)
    CHECK(std::fabs(static_cast<double>(got.dx[i]) - want[i]) <= 1e-4 * largest + 1e-7);
}

// Rows of logits and one label for each.
struct Classes {
  size_t n = 6, c = 4;
  std::vector<int32_t> y{0, 3, 1, 1, 2, 0};
  Tensor x = random_numbers({6, 4}, 3);
  double logit(const Numbers& v, size_t i, size_t k) const { return v[i * c + k]; }
  size_t label(size_t i) const { return static_cast<size_t>(y[i]); }
  double log_p(const Numbers& v, size_t i, size_t k) const {
    double sum = 0;
    for (size_t j = 0; j < c; ++j) sum += std::exp(logit(v, i, j));
    return logit(v, i, k) - std::log(sum);
  }
};

}  // namespace

TEST_CASE("margins between several classes") {
  const Classes s;
  const auto crammer = [&](double margin, bool squared) {
    return [&s, margin, squared](const Numbers& v) {
      double sum = 0;
      for (size_t i = 0; i < s.n; ++i) {
        double worst = 0;
        for (size_t k = 0; k < s.c; ++k)
          if (k != s.label(i)) worst = std::max(worst, margin + s.logit(v, i, k) - s.logit(v, i, s.label(i)));
        sum += squared ? worst * worst : worst;
      }
      return sum / static_cast<double>(s.n);
    };
  };
  const auto weston = [&](double margin, bool squared) {
    return [&s, margin, squared](const Numbers& v) {
      double sum = 0;
      for (size_t i = 0; i < s.n; ++i)
        for (size_t k = 0; k < s.c; ++k) {
          const double gap = std::max(0.0, margin + s.logit(v, i, k) - s.logit(v, i, s.label(i)));
          if (k != s.label(i)) sum += squared ? gap * gap : gap;
        }
      return sum / static_cast<double>(s.n);
    };
  };
  const Tensor t = labels_of(s.y);
  check("hinge", s.x, t, 4, crammer(1, false));
  check({{"type", "hinge"}, {"margin", 0.5}}, s.x, t, 4, crammer(0.5, false));
  check({{"type", "hinge"}, {"form", "weston_watkins"}}, s.x, t, 4, weston(1, false));
  check("squared_hinge", s.x, t, 4, crammer(1, true));
  check({{"type", "squared_hinge"}, {"form", "weston_watkins"}}, s.x, t, 4, weston(1, true));
  check("perceptron", s.x, t, 4, crammer(0, false));
}

TEST_CASE("two classes by the sign of one number") {
  const std::vector<int32_t> y{0, 1, 1, 0, 1};
  const Tensor x = random_numbers({5, 1}, 4), t = labels_of(y);
  const auto mean = [&](auto term) {
    return [&y, term](const Numbers& v) {
      double sum = 0;
      for (size_t i = 0; i < v.size(); ++i) sum += term(v[i], y[i] ? 1.0 : -1.0);
      return sum / static_cast<double>(v.size());
    };
  };
  check("hinge", x, t, 2, mean([](double v, double s) { return std::max(0.0, 1 - s * v); }));
  check("squared_hinge", x, t, 2,
        mean([](double v, double s) { return std::pow(std::max(0.0, 1 - s * v), 2); }));
  check("perceptron", x, t, 2, mean([](double v, double s) { return std::max(0.0, -s * v); }));
  check("exponential", x, t, 2, mean([](double v, double s) { return std::exp(-s * v); }));
  check({{"type", "focal"}, {"gamma", 2}, {"alpha", 0.25}}, x, t, 2, mean([](double v, double s) {
          const double p = 1 / (1 + std::exp(-s * v));
          return -(s > 0 ? 0.25 : 0.75) * (1 - p) * (1 - p) * std::log(p);
        }));
}

TEST_CASE("focal loss, divergence and information gain of several classes") {
  const Classes s;
  const Tensor t = labels_of(s.y);
  for (const double gamma : {0.0, 0.5, 2.0})
    check({{"type", "focal"}, {"gamma", gamma}, {"class_weights", {1, 2, 0.5, 3}}}, s.x, t, 4,
          [&](const Numbers& v) {
            constexpr double w[] = {1, 2, 0.5, 3};
            double sum = 0;
            for (size_t i = 0; i < s.n; ++i) {
              const double log_p = s.log_p(v, i, s.label(i));
              sum -= w[s.label(i)] * std::pow(1 - std::exp(log_p), gamma) * log_p;
            }
            return sum / static_cast<double>(s.n);
          });
  const std::vector<std::vector<double>> gain{{1, 0, 0, 0.5}, {0, 1, 0.25, 0}, {0, 0, 2, 0}, {0.1, 0, 0, 1}};
  check({{"type", "info_gain"}, {"gain", gain}}, s.x, t, 4, [&](const Numbers& v) {
    double sum = 0;
    for (size_t i = 0; i < s.n; ++i)
      for (size_t k = 0; k < s.c; ++k) sum -= gain[s.label(i)][k] * s.log_p(v, i, k);
    return sum / static_cast<double>(s.n);
  });
  Tensor q(DType::f32, {6, 4});
  for (int64_t i = 0; i < 24; ++i) q.data<float>()[static_cast<size_t>(i)] = i % 4 == i / 4 % 4 ? 0.7f : 0.1f;
  q.data<float>()[0] = 1;
  for (size_t k : {1u, 2u, 3u}) q.data<float>()[k] = 0;  // 0 log 0 is 0
  const auto divergence = [&](double temperature) {
    return [&s, &q, temperature](const Numbers& v) {
      Numbers cooled = v;
      for (double& z : cooled) z /= temperature;
      double sum = 0;
      for (size_t i = 0; i < s.n; ++i)
        for (size_t k = 0; k < s.c; ++k) {
          const double p = static_cast<double>(q.data<float>()[i * s.c + k]);
          if (p > 0) sum += p * (std::log(p) - s.log_p(cooled, i, k));
        }
      return temperature * temperature * sum / static_cast<double>(s.n);
    };
  };
  check("kl_divergence", s.x, q, 4, divergence(1));
  check({{"type", "kl_divergence"}, {"temperature", 3}}, s.x, q, 4, divergence(3));
  check("kl_divergence", s.x, q, 0, divergence(1));
}

TEST_CASE("losses of numbers in every reduction") {
  const Tensor x = random_numbers({4, 3}, 6), t = random_numbers({4, 3}, 7);
  const auto sum = [&](auto term) {
    return [&t, term](const Numbers& v) {
      double total = 0;
      for (size_t i = 0; i < v.size(); ++i) total += term(v[i] - static_cast<double>(t.data<float>()[i]));
      return total;
    };
  };
  const auto square = [](double d) { return d * d; };
  const auto scaled = [](auto f, double factor) { return [=](const Numbers& v) { return factor * f(v); }; };
  check("mse", x, t, 0, scaled(sum(square), 1.0 / 12));
  check({{"type", "mse"}, {"reduction", "sum"}}, x, t, 0, sum(square));
  check({{"type", "mse"}, {"reduction", "sample"}, {"weight", 0.5}}, x, t, 0, scaled(sum(square), 0.125));
  check({{"type", "smooth_l1"}, {"beta", 0.5}}, x, t, 0,
        scaled(sum([](double d) { return std::fabs(d) < 0.5 ? d * d : std::fabs(d) - 0.25; }), 1.0 / 12));
  check({{"type", "gaussian_nll"}, {"full", true}}, x, t, 0,
        [&](const Numbers& v) { return sum(square)(v) / 24 + 0.5 * std::log(2 * M_PI); });
  check({"mse", {{"type", "l1"}, {"weight", 2}}}, x, t, 0,
        scaled(sum([](double d) { return d * d + 2 * std::fabs(d); }), 1.0 / 12));
  check("cosine", x, t, 0, [&](const Numbers& v) {
    double total = 0;
    for (size_t i = 0; i < 4; ++i) {
      double xt = 0, xx = 0, tt = 0;
      for (size_t k = 3 * i; k < 3 * i + 3; ++k) {
        const double b = static_cast<double>(t.data<float>()[k]);
        xt += v[k] * b, xx += v[k] * v[k], tt += b * b;
      }
      total += 1 - xt / std::sqrt(xx * tt);
    }
    return total / 4;
  });
}

TEST_CASE("overlap of masks") {
  const Tensor x = random_numbers({2, 1, 3, 4}, 8);
  Tensor t(DType::f32, {2, 1, 3, 4});
  for (size_t i = 0; i < 24; ++i) t.data<float>()[i] = i % 3 == 0;
  const auto tversky = [&](double alpha, double beta, double smooth, size_t groups) {
    return [&t, alpha, beta, smooth, groups](const Numbers& v) {
      double loss = 0;
      const size_t each = v.size() / groups;
      for (size_t g = 0; g < groups; ++g) {
        double hits = 0, wrong = 0, missed = 0;
        for (size_t i = g * each; i < (g + 1) * each; ++i) {
          const double p = 1 / (1 + std::exp(-v[i])), y = static_cast<double>(t.data<float>()[i]);
          hits += p * y, wrong += p * (1 - y), missed += (1 - p) * y;
        }
        loss += 1 - (hits + smooth) / (hits + alpha * wrong + beta * missed + smooth);
      }
      return loss / static_cast<double>(groups);
    };
  };
  check("dice", x, t, 0, tversky(0.5, 0.5, 1, 2));
  check({{"type", "dice"}, {"per_sample", false}, {"smooth", 0.01}}, x, t, 0, tversky(0.5, 0.5, 0.01, 1));
  check("jaccard", x, t, 0, tversky(1, 1, 1, 2));
  check({{"type", "tversky"}, {"alpha", 0.2}, {"beta", 0.9}}, x, t, 0, tversky(0.2, 0.9, 1, 2));
  // Of classes: the mean over samples and classes of softmax against one class for each pixel.
  const std::vector<int32_t> y{0, 2, 1, 1, 2, 2, 0, 1};
  const Tensor z = random_numbers({2, 3, 4}, 9);
  check("dice", z, labels_of(y, {4}), 3, [&](const Numbers& v) {
    double loss = 0;
    for (size_t n = 0; n < 2; ++n)
      for (size_t c = 0; c < 3; ++c) {
        double hits = 0, sizes = 0;
        for (size_t i = 0; i < 4; ++i) {
          double sum = 0;
          for (size_t k = 0; k < 3; ++k) sum += std::exp(v[(n * 3 + k) * 4 + i]);
          const double p = std::exp(v[(n * 3 + c) * 4 + i]) / sum,
                       u = y[n * 4 + i] == static_cast<int32_t>(c);
          hits += p * u, sizes += p + u;
        }
        loss += (1 - (hits + 1) / (0.5 * sizes + 1)) / 6;
      }
    return loss;
  });
}

namespace {

// Seven points in three dimensions; the last class has one sample.
struct Points {
  std::vector<int32_t> y{0, 1, 0, 1, 2, 0, 1};
  Tensor x = random_numbers({7, 3}, 11);
  double squares(const Numbers& v, size_t a, size_t b) const {
    double sum = 0;
    for (size_t k = 0; k < 3; ++k) sum += (v[3 * a + k] - v[3 * b + k]) * (v[3 * a + k] - v[3 * b + k]);
    return sum;
  }
  double distance(const Numbers& v, size_t a, size_t b) const { return std::sqrt(squares(v, a, b) + 1e-8); }
  bool same(size_t a, size_t b) const { return y[a] == y[b]; }
};

}  // namespace

TEST_CASE("contrastive losses of the pairs of a batch") {
  const Points s;
  check({{"type", "contrastive"}, {"margin", 1.5}}, s.x, labels_of(s.y), 3, [&](const Numbers& v) {
    double sum = 0;
    for (size_t a = 0; a < 7; ++a)
      for (size_t b = 0; b < 7; ++b)
        if (a != b)
          sum += s.same(a, b) ? s.squares(v, a, b) : std::pow(std::max(0.0, 1.5 - s.distance(v, a, b)), 2);
    return sum / 42;
  });
  check({{"type", "cosine_embedding"}, {"margin", 0.2}}, s.x, labels_of(s.y), 3, [&](const Numbers& v) {
    double sum = 0;
    for (size_t a = 0; a < 7; ++a)
      for (size_t b = 0; b < 7; ++b) {
        double ab = 0, aa = 0, bb = 0;
        for (size_t k = 0; k < 3; ++k)
          ab += v[3 * a + k] * v[3 * b + k], aa += v[3 * a + k] * v[3 * a + k],
              bb += v[3 * b + k] * v[3 * b + k];
        const double cosine = ab / std::sqrt(aa * bb);
        if (a != b) sum += s.same(a, b) ? 1 - cosine : std::max(0.0, cosine - 0.2);
      }
    return sum / 42;
  });
}

TEST_CASE("triplets of a batch, mined in three ways") {
  const Points s;
  const auto hard = [&](bool soft) {
    return [&s, soft](const Numbers& v) {
      double sum = 0, count = 0;
      for (size_t a = 0; a < 7; ++a) {
        double near = -1, far = 1e9;
        for (size_t b = 0; b < 7; ++b) {
          if (a == b) continue;
          if (s.same(a, b)) near = std::max(near, s.distance(v, a, b));
          if (!s.same(a, b)) far = std::min(far, s.distance(v, a, b));
        }
        if (near < 0) continue;  // alone in its class
        sum += soft ? std::log1p(std::exp(near - far)) : std::max(0.0, near - far + 0.3);
        ++count;
      }
      return sum / count;
    };
  };
  const Tensor t = labels_of(s.y);
  check({{"type", "triplet"}, {"margin", 0.3}}, s.x, t, 3, hard(false));
  check({{"type", "triplet"}, {"soft", true}}, s.x, t, 3, hard(true));
  check({{"type", "triplet"}, {"margin", 0.3}, {"mining", "batch_all"}, {"squared", true}}, s.x, t, 3,
        [&](const Numbers& v) {
          double sum = 0, count = 0;
          for (size_t a = 0; a < 7; ++a)
            for (size_t p = 0; p < 7; ++p)
              for (size_t n = 0; n < 7; ++n) {
                if (a == p || !s.same(a, p) || s.same(a, n)) continue;
                const double cost = s.squares(v, a, p) - s.squares(v, a, n) + 0.3;
                if (cost > 0) sum += cost, ++count;
              }
          return sum / count;
        });
  check({{"type", "triplet"}, {"margin", 0.3}, {"mining", "semi_hard"}}, s.x, t, 3, [&](const Numbers& v) {
    double sum = 0, count = 0;
    for (size_t a = 0; a < 7; ++a)
      for (size_t p = 0; p < 7; ++p) {
        if (a == p || !s.same(a, p)) continue;
        const double near = s.distance(v, a, p);
        double next = 1e9, furthest = 0;
        for (size_t n = 0; n < 7; ++n) {
          if (s.same(a, n)) continue;
          const double d = s.distance(v, a, n);
          if (d > near) next = std::min(next, d);
          furthest = std::max(furthest, d);
        }
        sum += std::max(0.0, near - (next < 1e9 ? next : furthest) + 0.3), ++count;
      }
    return sum / count;
  });
}

TEST_CASE("center loss and the move of its centres") {
  TensorMap values{{"output.centers", tensor_of({2, 2}, {0, 0, 1, 1})}};
  const Tensor x = tensor_of({3, 2}, {1, 0, 0, 1, 2, 2});
  const LossRun r = run_loss({{"type", "center"}, {"rate", 1}}, x, labels_of({0, 0, 1}), 2, values);
  CHECK(static_cast<double>(r.loss) == doctest::Approx(2.0 / 3));  // 2 in all
  const std::span<const float> centers = r.values.at("output.centers").data<float>();
  const float want[] = {1.f / 3, 1.f / 3, 1.5f, 1.5f};
  for (size_t i = 0; i < 4; ++i) CHECK(centers[i] == doctest::Approx(want[i]));
  const float gap[] = {1, 0, 0, 1, 1, 1};
  for (size_t i = 0; i < 6; ++i) CHECK(r.dx[i] == doctest::Approx(gap[i] / 3));
  const LossRun judged = run_loss("center", x, labels_of({0, 0, 1}), 2, r.values, false);
  CHECK(judged.values.at("output.centers").data<float>()[0] == doctest::Approx(1.f / 3));
}

TEST_CASE("mistakes in the losses point at their place") {
  const Tensor x = random_numbers({4, 3}, 1), numbers = random_numbers({4, 3}, 2),
               labels = labels_of({0, 1, 2, 0});
  const auto error = [&](const json& loss, const Tensor& t, int64_t classes) -> std::string {
    try {
      run_loss(loss, x, t, classes);
    } catch (const Error& e) {
      CHECK(e.code == Exit::config);
      return e.pointer + ": " + e.what();
    }
    return "no error";
  };
  CHECK(error("triplet", numbers, 0) ==
        "/train/loss: triplet needs one class label for each sample, which target 't' does not hold");
  CHECK(error({"mse", "dice"}, labels, 3)
            .starts_with("/train/loss/0: mse needs numbers, target 't' has 3 classes"));
  CHECK(error("hinge", labels, 5) ==
        "/train/loss: output 'output' gives 3 values, the data set has 5 classes");
  CHECK(error("exponential", labels, 3)
            .starts_with("/train/loss: exponential tells two classes apart by one number"));
  CHECK(error({{"type", "focal"}, {"class_weights", {1}}}, labels, 3) ==
        "/train/loss/class_weights: has 1 weights, the data set has 3 classes");
  CHECK(error({{"type", "info_gain"}, {"gain", {{1, 0}, {0, 1}}}}, labels, 3) ==
        "/train/loss/gain: has 2 rows, the data set has 3 classes");
  CHECK(error({{"type", "info_gain"}}, labels, 3).find("gain") != std::string::npos);
  CHECK(error({{"type", "gaussian_nll"}, {"log_variance", "v"}}, numbers, 0) ==
        "/train/loss/log_variance: the model has no output 'v'");
  CHECK(error({{"type", "mse"}, {"target", "y"}}, numbers, 0) ==
        "/train/loss/target: the data set has no target 'y'");
  CHECK(error(json::array(), numbers, 0).starts_with("/train/loss: an empty list"));
  CHECK(error({{"type", "hinge"}, {"form", "best"}}, labels, 3).starts_with("/train/loss/form: "));
}
