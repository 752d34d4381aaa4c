// Rows and references of the updates of Adam's family.
#include "ops/update_step.h"

namespace dl::test {
namespace {

void adam(Reference& r) {
  const Step s(r, 4, 6);
  if (kept(r, s, {0, 2, 3, 7})) return;
  const double b1 = r.attr("beta1"), b2 = r.attr("beta2"), t = r.x(5)[0];
  for (int64_t i = 0; i < r.y().size(); ++i) {
    const double g = s.gradient(i), m = b1 * r.x(2)[i] + (1 - b1) * g, v = b2 * r.x(3)[i] + (1 - b2) * g * g;
    r.y(1)[i] = m;
    r.y(2)[i] = v;
    const double mean = m / (1 - std::pow(b1, t)), largest = r.has(7) ? std::max(r.x(7)[i], v) : v;
    if (r.has(7)) r.y(3)[i] = largest;
    const double square = largest / (1 - std::pow(b2, t));
    r.y(0)[i] = s.start(i) - s.lr * mean / (std::sqrt(square) + r.attr("epsilon"));
  }
}

void adamax(Reference& r) {
  const Step s(r, 4, 6);
  if (kept(r, s, {0, 2, 3})) return;
  const double b1 = r.attr("beta1"), b2 = r.attr("beta2"), t = r.x(5)[0];
  for (int64_t i = 0; i < r.y().size(); ++i) {
    const double g = s.gradient(i), m = b1 * r.x(2)[i] + (1 - b1) * g;
    const double u = std::max(b2 * r.x(3)[i], std::fabs(g) + r.attr("epsilon"));
    r.y(1)[i] = m;
    r.y(2)[i] = u;
    r.y(0)[i] = s.start(i) - s.lr / (1 - std::pow(b1, t)) * m / u;
  }
}

// The product of the shares, factor by factor.
void nadam(Reference& r) {
  const Step s(r, 4, 6);
  if (kept(r, s, {0, 2, 3})) return;
  const double b1 = r.attr("beta1"), b2 = r.attr("beta2"), t = r.x(5)[0];
  const auto share = [&](double at) {
    return b1 * (1 - 0.5 * std::pow(0.96, at * r.attr("momentum_decay")));
  };
  double product = 1;
  for (int k = 1; k <= t; ++k) product *= share(k);
  for (int64_t i = 0; i < r.y().size(); ++i) {
    const double g = s.gradient(i), m = b1 * r.x(2)[i] + (1 - b1) * g, v = b2 * r.x(3)[i] + (1 - b2) * g * g;
    r.y(1)[i] = m;
    r.y(2)[i] = v;
    const double mean = share(t + 1) * m / (1 - product * share(t + 1)) + (1 - share(t)) * g / (1 - product);
    r.y(0)[i] = s.start(i) - s.lr * mean / (std::sqrt(v / (1 - std::pow(b2, t))) + r.attr("epsilon"));
  }
}

void radam(Reference& r) {
  const Step s(r, 4, 6);
  if (kept(r, s, {0, 2, 3})) return;
  const double b1 = r.attr("beta1"), b2 = r.attr("beta2"), t = r.x(5)[0];
  const double most = 2 / (1 - b2) - 1, rho = most - 2 * t * std::pow(b2, t) / (1 - std::pow(b2, t));
  for (int64_t i = 0; i < r.y().size(); ++i) {
    const double g = s.gradient(i), m = b1 * r.x(2)[i] + (1 - b1) * g, v = b2 * r.x(3)[i] + (1 - b2) * g * g;
    r.y(1)[i] = m;
    r.y(2)[i] = v;
    double step = m / (1 - std::pow(b1, t));
    if (rho > 5)
      step *= std::sqrt((rho - 4) * (rho - 2) * most / ((most - 4) * (most - 2) * rho)) /
              (std::sqrt(v / (1 - std::pow(b2, t))) + r.attr("epsilon"));
    r.y(0)[i] = s.start(i) - s.lr * step;
  }
}

void lion(Reference& r) {
  const Step s(r, 3, 4);
  if (kept(r, s, {0, 2})) return;
  const double b1 = r.attr("beta1"), b2 = r.attr("beta2");
  for (int64_t i = 0; i < r.y().size(); ++i) {
    const double g = s.gradient(i), mix = b1 * r.x(2)[i] + (1 - b1) * g;
    r.y(0)[i] = s.start(i) - s.lr * (mix > 0 ? 1 : mix < 0 ? -1 : 0);
    r.y(1)[i] = b2 * r.x(2)[i] + (1 - b2) * g;
  }
}

void lamb(Reference& r) {
  const Step s(r, 99, 5);
  if (kept(r, s, {0, 2, 3})) {
    std::fill(r.y(0).v.begin(), r.y(0).v.end(), 0);
    return;
  }
  const double b1 = r.attr("beta1"), b2 = r.attr("beta2"), t = r.x(4)[0];
  for (int64_t i = 0; i < r.y().size(); ++i) {
    const double g = s.gradient(i), m = b1 * r.x(2)[i] + (1 - b1) * g, v = b2 * r.x(3)[i] + (1 - b2) * g * g;
    r.y(1)[i] = m;
    r.y(2)[i] = v;
    r.y(0)[i] = m / (1 - std::pow(b1, t)) / (std::sqrt(v / (1 - std::pow(b2, t))) + r.attr("epsilon")) +
                (s.decoupled ? r.attr("weight_decay") * r.x(0)[i] : 0);
  }
}

const AddReference kReferences[] = {
    {"adam", adam}, {"adamax", adamax}, {"nadam", nadam}, {"radam", radam}, {"lion", lion}, {"lamb", lamb},
};

constexpr const char* kDecay = R"({"weight_decay": 0.1, "l1": 0.01, "clip_value": 0.8, "lr_scale": 2})";
constexpr const char* kDecoupled = R"({"weight_decay": 0.1, "decoupled": true})";

std::vector<std::string> operands(const std::string& n, const std::string& step,
                                  const std::string& scale = "") {
  const std::string x = "f32[" + n + ']';
  std::vector<std::string> in{x, x, x, x + " 0..2", "f32[] =0.01", "i64[] =" + step};
  if (!scale.empty()) in.push_back("f32[] =" + scale);
  return in;
}

const AddRows kRows({
    {"adam", {"f32[N]", "f32[N]", "f32[N]", "f32[N] 0..2", "f32[] =0.01", "i64[] =1"}},
    {"adam",
     {"f32[70]", "f32[70]", "f32[70]", "f32[70] 0..2", "f32[] =0.01", "i64[] =1000", "f32[] =0.5"},
     kDecay},
    {"adam", {"f32[70]", "f32[70]", "f32[70]", "f32[70] 0..2", "f32[] =0.01", "i64[] =7"}, kDecoupled},
    {"adam",
     {"f32[7]", "f32[7]", "f32[7]", "f32[7]", "f32[]", "f32[]"},
     "{}",
     {.error = "step must be i64[]"}},
    {"adam",
     {"f32[N]", "f32[N]", "f32[N]", "f32[N] 0..2", "f32[] =0.01", "i64[] =3", "", "f32[N] 0..2"},
     kDecoupled},
    {"adam",
     {"f32[70]", "f32[70] =nan", "f32[70]", "f32[70] 0..2", "f32[] =0.01", "i64[] =3", "f32[] =0",
      "f32[70]"}},
    {"adam",
     {"f32[7]", "f32[7]", "f32[7]", "f32[7]", "f32[]", "i64[]", "", "f32[6]"},
     "{}",
     {.error = "input 7 is f32[6]"}},
    {"adam",
     {"f32[N]", "f32[N] =nan", "f32[N]", "f32[N] 0..2", "f32[] =0.01", "i64[] =7", "f32[] =0"},
     kDecoupled},
    {"adamax", operands("N", "1")},
    {"adamax", operands("70", "1000", "0.5"), kDecay},
    {"adamax", operands("70", "7", "0"), kDecoupled},
    {"nadam", operands("N", "1")},
    {"nadam", operands("70", "1000", "0.5"), kDecay},
    {"nadam", operands("70", "7"), R"({"momentum_decay": 0, "beta1": 0.8})"},
    {"nadam", operands("70", "300"), R"({"momentum_decay": 2})"},
    {"nadam", operands("70", "7", "0"), kDecoupled},
    {"radam", operands("N", "1")},
    {"radam", operands("70", "5")},
    {"radam", operands("70", "6"), kDecoupled},
    {"radam", operands("70", "1000", "0.5"), kDecay},
    {"radam", operands("70", "7", "0"), kDecoupled},
    {"lion", {"f32[N]", "f32[N]", "f32[N]", "f32[] =0.01"}},
    {"lion", {"f32[70]", "f32[70]", "f32[70]", "f32[] =0.01", "f32[] =0.5"}, kDecoupled},
    {"lion", {"f32[70]", "f32[70] =0", "f32[70] =0", "f32[] =0.01"}},
    {"lion", {"f32[70]", "f32[70] =nan", "f32[70]", "f32[] =0.01", "f32[] =0"}, kDecay},
    {"lamb", {"f32[N]", "f32[N]", "f32[N]", "f32[N] 0..2", "i64[] =1"}},
    {"lamb", {"f32[70]", "f32[70]", "f32[70]", "f32[70] 0..2", "i64[] =9", "f32[] =0.5"}, kDecoupled},
    {"lamb", {"f32[70]", "f32[70]", "f32[70]", "f32[70] 0..2", "i64[] =9"}, kDecay},
    {"lamb", {"f32[70]", "f32[70] =nan", "f32[70]", "f32[70] 0..2", "i64[] =9", "f32[] =0"}, kDecoupled},
});

}  // namespace
}  // namespace dl::test
