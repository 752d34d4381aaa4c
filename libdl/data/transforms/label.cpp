#include "data/transforms/label.h"

#include <cmath>

namespace dl {
namespace {

struct LabelNoise {
  double rate = 0.1;
  std::vector<std::vector<double>> matrix;
  std::string target;
};
constexpr auto fields(const LabelNoise*) {
  return std::tuple{
      field("rate", &LabelNoise::rate, "Share of the labels that become one of the other classes, all alike.")
          .range(0, 1),
      field("matrix", &LabelNoise::matrix,
            "Instead of rate: row i holds the probabilities of what a label of class i becomes; each row "
            "sums to 1.")
          .range(0, 1),
      field("target", &LabelNoise::target,
            "The target whose labels change; empty: every target with classes.")};
}
void check(const LabelNoise& a, const std::string& at) {
  for (size_t i = 0; i < a.matrix.size(); ++i) {
    double sum = 0;
    for (double v : a.matrix[i]) sum += v;
    if (a.matrix[i].size() != a.matrix.size())
      field_error(str(at, "/matrix/", i),
                  str("has ", a.matrix[i].size(), " numbers, expected as many as rows, ", a.matrix.size()));
    if (std::fabs(sum - 1) > 1e-6)
      field_error(str(at, "/matrix/", i), str("sums to ", number(static_cast<float>(sum)), ", expected 1"));
  }
}

TransformDef label_noise() {
  TransformDef d;
  d.variant = {"label_noise",
               "Wrong labels, symmetric or by class; the same for a sample in every epoch and copy.",
               &attr_ops<LabelNoise>};
  d.stage = Stage::label;
  d.check = [](const void* attrs, const std::string& at) {
    if (attrs) check(*static_cast<const LabelNoise*>(attrs), at);
  };
  return d;
}

}  // namespace

void check_label_transform(const Typed<Transform>& t, int64_t classes, const std::string& pointer) {
  const auto& a = t.as<LabelNoise>();
  if (!a.matrix.empty() && static_cast<int64_t>(a.matrix.size()) != classes)
    field_error(pointer + "/matrix",
                str("has ", a.matrix.size(), " rows, the data set has ", classes, " classes"));
}

bool concerns_target(const Typed<Transform>& t, const std::string& target) {
  const auto& a = t.as<LabelNoise>();
  return a.target.empty() || a.target == target;
}

int32_t change_label(const Typed<Transform>& t, int32_t label, int64_t classes, Random& random) {
  const auto& a = t.as<LabelNoise>();
  double u = random.uniform();
  if (a.matrix.empty()) {
    if (u >= a.rate || classes < 2) return label;
    const auto other = static_cast<int32_t>(random.below(classes - 1));
    return other + (other >= label);
  }
  const std::vector<double>& row = a.matrix[static_cast<size_t>(label)];
  size_t last = 0;
  for (size_t k = 0; k < row.size(); ++k) {
    if (row[k] <= 0) continue;
    last = k;
    if (u < row[k]) break;
    u -= row[k];
  }
  return static_cast<int32_t>(last);
}

std::span<const TransformDef> label_transforms() {
  static const TransformDef all[] = {label_noise()};
  return all;
}

}  // namespace dl
