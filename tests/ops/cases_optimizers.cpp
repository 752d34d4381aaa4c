// Rows and references of the optimiser updates that keep no running mean of the gradient, and of what stands before updates.
#include "ops/random_word.h"
#include "ops/update_step.h"

namespace dl::test {
namespace {

void sgd(Reference& r) {
  const Step s(r, 2, 3);
  if (kept(r, s, {0})) return;
  for (int64_t i = 0; i < r.y().size(); ++i) r.y()[i] = s.start(i) - s.lr * s.gradient(i);
}

void momentum(Reference& r) {
  const Step s(r, 3, 4);
  if (kept(r, s, {0, 2})) return;
  const double mu = r.has(5) ? r.x(5)[0] : r.attr("momentum");
  for (int64_t i = 0; i < r.y().size(); ++i) {
    const bool inside = r.attr<bool>("rate_inside");
    const double g = s.gradient(i) * (inside ? s.lr : 1), v = mu * r.x(2)[i] + (1 - r.attr("dampening")) * g;
    r.y(1)[i] = v;
    r.y(0)[i] = s.start(i) - (inside ? 1 : s.lr) * (r.attr<bool>("nesterov") ? g + mu * v : v);
  }
}

void adagrad(Reference& r) {
  const Step s(r, 3, 4);
  if (kept(r, s, {0, 2})) return;
  for (int64_t i = 0; i < r.y().size(); ++i) {
    const double g = s.gradient(i), h = r.x(2)[i] + g * g;
    r.y(1)[i] = h;
    r.y(0)[i] = s.start(i) - s.lr * g / (std::sqrt(h) + r.attr("epsilon"));
  }
}

void rmsprop(Reference& r) {
  const Step s(r, 3, 4);
  if (kept(r, s, {0, 2, 5, 6})) return;
  const double alpha = r.attr("alpha");
  for (int64_t i = 0; i < r.y().size(); ++i) {
    const double g = s.gradient(i), square = alpha * r.x(2)[i] + (1 - alpha) * g * g;
    r.y(1)[i] = square;
    double variance = square;
    if (r.has(6)) {
      const double mean = alpha * r.x(6)[i] + (1 - alpha) * g;
      r.y(3)[i] = mean;
      variance -= mean * mean;
    }
    double step = g / (std::sqrt(variance) + r.attr("epsilon"));
    if (r.has(5)) r.y(2)[i] = step = r.attr("momentum") * r.x(5)[i] + step;
    r.y(0)[i] = s.start(i) - s.lr * step;
  }
}

void adadelta(Reference& r) {
  const Step s(r, 4, 5);
  if (kept(r, s, {0, 2, 3})) return;
  const double rho = r.attr("rho"), eps = r.attr("epsilon");
  for (int64_t i = 0; i < r.y().size(); ++i) {
    const double g = s.gradient(i), square = rho * r.x(2)[i] + (1 - rho) * g * g;
    const double d = std::sqrt(r.x(3)[i] + eps) / std::sqrt(square + eps) * g;
    r.y(0)[i] = s.start(i) - s.lr * d;
    r.y(1)[i] = square;
    r.y(2)[i] = rho * r.x(3)[i] + (1 - rho) * d * d;
  }
}

void rprop(Reference& r) {
  const Step s(r, 4, 5);
  if (kept(r, s, {0, 2, 3})) return;
  for (int64_t i = 0; i < r.y().size(); ++i) {
    double g = s.gradient(i);
    const double turn = g * r.x(2)[i];
    const double factor = turn > 0 ? r.attr("grow") : turn < 0 ? r.attr("shrink") : 1;
    const double size = std::clamp(r.x(3)[i] * factor, r.attr("min_step"), r.attr("max_step"));
    if (turn < 0) g = 0;
    r.y(0)[i] = s.start(i) - s.lr / r.attr("initial") * size * (g > 0 ? 1 : g < 0 ? -1 : 0);
    r.y(1)[i] = g;
    r.y(2)[i] = size;
  }
}

void ftrl(Reference& r) {
  const Step s(r, 4, 6);
  if (kept(r, s, {0, 2, 3})) return;
  const double l1 = r.attr("l1"), l2 = r.attr("weight_decay"), beta = r.attr("beta"),
               clip = r.attr("clip_value");
  for (int64_t i = 0; i < r.y().size(); ++i) {
    double g = s.scale * r.x(1)[i];
    if (clip > 0) g = std::clamp(g, -clip, clip);
    const double p = r.x(0)[i], before = std::sqrt(r.x(2)[i]), now = std::sqrt(r.x(2)[i] + g * g);
    double z = r.x(3)[i];
    if (r.x(5)[0] == 1) z = -p * ((beta + before) / s.lr + l2) - l1 * (p > 0 ? 1 : p < 0 ? -1 : 0);
    z += g - (now - before) / s.lr * p;
    r.y(1)[i] = now * now;
    r.y(2)[i] = z;
    r.y(0)[i] = std::fabs(z) <= l1 ? 0 : -(z - std::copysign(l1, z)) / ((beta + now) / s.lr + l2);
  }
}

void global_norm_scale(Reference& r) {
  double sum = 0;
  for (const Array* a : r.in)
    for (double v : a->v) sum += v * v;
  r.y(0)[0] = std::fmin(1, r.attr("max_norm") / (std::sqrt(sum) + 1e-6));
  r.y(1)[0] = std::sqrt(sum);
}

void trust_ratio(Reference& r) {
  double norms[2] = {};
  for (size_t k = 0; k < 2; ++k) {
    for (double v : r.x(k).v) norms[k] += v * v;
    norms[k] = std::sqrt(norms[k]);
  }
  norms[1] *= r.has(2) ? std::fabs(r.x(2)[0]) : 1;
  const bool known = norms[0] > 0 && norms[1] != 0;
  r.y()[0] = known ? r.attr("coefficient") * norms[0] / (norms[1] + r.attr("weight_decay") * norms[0]) : 1;
}

// By halving, on the distribution function in doubles.
double normal_quantile(double share) {
  double lo = -10, hi = 10;
  for (int k = 0; k < 80; ++k)
    (std::erfc(-(lo + hi) / 2 / std::sqrt(2.0)) / 2 < share ? lo : hi) = (lo + hi) / 2;
  return lo;
}

void annealed_noise(Reference& r) {
  const auto stream = static_cast<uint64_t>(r.attr<int64_t>("stream")),
             step = static_cast<uint64_t>(r.x(1)[0]);
  const double deviation = std::sqrt(r.attr("variance") / std::pow(r.x(1)[0], r.attr("decay")));
  for (int64_t i = 0; i < r.y().size(); ++i)
    r.y()[i] =
        r.x()[i] + deviation * normal_quantile(((random_word(r.seed, stream, step, i) >> 9) + 0.5) * 0x1p-23);
}

void loss_scale(Reference& r) {
  const double scale = r.x(0)[0], good = r.x(1)[0];
  bool finite = true;
  for (size_t i = 2; i < r.in.size(); ++i)
    for (double v : r.x(i).v) finite = finite && std::isfinite(v);
  const bool grows = finite && good + 1 == r.attr("growth_interval");
  r.y(0)[0] = finite ? 1 / scale : 0;
  r.y(1)[0] = std::clamp(scale * (!finite ? r.attr("backoff") : grows ? r.attr("growth") : 1), 1.0, 0x1p24);
  r.y(2)[0] = finite && !grows ? good + 1 : 0;
}

const AddReference kReferences[] = {
    {"sgd", sgd},
    {"momentum", momentum},
    {"adagrad", adagrad},
    {"rmsprop", rmsprop},
    {"adadelta", adadelta},
    {"rprop", rprop},
    {"ftrl", ftrl},
    {"trust_ratio", trust_ratio},
    {"annealed_noise", annealed_noise},
    {"global_norm_scale", global_norm_scale},
    {"loss_scale", loss_scale},
};

constexpr const char* kDecay = R"({"weight_decay": 0.1, "l1": 0.01, "clip_value": 0.8, "lr_scale": 2})";
constexpr const char* kDecoupled = R"({"weight_decay": 0.1, "decoupled": true})";

const AddRows kRows({
    {"sgd", {"f32[N]", "f32[N]", "f32[] =0.1"}},
    {"sgd", {"f32[5,7]", "f32[5,7]", "f32[] =0.1", "f32[] =0.5"}, kDecay},
    {"sgd", {"f32[5,7]", "f32[5,7]", "f32[] =0.1"}, kDecoupled},
    {"sgd",
     {"f32[5,7]", "f32[7,5]", "f32[] =0.1"},
     "{}",
     {.error = "input 1 is f32[7,5], the parameter f32[5,7]"}},
    {"sgd", {"f32[5]", "f32[5]", "f32[1] =0.1"}, "{}", {.error = "lr must be f32[]"}},
    {"momentum", {"f32[N]", "f32[N]", "f32[N]", "f32[] =0.1"}},
    {"momentum",
     {"f32[70]", "f32[70]", "f32[70]", "f32[] =0.1", "f32[] =0.5"},
     R"({"nesterov": true, "weight_decay": 0.1})"},
    {"momentum", {"f32[70]", "f32[70]", "f32[70]", "f32[] =0.1"}, R"({"momentum": 0.5, "dampening": 0.25})"},
    {"momentum", {"f32[70]", "f32[70]", "f32[70]", "f32[] =0.1"}, kDecoupled},
    {"adagrad", {"f32[N]", "f32[N]", "f32[N] 0..2", "f32[] =0.1"}},
    {"adagrad", {"f32[70]", "f32[70]", "f32[70] 0..2", "f32[] =0.1", "f32[] =0.5"}, kDecay},
    {"rmsprop", {"f32[N]", "f32[N]", "f32[N] 0..2", "f32[] =0.1"}},
    {"rmsprop",
     {"f32[70]", "f32[70]", "f32[70] 0..2", "f32[] =0.1", "f32[] =0.5", "f32[70]"},
     R"({"momentum": 0.9, "weight_decay": 0.1})"},
    {"rmsprop",
     {"f32[70]", "f32[70]", "f32[70] 3..4", "f32[] =0.1", "", "f32[70]", "f32[70] -1..1"},
     R"({"alpha": 0.9})"},
    {"rmsprop",
     {"f32[7]", "f32[7]", "f32[7]", "f32[] =0.1"},
     R"({"momentum": 0.9})",
     {.error = "momentum asks for a velocity"}},
    {"momentum",
     {"f32[70]", "f32[70]", "f32[70]", "f32[] =0.1", "f32[] =0.5"},
     R"({"rate_inside": true, "weight_decay": 0.1})"},
    {"momentum",
     {"f32[70]", "f32[70]", "f32[70]", "f32[] =0.1"},
     R"({"rate_inside": true, "nesterov": true})"},
    {"momentum", {"f32[70]", "f32[70]", "f32[70]", "f32[] =0.1", "", "f32[] =0.3"}},
    {"momentum",
     {"f32[7]", "f32[7]", "f32[7]", "f32[] =0.1", "", "f32[7]"},
     "{}",
     {.error = "momentum must be f32[]"}},
    {"adadelta", {"f32[N]", "f32[N]", "f32[N] 0..2", "f32[N] 0..2", "f32[] =0.9"}},
    {"adadelta", {"f32[70]", "f32[70]", "f32[70] 0..2", "f32[70] 0..1", "f32[] =1", "f32[] =0.5"}, kDecay},
    {"rprop", {"f32[N]", "f32[N]", "f32[N]", "f32[N] 0..2", "f32[] =0.01"}},
    {"rprop",
     {"f32[70]", "f32[70]", "f32[70] =0", "f32[70] 0..2", "f32[] =0.02", "f32[] =0.5"},
     R"({"max_step": 1, "min_step": 0.5, "weight_decay": 0.1, "decoupled": true})"},
    {"ftrl", {"f32[N]", "f32[N]", "f32[N] 0..2", "f32[N]", "f32[] =0.1", "i64[] =2"}},
    {"ftrl",
     {"f32[70]", "f32[70]", "f32[70] 0..2", "f32[70] =99", "f32[] =0.1", "i64[] =1", "f32[] =0.5"},
     R"({"l1": 0.3, "weight_decay": 0.2, "beta": 0.5, "clip_value": 0.8})"},
    {"ftrl",
     {"f32[70]", "f32[70]", "f32[70] 0..2", "f32[70] -4..4", "f32[] =0.1", "i64[] =9"},
     R"({"l1": 2, "lr_scale": 0.5})"},
    // Steps that are left out, whatever the gradient holds.
    {"sgd", {"f32[N]", "f32[N] =nan", "f32[] =0.1", "f32[] =0"}, kDecay},
    {"sgd", {"f32[70]", "f32[70] =inf", "f32[] =0.1", "f32[] =0"}, kDecoupled},
    {"momentum", {"f32[70]", "f32[70] =nan", "f32[70]", "f32[] =0.1", "f32[] =0"}, kDecoupled},
    {"adagrad", {"f32[70]", "f32[70] =inf", "f32[70] 0..2", "f32[] =0.1", "f32[] =0"}, kDecay},
    {"rmsprop", {"f32[70]", "f32[70] =nan", "f32[70] 0..2", "f32[] =0.1", "f32[] =0"}, kDecay},
    {"rmsprop",
     {"f32[70]", "f32[70] =nan", "f32[70] 3..4", "f32[] =0.1", "f32[] =0", "f32[70]", "f32[70] -1..1"},
     R"({"momentum": 0.9})"},
    {"momentum",
     {"f32[70]", "f32[70] =nan", "f32[70]", "f32[] =0.1", "f32[] =0", "f32[] =0.3"},
     R"({"rate_inside": true})"},
    {"adadelta", {"f32[70]", "f32[70] =nan", "f32[70] 0..2", "f32[70] 0..2", "f32[] =0.9", "f32[] =0"}},
    {"rprop", {"f32[70]", "f32[70] =inf", "f32[70]", "f32[70] 0..2", "f32[] =0.01", "f32[] =0"}},
    {"ftrl", {"f32[70]", "f32[70] =nan", "f32[70] 0..2", "f32[70]", "f32[] =0.1", "i64[] =1", "f32[] =0"}},
    {"global_norm_scale", {"f32[N]"}},
    {"global_norm_scale", {"f32[100,700]", "f32[3]", "f32[40001]"}, R"({"max_norm": 5})"},
    {"global_norm_scale", {"f32[3] -0.1..0.1", "f32[3] -0.1..0.1"}, "{}", {.out = {"f32[]", "f32[]"}}},

    {"trust_ratio", {"f32[N]", "f32[N]"}, R"({"coefficient": 0.01, "weight_decay": 0.1})"},
    {"trust_ratio", {"f32[300,200]", "f32[300,200] 0..5", "f32[] =0.25"}, R"({"weight_decay": 0.5})"},
    {"trust_ratio", {"f32[70]", "f32[70] =nan", "f32[] =1"}, "{}", {.out = {"f32[]"}}},
    {"trust_ratio", {"f32[70] =0", "f32[70]"}},
    {"trust_ratio", {"f32[70]", "f32[70] =0"}},
    {"trust_ratio", {"f32[70]", "f32[7]"}, "{}", {.error = "the step is f32[7], the parameter f32[70]"}},
    {"annealed_noise", {"f32[N]", "i64[] =1"}, R"({"variance": 4})"},
    {"annealed_noise",
     {"f32[20,700]", "i64[] =77"},
     R"({"variance": 0.3, "decay": 0.55, "stream": 4611686018427387903})"},
    {"annealed_noise", {"f32[7]", "i64[7]"}, "{}", {.error = "step must be i64[]"}},

    {"loss_scale", {"f32[] =1024", "i64[] =7", "f32[N]"}, "{}", {.out = {"f32[]", "f32[]", "i64[]"}}},
    {"loss_scale", {"f32[] =1024", "i64[] =7", "f32[70]", "f32[] =nan", "f32[40001]"}},
    {"loss_scale", {"f32[] =1000", "i64[] =7", "f32[100,700]", "f32[1] =inf"}, R"({"backoff": 0.25})"},
    {"loss_scale", {"f32[] =1024", "i64[] =7", "f32[33] =-inf"}},
    {"loss_scale", {"f32[] =1024", "i64[] =7", "f32[9] =3e38"}},
    {"loss_scale", {"f32[] =1.5", "i64[] =0", "f32[17] =nan"}},
    {"loss_scale", {"f32[] =1024", "i64[] =1999", "f32[5]", "f32[0]"}},
    {"loss_scale", {"f32[] =1024", "i64[] =99", "f32[5]"}, R"({"growth_interval": 100, "growth": 4})"},
    {"loss_scale", {"f32[] =16777216", "i64[] =1999", "f32[5]"}},
    {"loss_scale", {"f32[1] =1", "i64[] =0", "f32[5]"}, "{}", {.error = "scale must be f32[]"}},
    {"loss_scale", {"f32[] =1", "f32[] =0", "f32[5]"}, "{}", {.error = "good must be i64[]"}},
    {"loss_scale", {"f32[] =1", "i64[] =0", "i32[5]"}, "{}", {.error = "gradients of f32"}},
});

}  // namespace
}  // namespace dl::test
