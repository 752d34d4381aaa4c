// Rows and references of softmax and of the losses.
#include <algorithm>
#include <cmath>

#include "ops/harness.h"

namespace dl::test {
namespace {

// Calls f(first, n, stride) for every line along an axis.
template <class F>
void lines(const Shape& s, int axis, F f) {
  const int64_t n = s[axis], stride = s.elements(axis + 1, s.rank());
  for (int64_t o = 0; o < s.elements(0, axis); ++o)
    for (int64_t i = 0; i < stride; ++i) f(o * n * stride + i, n, stride);
}

double log_sum_exp(const Array& x, int64_t first, int64_t n, int64_t stride) {
  double max = -INFINITY, sum = 0;
  for (int64_t k = 0; k < n; ++k) max = std::fmax(max, x[first + k * stride]);
  for (int64_t k = 0; k < n; ++k) sum += std::exp(x[first + k * stride] - max);
  return max + std::log(sum);
}

template <bool kLog>
void softmax(Reference& r) {
  const int axis = r.attr<int>("axis"), rank = r.x().shape().rank();
  lines(r.x().shape(), axis < 0 ? axis + rank : axis, [&](int64_t first, int64_t n, int64_t stride) {
    const double lse = log_sum_exp(r.x(), first, n, stride);
    for (int64_t k = 0; k < n; ++k) {
      const double y = r.x()[first + k * stride] - lse;
      r.y()[first + k * stride] = kLog ? y : std::exp(y);
    }
  });
}

void cross_entropy(Reference& r) {
  const Array &x = r.x(), &labels = r.x(1);
  const double s = r.attr("label_smoothing");
  const auto ignore = r.attr<int64_t>("ignore_index");
  double loss = 0, weights = 0;
  int64_t i = 0;
  lines(x.shape(), 1, [&](int64_t first, int64_t n, int64_t stride) {
    const double lse = log_sum_exp(x, first, n, stride);
    const auto y = static_cast<int64_t>(labels[i]);
    r.y(1)[i++] = lse;
    if (y == ignore || y < 0 || y >= n) return;
    const auto w = [&](int64_t k) { return r.has(2) ? r.x(2)[k] : 1.0; };
    weights += w(y);
    loss += (1 - s) * w(y) * (lse - x[first + y * stride]);
    for (int64_t k = 0; k < n; ++k) loss += s / static_cast<double>(n) * w(k) * (lse - x[first + k * stride]);
  });
  r.y(0)[0] = weights > 0 ? loss / weights : 0;
  r.y(2)[0] = weights;
}

template <class F>
void pointwise(Reference& r, F f) {
  double sum = 0;
  for (int64_t i = 0; i < r.x().size(); ++i) sum += f(r.x(0)[i], r.x(1)[i]);
  r.y()[0] = r.x().size() ? sum / static_cast<double>(r.x().size()) : 0;
}

double softplus(double x) { return std::fmax(x, 0) + std::log1p(std::exp(-std::fabs(x))); }

const AddReference kReferences[] = {
    {"softmax", softmax<false>},
    {"log_softmax", softmax<true>},
    {"cross_entropy", cross_entropy},
    {"mse", [](Reference& r) { pointwise(r, [](double x, double t) { return (x - t) * (x - t); }); }},
    {"l1", [](Reference& r) { pointwise(r, [](double x, double t) { return std::fabs(x - t); }); }},
    {"huber",
     [](Reference& r) {
       const double delta = r.attr("delta");
       pointwise(r, [=](double x, double t) {
         const double d = std::fabs(x - t);
         return d <= delta ? 0.5 * d * d : delta * (d - 0.5 * delta);
       });
     }},
    {"bce_with_logits",
     [](Reference& r) {
       const double w = r.attr("pos_weight");
       pointwise(r, [=](double x, double t) { return w * t * softplus(-x) + (1 - t) * softplus(x); });
     }},
    {"focal_with_logits",
     [](Reference& r) {
       const double gamma = r.attr("gamma"), alpha = r.attr("alpha");
       const double w1 = alpha < 0 ? 1 : alpha, w0 = alpha < 0 ? 1 : 1 - alpha;
       pointwise(r, [=](double x, double t) {
         const double p = 1 / (1 + std::exp(-x)), q = 1 / (1 + std::exp(x));
         return w1 * t * std::pow(q, gamma) * softplus(-x) + w0 * (1 - t) * std::pow(p, gamma) * softplus(x);
       });
     }},
    {"log_cosh",
     [](Reference& r) { pointwise(r, [](double x, double t) { return std::log(std::cosh(x - t)); }); }},
    {"quantile",
     [](Reference& r) {
       const double q = r.attr("q");
       pointwise(r, [=](double x, double t) { return std::fmax(q * (t - x), (q - 1) * (t - x)); });
     }},
    {"hinge",
     [](Reference& r) {
       const double margin = r.attr("margin");
       const bool squared = r.attr<bool>("squared");
       pointwise(r, [=](double x, double t) {
         const double m = std::fmax(0, margin - t * x);
         return squared ? m * m : m;
       });
     }},
    {"exponential", [](Reference& r) { pointwise(r, [](double x, double t) { return std::exp(-t * x); }); }},
    {"poisson_nll",
     [](Reference& r) {
       const bool full = r.attr<bool>("full");
       pointwise(r, [=](double x, double t) {
         const double stirling = t > 1 ? t * std::log(t) - t + 0.5 * std::log(2 * M_PI * t) : 0;
         return std::exp(x) - t * x + (full ? stirling : 0);
       });
     }},
};

const AddRows kRows({
    {"softmax", {"f32[3,10]"}},
    {"softmax", {"f32[1,1]"}},
    {"softmax", {"f32[7,1000] -5..5"}},
    {"softmax", {"f32[33,16] -40..40"}},
    {"softmax", {"f32[2,9000] -5..5"}},
    {"softmax", {"f32[1,2500] -5..5"}},
    {"softmax", {"f32[2,5,3,7]"}, R"({"axis": 1})"},
    {"softmax", {"f32[2,19,33]"}, R"({"axis": -2})"},
    {"softmax", {"f32[6,9]"}, R"({"axis": 0})"},
    {"softmax", {"f32[0,4]"}},
    {"softmax", {"f32[6,9]"}, R"({"axis": 2})", {.error = "axis 2 is out of range for x of rank 2"}},
    {"log_softmax", {"f32[3,10]"}},
    {"log_softmax", {"f32[7,1000] -5..5"}},
    {"log_softmax", {"f32[2,8199] -5..5"}},
    {"log_softmax", {"f32[33,17] -40..40"}, "{}", {.grad_tol = 5e-5}},
    {"log_softmax", {"f32[2,5,3,7]"}, R"({"axis": 1})"},

    {"cross_entropy", {"f32[5,10]", "i32[5] 0..9"}, "{}", {.out = {"f32[]", "f32[5]", "f32[]"}}},
    {"cross_entropy", {"f32[1,2]", "i32[1] 0..1"}},
    {"cross_entropy", {"f32[128,10] -10..10", "u8[128] 0..9"}},
    {"cross_entropy", {"f32[37,1000] -5..5", "i32[37] 0..999"}},
    {"cross_entropy", {"f32[2000,33]", "i32[2000] 0..32"}},
    {"cross_entropy", {"f32[3,9000] -5..5", "i32[3] 0..8999"}, R"({"label_smoothing": 0.1})"},
    {"cross_entropy", {"f32[9,10]", "i32[9] 0..9", "f32[10] 0.1..3"}, "{}", {.no_dx = {2}}},
    {"cross_entropy", {"f32[9,10]", "i32[9] 0..9"}, R"({"label_smoothing": 0.1})"},
    {"cross_entropy",
     {"f32[9,21]", "i32[9] 0..20", "f32[21] 0.1..3"},
     R"({"label_smoothing": 0.3})",
     {.no_dx = {2}}},
    {"cross_entropy", {"f32[9,4]", "i32[9] 0..3"}, R"({"ignore_index": 2})"},
    {"cross_entropy", {"f32[9,4]", "i32[9] -3..6"}, R"({"label_smoothing": 0.1})"},
    {"cross_entropy", {"f32[3,4]", "i32[3] =9"}, "{}", {.grad = false}},
    {"cross_entropy", {"f32[2,5,6,7]", "i32[2,6,7] 0..4"}, "{}", {.out = {"f32[]", "f32[2,6,7]", "f32[]"}}},
    {"cross_entropy",
     {"f32[2,5,33]", "u8[2,33] 0..5", "f32[5] 0.1..3"},
     R"({"label_smoothing": 0.2, "ignore_index": 1})",
     {.no_dx = {2}}},
    {"cross_entropy", {"f32[5,10]", "i32[4]"}, "{}", {.error = "do not fit logits"}},
    {"cross_entropy", {"f32[5,10]", "f32[5]"}, "{}", {.error = "labels of i32 or u8"}},
    {"cross_entropy", {"f32[5,10]", "i32[5]", "f32[9]"}, "{}", {.error = "must be f32[10]"}},

    {"mse", {"f32[N]", "f32[N]"}},
    {"mse", {"f32[5,3]", "f32[3,5]"}, "{}", {.error = "of one shape"}},
    {"l1", {"f32[N] 0..1", "f32[N] 1.1..2"}},
    {"l1", {"f32[40] 1..2", "f32[40] -2..0.9"}},
    {"huber", {"f32[N] 0..0.5", "f32[N] 0..0.45"}},
    {"huber", {"f32[30] 1..2", "f32[30] -2..0.4"}, R"({"delta": 0.5})"},
    {"huber", {"f32[30] -2..-1", "f32[30] 0..1"}, R"({"delta": 0.5})"},
    {"bce_with_logits", {"f32[N] -8..8", "f32[N] 0..1"}, "{}", {.no_dx = {1}}},
    {"bce_with_logits", {"f32[50] -30..30", "f32[50] 0..1"}, R"({"pos_weight": 3})", {.no_dx = {1}}},
    {"focal_with_logits", {"f32[N] -8..8", "f32[N] 0..1"}, "{}", {.no_dx = {1}}},
    {"focal_with_logits",
     {"f32[50] -30..30", "f32[50] 0..1"},
     R"({"gamma": 0.5, "alpha": 0.25})",
     {.tol = 1e-5, .grad_tol = 1e-4, .no_dx = {1}}},
    {"focal_with_logits", {"f32[50] -30..30", "f32[50] 0..1"}, R"({"gamma": 0})", {.no_dx = {1}}},
    {"log_cosh", {"f32[N]", "f32[N]"}},
    {"log_cosh", {"f32[50] -30..30", "f32[50] -30..30"}},
    {"quantile", {"f32[N] 0..1", "f32[N] 1.1..2"}, R"({"q": 0.9})"},
    {"quantile", {"f32[40] 1..2", "f32[40] -2..0.9"}, R"({"q": 0.9})"},
    {"hinge", {"f32[N] -2..0.9", "f32[N] =1"}, "{}", {.no_dx = {1}}},
    {"hinge", {"f32[50] -0.9..2", "f32[50] =-1"}, R"({"squared": true})", {.no_dx = {1}}},
    {"hinge", {"f32[50] 0.6..2", "f32[50] =1"}, R"({"margin": 0.5})", {.no_dx = {1}}},
    {"exponential", {"f32[N]", "f32[N] -1..1"}, "{}", {.no_dx = {1}}},
    {"poisson_nll", {"f32[N]", "f32[N] 0..5"}, "{}", {.no_dx = {1}}},
    {"poisson_nll", {"f32[50]", "f32[50] 1.5..9"}, R"({"full": true})", {.no_dx = {1}}},
    {"poisson_nll", {"f32[50]", "f32[50] =0"}, R"({"full": true})", {.no_dx = {1}}},
});

}  // namespace
}  // namespace dl::test
