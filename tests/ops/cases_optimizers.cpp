// Rows and references of the optimiser updates.
#include <algorithm>
#include <cmath>

#include "ops/harness.h"

namespace dl::test {
namespace {

struct Step {
  Reference& r;
  double lr, scale;
  bool decoupled;
  Step(Reference& r, size_t lr_input, size_t scale_input)
      : r(r),
        lr(r.x(lr_input)[0] * r.attr("lr_scale")),
        scale(r.has(scale_input) ? r.x(scale_input)[0] : 1),
        decoupled(r.attr<bool>("decoupled")) {}
  double gradient(int64_t i) const {
    const double p = r.x(0)[i], clip = r.attr("clip_value");
    double g = scale * r.x(1)[i];
    if (clip > 0) g = std::clamp(g, -clip, clip);
    if (!decoupled) g += r.attr("weight_decay") * p;
    return g + r.attr("l1") * (p > 0 ? 1 : p < 0 ? -1 : 0);
  }
  double start(int64_t i) const { return r.x(0)[i] * (decoupled ? 1 - lr * r.attr("weight_decay") : 1); }
};

// Whether the scale leaves out the step; `from`: the input of every output.
bool kept(Reference& r, const Step& s, std::initializer_list<size_t> from) {
  if (s.scale != 0) return false;
  const size_t* input = from.begin();
  for (Array& y : r.out) y.v = r.x(*input++).v;
  return true;
}

void sgd(Reference& r) {
  const Step s(r, 2, 3);
  if (kept(r, s, {0})) return;
  for (int64_t i = 0; i < r.y().size(); ++i) r.y()[i] = s.start(i) - s.lr * s.gradient(i);
}

void momentum(Reference& r) {
  const Step s(r, 3, 4);
  if (kept(r, s, {0, 2})) return;
  const double mu = r.attr("momentum");
  for (int64_t i = 0; i < r.y().size(); ++i) {
    const double g = s.gradient(i), v = mu * r.x(2)[i] + (1 - r.attr("dampening")) * g;
    r.y(1)[i] = v;
    r.y(0)[i] = s.start(i) - s.lr * (r.attr<bool>("nesterov") ? g + mu * v : v);
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

void adam(Reference& r) {
  const Step s(r, 4, 6);
  if (kept(r, s, {0, 2, 3})) return;
  const double b1 = r.attr("beta1"), b2 = r.attr("beta2"), t = r.x(5)[0];
  for (int64_t i = 0; i < r.y().size(); ++i) {
    const double g = s.gradient(i), m = b1 * r.x(2)[i] + (1 - b1) * g, v = b2 * r.x(3)[i] + (1 - b2) * g * g;
    r.y(1)[i] = m;
    r.y(2)[i] = v;
    const double mean = m / (1 - std::pow(b1, t)), square = v / (1 - std::pow(b2, t));
    r.y(0)[i] = s.start(i) - s.lr * mean / (std::sqrt(square) + r.attr("epsilon"));
  }
}

void global_norm_scale(Reference& r) {
  double sum = 0;
  for (const Array* a : r.in)
    for (double v : a->v) sum += v * v;
  r.y(0)[0] = std::fmin(1, r.attr("max_norm") / (std::sqrt(sum) + 1e-6));
  r.y(1)[0] = std::sqrt(sum);
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
    {"adam", adam},
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
    {"adam", {"f32[N]", "f32[N]", "f32[N]", "f32[N] 0..2", "f32[] =0.01", "i64[] =1"}},
    {"adam",
     {"f32[70]", "f32[70]", "f32[70]", "f32[70] 0..2", "f32[] =0.01", "i64[] =1000", "f32[] =0.5"},
     kDecay},
    {"adam", {"f32[70]", "f32[70]", "f32[70]", "f32[70] 0..2", "f32[] =0.01", "i64[] =7"}, kDecoupled},
    {"adam",
     {"f32[7]", "f32[7]", "f32[7]", "f32[7]", "f32[]", "f32[]"},
     "{}",
     {.error = "step must be i64[]"}},
    // Steps that are left out, whatever the gradient holds.
    {"sgd", {"f32[N]", "f32[N] =nan", "f32[] =0.1", "f32[] =0"}, kDecay},
    {"sgd", {"f32[70]", "f32[70] =inf", "f32[] =0.1", "f32[] =0"}, kDecoupled},
    {"momentum", {"f32[70]", "f32[70] =nan", "f32[70]", "f32[] =0.1", "f32[] =0"}, kDecoupled},
    {"adagrad", {"f32[70]", "f32[70] =inf", "f32[70] 0..2", "f32[] =0.1", "f32[] =0"}, kDecay},
    {"rmsprop", {"f32[70]", "f32[70] =nan", "f32[70] 0..2", "f32[] =0.1", "f32[] =0"}, kDecay},
    {"rmsprop",
     {"f32[70]", "f32[70] =nan", "f32[70] 3..4", "f32[] =0.1", "f32[] =0", "f32[70]", "f32[70] -1..1"},
     R"({"momentum": 0.9})"},
    {"adam",
     {"f32[N]", "f32[N] =nan", "f32[N]", "f32[N] 0..2", "f32[] =0.01", "i64[] =7", "f32[] =0"},
     kDecoupled},
    {"global_norm_scale", {"f32[N]"}},
    {"global_norm_scale", {"f32[100,700]", "f32[3]", "f32[40001]"}, R"({"max_norm": 5})"},
    {"global_norm_scale", {"f32[3] -0.1..0.1", "f32[3] -0.1..0.1"}, "{}", {.out = {"f32[]", "f32[]"}}},

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
