#include "nn/init.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>

#include "base/random.h"

using namespace dl;

static Initializer parse(const json& j) {
  Initializer init;
  FieldType<Initializer>::parse(init, j, "/init", {});
  return init;
}

struct Moments {
  double mean = 0, variance = 0, least = 1e9, most = -1e9;
};

static Moments moments(const Tensor& t) {
  Moments m;
  const double n = static_cast<double>(t.elements());
  for (float v : t.data<float>()) {
    m.mean += v / n;
    m.least = std::min<double>(m.least, v);
    m.most = std::max<double>(m.most, v);
  }
  for (float v : t.data<float>()) m.variance += (v - m.mean) * (v - m.mean) / n;
  return m;
}

static Moments of(const json& j, const Shape& shape = {200, 300}) {
  return moments(initial_value(parse(j), shape, 7, "layer.weight"));
}

TEST_CASE("fans come from the weight's shape") {
  CHECK(fans_of({120, 400}).in == 400);
  CHECK(fans_of({120, 400}).out == 120);
  CHECK(fans_of({16, 6, 5, 5}).in == 150);
  CHECK(fans_of({16, 6, 5, 5}).out == 400);
  CHECK(fans_of({8}).in == 8);
}

TEST_CASE("fixed values") {
  CHECK(of("zero").most == 0);
  CHECK(of("zero").least == 0);
  CHECK(of({{"type", "constant"}, {"value", 0.25}}).least == 0.25);
}

TEST_CASE("uniform and normal have the moments they are given") {
  const Moments u = of({{"type", "uniform"}, {"min", -1}, {"max", 3}});
  CHECK(u.mean == doctest::Approx(1).epsilon(0.02));
  CHECK(u.variance == doctest::Approx(16.0 / 12).epsilon(0.02));
  CHECK(u.least >= -1);
  CHECK(u.most <= 3);
  const Moments n = of({{"type", "normal"}, {"mean", 2}, {"std", 0.5}});
  CHECK(n.mean == doctest::Approx(2).epsilon(0.01));
  CHECK(n.variance == doctest::Approx(0.25).epsilon(0.02));
  CHECK(n.most > 3.5);
}

TEST_CASE("the truncated normal stays within two deviations, with variance 0.774") {
  const Moments t = of({{"type", "truncated_normal"}, {"mean", 1}, {"std", 1}});
  CHECK(t.least >= -1);
  CHECK(t.most <= 3);
  CHECK(t.mean == doctest::Approx(1).epsilon(0.01));
  CHECK(t.variance == doctest::Approx(0.7737).epsilon(0.02));  // 1 - 4 phi(2) / (2 Phi(2) - 1)
}

TEST_CASE("variance scaling follows its papers") {
  const double in = 300, out = 200;
  struct Row {
    json init;
    double variance;
    bool uniform;
  };
  const Row rows[] = {
      {"xavier_uniform", 2 / (in + out), true},
      {"xavier_normal", 2 / (in + out), false},
      {{{"type", "xavier_normal"}, {"gain", 2}}, 8 / (in + out), false},
      {"he_uniform", 2 / in, true},
      {"he_normal", 2 / in, false},
      {{{"type", "he_normal"}, {"fan", "out"}}, 2 / out, false},
      {{{"type", "he_uniform"}, {"fan", "avg"}}, 4 / (in + out), true},
      {{{"type", "he_normal"}, {"slope", 0.5}}, 2 / 1.25 / in, false},
      {"lecun_uniform", 1 / in, true},
      {"lecun_normal", 1 / in, false},
  };
  for (const Row& r : rows) {
    CAPTURE(r.init.dump());
    const Moments m = of(r.init);
    CHECK(std::fabs(m.mean) < 0.02 * std::sqrt(r.variance));
    CHECK(m.variance == doctest::Approx(r.variance).epsilon(0.03));
    const double edge = std::sqrt(3 * r.variance);
    if (r.uniform) CHECK(m.most <= edge * 1.0001);
    if (r.uniform) CHECK(m.most >= edge * 0.99);
    if (!r.uniform) CHECK(m.most > edge * 1.3);
  }
}

TEST_CASE("values depend on seed and name and on nothing else") {
  const auto first = [](uint64_t seed, const char* name) {
    return initial_value(parse("he_normal"), {4, 4}, seed, name).data<float>()[0];
  };
  CHECK(first(1, "a.weight") == first(1, "a.weight"));
  CHECK(first(1, "a.weight") != first(2, "a.weight"));
  CHECK(first(1, "a.weight") != first(1, "b.weight"));
  CHECK(initial_value(parse("he_normal"), {0, 4}, 1, "x").elements() == 0);
}

// Largest distance of the products of rows (columns, where there are more rows) from those of an orthogonal matrix.
static double skewness(const Tensor& t, double gain) {
  const int64_t rows = t.shape()[0], columns = t.elements() / rows;
  const bool wide = rows <= columns;
  const auto v = t.data<float>();
  const auto get = [&](int64_t i, int64_t k) {
    return static_cast<double>(v[static_cast<size_t>(wide ? i * columns + k : k * columns + i)]);
  };
  double worst = 0;
  for (int64_t i = 0; i < std::min(rows, columns); ++i)
    for (int64_t j = 0; j <= i; ++j) {
      double sum = 0;
      for (int64_t k = 0; k < std::max(rows, columns); ++k) sum += get(i, k) * get(j, k);
      worst = std::max(worst, std::fabs(sum - (i == j ? gain * gain : 0)));
    }
  return worst;
}

