// The functions of written C sources that work on numbers one by one or along an axis.
#include "base/error.h"
#include "base/str.h"
#include "exchange/c_runtime.h"

namespace dl {
namespace {

constexpr CUnary kUnary[] = {
    {"relu", "", "v < 0 ? 0 : v"},
    {"relu6", "", "v < 0 ? 0 : v > 6 ? 6 : v"},
    {"sigmoid", "", "1 / (1 + @exp_of(-v))", "exp_of"},
    {"tanh", "", "@tanh_of(v)", "tanh_of"},
    {"leaky_relu", "float slope", "v > 0 ? v : slope * v"},
    {"elu", "float alpha", "v > 0 ? v : alpha * expm1f(v)"},
    {"gelu", "", "0.5f * v * (1 + erff(0.70710678f * v))"},
    {"gelu_tanh", "", "0.5f * v * (1 + @tanh_of(0.7978845608f * (v + 0.044715f * v * v * v)))", "tanh_of"},
    {"softplus", "", "(v > 0 ? v : 0) + log1pf(@exp_of(-fabsf(v)))", "exp_of"},
    {"softsign", "", "v / (1 + fabsf(v))"},
    {"swish", "", "v / (1 + @exp_of(-v))", "exp_of"},
    {"exp", "", "@exp_of(v)", "exp_of"},
    {"log", "", "logf(v)"},
    {"sqrt", "", "sqrtf(v)"},
    {"square", "", "v * v"},
    {"abs", "", "fabsf(v)"},
    {"neg", "", "-v"},
    {"clip", "float min, float max", "v < min ? min : v > max ? max : v"},
    {"scale_shift", "float scale, float shift", "scale * v + shift"},
};

constexpr CBinary kBinary[] = {
    {"add", "v + z[k]"},
    {"sub", "v - z[k]"},
    {"mul", "v * z[k]"},
    {"div", "v / z[k]"},
    {"maximum", "v > z[k] || v != v ? v : z[k]"},
    {"minimum", "v < z[k] || v != v ? v : z[k]"},
    {"greater_equal", "v >= z[k] ? 1.0f : 0.0f"},
    {"less", "v < z[k] ? 1.0f : 0.0f"},
};

constexpr CFunction kFunctions[] = {
    {"exp_of", R"(
/* e^v from 1.2e-38 to 3.2e38, which it keeps to: v = n ln 2 + r and e^r by a polynomial; within 2 units of the last place. A loop
   over it becomes vectors. */
static float @exp_of(float v) {
  const float low = v > -87.0f ? v : -87.0f, x = low < 88.5f ? low : 88.5f;
  const float n = (x * 1.44269504f + 12582912.0f) - 12582912.0f;
  const float r = x - n * 0.693145752f - n * 1.42860677e-6f;
  float q = 0.00019845886f, power;
  const uint32_t bits = (uint32_t)((int32_t)n + 127) << 23;
  q = q * r + 0.00139407197f;
  q = q * r + 0.00833338965f;
  q = q * r + 0.0416663587f;
  q = q * r + 0.166666657f;
  q = q * r + 0.5f;
  memcpy(&power, &bits, sizeof power);
  return v != v ? v : (1 + (r + r * r * q)) * power;
}
)"},

    {"tanh_of", R"(
/* tanh v = t / (t + 2) with t = e^2|v| - 1, which keeps small values; within 4 units of the last place. */
static float @tanh_of(float v) {
  const float a = fabsf(v), twice = a + a, x = twice < 20.0f ? twice : 20.0f;
  const float n = (x * 1.44269504f + 12582912.0f) - 12582912.0f;
  const float r = x - n * 0.693145752f - n * 1.42860677e-6f;
  float q = 0.00019845886f, power, t;
  const uint32_t bits = (uint32_t)((int32_t)n + 127) << 23;
  q = q * r + 0.00139407197f;
  q = q * r + 0.00833338965f;
  q = q * r + 0.0416663587f;
  q = q * r + 0.166666657f;
  q = q * r + 0.5f;
  memcpy(&power, &bits, sizeof power);
  t = (r + r * r * q) * power + (power - 1);
  return v != v ? v : v < 0 ? -(t / (t + 2)) : t / (t + 2);
}
)"},

    {"normalize", R"(
/* (x - shift) scale, a pair for each of `groups` runs of `n` numbers. */
static void @normalize(const float *x, size_t groups, size_t n, const float *restrict shift, const float *restrict scale,
                       float *y) {
  for (size_t g = 0; g < groups; ++g)
    for (size_t i = 0; i < n; ++i) y[g * n + i] = (x[g * n + i] - shift[g]) * scale[g];
}
)"},

    {"scale_channels", R"(
/* scale x + shift, a pair for each of `groups` runs of `n` numbers. */
static void @scale_channels(const float *x, size_t groups, size_t n, const float *restrict scale,
                            const float *restrict shift, float *y) {
  for (size_t g = 0; g < groups; ++g)
    for (size_t i = 0; i < n; ++i) y[g * n + i] = x[g * n + i] * scale[g] + shift[g];
}
)"},

    {"softmax", R"(
/* Along the middle of (outer, n, inner); with `logarithm` its logarithm. */
static void @softmax(const float *x, size_t outer, size_t n, size_t inner, int logarithm, float *y) {
  for (size_t o = 0; o < outer; ++o)
    for (size_t i = 0; i < inner; ++i) {
      const float *from = x + o * n * inner + i;
      float *to = y + o * n * inner + i, best = from[0], sum = 0;
      for (size_t k = 1; k < n; ++k) best = from[k * inner] > best ? from[k * inner] : best;
      for (size_t k = 0; k < n; ++k) sum += expf(from[k * inner] - best);
      for (size_t k = 0; k < n; ++k)
        to[k * inner] = logarithm ? from[k * inner] - best - logf(sum) : expf(from[k * inner] - best) / sum;
    }
}
)"},

    {"walk", R"(
/* Where element i of a tensor with these extents, padded to six, stands in memory with these steps. */
static size_t @walk(const size_t extents[6], const size_t steps[6], size_t i) {
  size_t at = 0;
  for (size_t k = 6; k-- > 0; i /= extents[k]) at += i % extents[k] * steps[k];
  return at;
}
)"},

    {"gather", R"(
/* y[i] = x[...], with steps through x for each axis of y: transposes and stretches. */
static void @gather(const size_t extents[6], const size_t steps[6], size_t n, const float *restrict x,
                    float *restrict y) {
  for (size_t i = 0; i < n; ++i) y[i] = x[@walk(extents, steps, i)];
}
)",
     "walk"},

