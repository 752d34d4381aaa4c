// Rows and references of batch norm.
#include <cmath>

#include "ops/harness.h"

namespace dl::test {
namespace {

// Walks the elements of a channel, in either form; `gamma` has as many elements as there are channels.
struct Channels {
  int64_t batch, channels, plane;
  bool blocked;
  Channels(const Reference& r, const Array& gamma)
      : batch(r.x().dim(0)),
        channels(gamma.dim(0)),
        plane(r.x().shape().elements(2, r.x().shape().rank())),
        blocked(r.attr<bool>("blocked")) {}
  double terms() const { return static_cast<double>(batch * plane / (blocked ? 16 : 1)); }
  template <class F>
  void each(int64_t c, F f) const {
    const int64_t step = blocked ? 16 : 1, units = blocked ? (channels + 15) / 16 : channels;
    for (int64_t n = 0; n < batch; ++n)
      for (int64_t j = c % step; j < plane; j += step) f((n * units + c / step) * plane + j);
  }
};

// What follows the normalisation: residual and activation.
double finished(const Reference& r, double y, int64_t i) {
  if (r.has(5)) y += r.x(5)[i];
  const auto activation = r.attr<std::string>("activation");
  if (activation == "none") return y;
  return y < 0 ? 0 : activation == "relu6" && y > 6 ? 6 : y;
}

void batch_norm(Reference& r) {
  const Array& x = r.x();
  const Channels s(r, r.x(1));
  const double terms = s.terms(), m = r.attr("momentum");
  for (int64_t c = 0; c < s.channels; ++c) {
    double sum = 0, squares = 0;
    s.each(c, [&](int64_t i) { sum += x[i]; });
    const double mean = sum / terms;
    s.each(c, [&](int64_t i) { squares += (x[i] - mean) * (x[i] - mean); });
    const double rstd = 1 / std::sqrt(squares / terms + r.attr("epsilon"));
    s.each(c, [&](int64_t i) { r.y()[i] = finished(r, (x[i] - mean) * rstd * r.x(1)[c] + r.x(2)[c], i); });
    r.y(1)[c] = mean;
    r.y(2)[c] = rstd;
    r.y(3)[c] = (1 - m) * r.x(3)[c] + m * mean;
    r.y(4)[c] = (1 - m) * r.x(4)[c] + m * squares / (terms > 1 ? terms - 1 : 1);
  }
}

void batch_norm_inference(Reference& r) {
  const Channels s(r, r.x(1));
  for (int64_t c = 0; c < s.channels; ++c)
    s.each(c, [&](int64_t i) {
      const double factor = r.x(1)[c] / std::sqrt(r.x(4)[c] + r.attr("epsilon"));
      r.y()[i] = finished(r, (r.x()[i] - r.x(3)[c]) * factor + r.x(2)[c], i);
    });
}

// x dy gamma mean rstd beta? -> dx dgamma dbeta
void batch_norm_grad(Reference& r) {
  const Channels s(r, r.x(2));
  for (int64_t c = 0; c < s.channels; ++c) {
    const double gamma = r.x(2)[c], mean = r.x(3)[c], rstd = r.x(4)[c];
    const auto normal = [&](int64_t i) { return (r.x()[i] - mean) * rstd; };
    const double most = r.attr<std::string>("activation") == "relu6" ? 6 : INFINITY;
    const auto cut = [&](double y) { return y <= 0 || y >= most; };
    const auto dy = [&](int64_t i) { return r.has(5) && cut(gamma * normal(i) + r.x(5)[c]) ? 0 : r.x(1)[i]; };
    double& dgamma = r.y(1)[c];
    double& dbeta = r.y(2)[c];
    s.each(c, [&](int64_t i) {
      dgamma += dy(i) * normal(i);
      dbeta += dy(i);
    });
    s.each(c,
           [&](int64_t i) { r.y()[i] = gamma * rstd * (dy(i) - (dbeta + normal(i) * dgamma) / s.terms()); });
  }
}

const AddReference kReferences[] = {
    {"batch_norm", batch_norm},
    {"batch_norm_inference", batch_norm_inference},
    {"batch_norm_grad", batch_norm_grad},
};

std::vector<std::string> with_channels(const std::string& x, int64_t c) {
  const std::string p = str("f32[", c, ']');
  return {x, p, p, p, p + " 0.1..2"};
}

const Options kNorm{.grad_tol = 1e-4, .no_dx = {3, 4}};

const AddRows kRows({
    {"batch_norm",
     with_channels("f32[4,3,5,7]", 3),
     "{}",
     {.grad_tol = 1e-4, .no_dx = {3, 4}, .out = {"f32[4,3,5,7]", "f32[3]"}}},
    {"batch_norm", with_channels("f32[2,5,1,3]", 5), "{}", kNorm},
    {"batch_norm", with_channels("f32[8,2,28,28]", 2), R"({"momentum": 0.01, "epsilon": 0.001})", kNorm},
    {"batch_norm", with_channels("f32[2,2,80,80] -1..3", 2), "{}", kNorm},
    {"batch_norm",
     with_channels("f32[6,20] 98..102", 20),
     "{}",
     {.tol = 2e-5, .grad_tol = 3e-4, .no_dx = {3, 4}}},
    {"batch_norm", with_channels("f32[300,17]", 17), "{}", kNorm},
    {"batch_norm", with_channels("f32[3,4,9]", 4), "{}", kNorm},
    {"batch_norm", with_channels("f32[5,16]", 16), "{}", kNorm},
    {"batch_norm", with_channels("f32[40,300]", 300), "{}", kNorm},
    {"batch_norm", with_channels("f32[1,4]", 4), "{}", {.grad = false}},
    {"batch_norm", with_channels("f32[4,3,5,7]", 4), "{}", {.error = "input 1 is f32[4], expected f32[3]"}},
    {"batch_norm", with_channels("f32[0,3]", 3), "{}", {.error = "no elements"}},
    {"batch_norm_inference", with_channels("f32[4,3,5,7]", 3), "{}", kNorm},
    {"batch_norm_inference", with_channels("f32[40,37]", 37), R"({"epsilon": 0.001})", kNorm},
    {"batch_norm_inference", with_channels("f32[2,3,40,50]", 3), "{}", kNorm},
    {"batch_norm_inference", with_channels("f32[0,3]", 3), "{}", kNorm},
});

}  // namespace
}  // namespace dl::test