TEST_CASE("orthogonal weights have units at right angles") {
  for (const Shape& shape :
       {Shape{20, 50}, Shape{50, 20}, Shape{64, 64}, Shape{8, 6, 3, 3}, Shape{200, 3, 5, 5}}) {
    CAPTURE(shape.text());
    CHECK(skewness(initial_value(parse("orthogonal"), shape, 7, "w"), 1) < 1e-5);
    CHECK(skewness(initial_value(parse({{"type", "orthogonal"}, {"gain", 2}}), shape, 7, "w"), 2) < 4e-5);
  }
  const Moments m = of("orthogonal", {300, 300});  // uniform among all: mean 0, variance 1 / n
  CHECK(m.mean == doctest::Approx(0).epsilon(0.001));
  CHECK(m.variance == doctest::Approx(1.0 / 300).epsilon(1e-4));
  // The pool shares the work without changing a bit.
  const Shape large{300, 700};
  Pool* pool = pool_create(3);
  Tensor shared(DType::f32, large);
  initialize(shared, parse("orthogonal"), 7, "w", pool);
  pool_destroy(pool);
  const Tensor alone = initial_value(parse("orthogonal"), large, 7, "w");
  CHECK(std::memcmp(alone.raw(), shared.raw(), size_t(alone.bytes())) == 0);
}

TEST_CASE("identity and delta orthogonal stand in the middle of the window") {
  const Tensor id = initial_value(parse({{"type", "identity"}, {"gain", 2}}), {3, 4, 3, 5}, 1, "w");
  for (int64_t o = 0; o < 3; ++o)
    for (int64_t i = 0; i < 4; ++i)
      for (int64_t k = 0; k < 15; ++k)
        CHECK(id.data<float>()[static_cast<size_t>((o * 4 + i) * 15 + k)] == (o == i && k == 7 ? 2 : 0));
  const Tensor eye = initial_value(parse("identity"), {2, 2}, 1, "w");
  CHECK(eye.data<float>()[0] == 1);
  CHECK(eye.data<float>()[1] == 0);
  CHECK(eye.data<float>()[3] == 1);
  const Tensor delta = initial_value(parse("delta_orthogonal"), {8, 6, 3, 3}, 1, "w");
  Tensor middle(DType::f32, {8, 6});
  double elsewhere = 0;
  for (int64_t i = 0; i < 48; ++i)
    for (int64_t k = 0; k < 9; ++k) {
      const float v = delta.data<float>()[static_cast<size_t>(i * 9 + k)];
      if (k == 4) middle.data<float>()[static_cast<size_t>(i)] = v;
      if (k != 4) elsewhere += std::fabs(v);
    }
  CHECK(elsewhere == 0);
  CHECK(skewness(middle, 1) < 1e-5);
}

TEST_CASE("sparse weights: as many inputs for each unit as wanted") {
  const Tensor t =
      initial_value(parse({{"type", "sparse"}, {"connections", 10}, {"std", 0.5}}), {400, 90}, 1, "w");
  double squares = 0;
  std::vector<int> uses(90);
  for (int64_t row = 0; row < 400; ++row) {
    int n = 0;
    for (int64_t k = 0; k < 90; ++k) {
      const double v = t.data<float>()[static_cast<size_t>(row * 90 + k)];
      n += v != 0;
      uses[static_cast<size_t>(k)] += v != 0;
      squares += v * v / 4000;
    }
    CHECK(n == 10);
  }
  CHECK(squares == doctest::Approx(0.25).epsilon(0.1));
  for (int n : uses) CHECK(n == doctest::Approx(400.0 * 10 / 90).epsilon(0.6));
  const Tensor few = initial_value(parse("sparse"), {5, 4}, 1, "w");
  for (float v : few.data<float>()) CHECK(v != 0);
}

TEST_CASE("mistakes in an initializer point at their key") {
  const auto error = [](const json& j) -> std::string {
    try {
      parse(j);
    } catch (const Error& e) { return e.pointer + ": " + e.what() + " | " + e.hint; }
    return "no error";
  };
  CHECK(error("he_normall") == "/init: unknown initializer 'he_normall' | did you mean he_normal?");
  CHECK(error({{"type", "normal"}, {"sdt", 1}})
            .starts_with("/init/sdt: unknown key 'sdt' | did you mean std (number, default 0.01)"));
  CHECK(error({{"type", "normal"}, {"std", -1}}) == "/init/std: -1 is out of range, expected at least 0 | ");
  CHECK(error({{"type", "constant"}}).starts_with("/init: 'value' is missing"));
  CHECK(error({{"type", "he_normal"}, {"fan", "both"}})
            .starts_with("/init/fan: 'both' is not known, expected one of in, out, avg"));
}

TEST_CASE("a pool draws the same bits, and they are those of one generator") {
  const Shape shape{301, 703};
  Pool* pool = pool_create(3);
  for (const char* type : {"he_uniform", "he_normal", "truncated_normal"}) {
    CAPTURE(type);
    const Tensor alone = initial_value(parse(type), shape, 7, "a");
    Tensor shared(DType::f32, shape);
    initialize(shared, parse(type), 7, "a", pool);
    CHECK(std::memcmp(alone.raw(), shared.raw(), size_t(alone.bytes())) == 0);
  }
  pool_destroy(pool);
  Random random(7, stream_id("a"));
  const Tensor uniform = initial_value(parse({{"type", "uniform"}, {"min", -1}, {"max", 3}}), shape, 7, "a");
  int64_t different = 0;
  for (float v : uniform.data<float>()) different += v != static_cast<float>(random.uniform(-1, 3));
  CHECK(different == 0);
  Random normal(7, stream_id("a"));
  const Tensor bell = initial_value(parse({{"type", "normal"}, {"mean", 0}, {"std", 1}}), shape, 7, "a");
  different = 0;
  for (float v : bell.data<float>()) different += v != static_cast<float>(normal.normal());
  CHECK(different == 0);
}