    {"copy_runs", R"(
/* `count` runs of `n` numbers each, which stand `x_step` apart and go `y_step` apart. */
static void @copy_runs(const float *restrict x, size_t count, size_t n, size_t x_step, size_t y_step,
                       float *restrict y) {
  for (size_t i = 0; i < count; ++i) memcpy(y + i * y_step, x + i * x_step, n * sizeof *y);
}
)"},

    {"reduce", R"(
/* y[i] = sum, mean or largest of `n` numbers (what: 's', 'm' or 'x'): tables of extents and steps of the axes that stay and of
   those that go. */
static void @reduce(char what, size_t count, const size_t stay[6], const size_t stay_steps[6], size_t n,
                    const size_t go[6], const size_t go_steps[6], const float *restrict x, float *restrict y) {
  for (size_t i = 0; i < count; ++i) {
    const float *from = x + @walk(stay, stay_steps, i);
    float v = what == 'x' ? from[0] : 0;
    for (size_t k = 0; k < n; ++k) {
      const float u = from[@walk(go, go_steps, k)];
      if (what == 'x') v = u > v || u != u ? u : v;
      else v += u;
    }
    y[i] = what == 'm' ? v / (float)n : v;
  }
}
)",
     "walk"},
};

std::string unary_text(const CUnary& f) {
  const std::string parameters = f.parameters.empty() ? "" : str(f.parameters, ", ");
  return str("\nstatic void @", f.name, "(const float *x, size_t n, ", parameters,
             "float *y) {\n  for (size_t i = 0; i < n; ++i) {\n    const float v = x[i];\n    y[i] = ",
             f.formula, ";\n  }\n}\n");
}

// Axes are padded to four; the last one is a plain loop where both sides are whole rows.
std::string binary_text(const CBinary& f) {
  const auto body = [&](std::string_view step_x, std::string_view step_z) {
    return str("{ const float v = x[", step_x, "]; const size_t k = ", step_z, "; *y = ", f.formula, "; }\n");
  };
  return str("\nstatic void @", f.name,
             "(const size_t n[4], const size_t xs[4], const size_t zs[4], const float *x0, const float *z0,\n"
             "    float *y) {\n"
             "  for (size_t a = 0; a < n[0]; ++a)\n"
             "    for (size_t b = 0; b < n[1]; ++b)\n"
             "      for (size_t c = 0; c < n[2]; ++c) {\n"
             "        const float *x = x0 + a * xs[0] + b * xs[1] + c * xs[2];\n"
             "        const float *z = z0 + a * zs[0] + b * zs[1] + c * zs[2];\n"
             "        if (xs[3] == 1 && zs[3] == 1)\n"
             "          for (size_t i = 0; i < n[3]; ++i, ++y) ",
             body("i", "i"), "        else\n          for (size_t i = 0; i < n[3]; ++i, ++y) ",
             body("i * xs[3]", "i * zs[3]"), "      }\n}\n");
}

}  // namespace

std::span<const CFunction> c_numeric_functions() { return kFunctions; }

const CUnary* c_unary(std::string_view op) {
  for (const CUnary& f : kUnary)
    if (f.name == op) return &f;
  return nullptr;
}

const CBinary* c_binary(std::string_view op) {
  for (const CBinary& f : kBinary)
    if (f.name == op) return &f;
  return nullptr;
}

CText c_function(std::string_view name, bool int8) {
  if (const CUnary* f = c_unary(name)) return {unary_text(*f), std::string(f->needs)};
  if (const CBinary* f = c_binary(name)) return {binary_text(*f), ""};
  for (const auto& list : {c_window_functions(), c_numeric_functions()})
    for (const CFunction& f : list) {
      if (f.name != name) continue;
      std::string text;
      for (const std::string& line : split(f.text, '\n')) {
        const bool marked = line.size() > 1 && line[1] == '|';
        if (!marked || line[0] == (int8 ? '8' : 'f')) text += str(marked ? line.substr(2) : line, '\n');
      }
      text.pop_back();
      return {text, std::string(f.needs)};
    }
  throw Error(Exit::internal, str("there is no C function '", name, "'"));
}

}  // namespace dl
