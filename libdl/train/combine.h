#pragma once
// One answer from several: of the networks of an ensemble, or of one network for several augmented copies of a sample.
#include "base/fields.h"
#include "train/network.h"

namespace dl {

enum class Ensemble { none, average, geometric, vote };
constexpr auto enum_names(const Ensemble*) {
  return std::to_array<std::string_view>({"none", "average", "geometric", "vote"});
}

// The head that combined answers have: probabilities in place of logits and logarithms. Error (config) for geometric
// means and votes over numbers.
DL_API Head combined_head(const Head& head, Ensemble method);

// Takes the outputs of a batch one answer after the other.
class DL_API Combiner {
 public:
  Combiner(const Head& head, Ensemble method, double temperature = 1)
      : head_(head), method_(method), temperature_(temperature) {}
  void add(const Tensor& outputs);
  // (n, columns) f64 in the form of combined_head(); begins anew. average: mean of the probabilities or numbers;
  // geometric: their geometric mean, scaled to sum 1 (of yes and no for labels); vote: share of the answers for each class.
  Tensor take();

 private:
  Head head_;
  Ensemble method_;
  double temperature_;
  int64_t answers_ = 0;
  Tensor sum_;
};

// Probabilities of each class (n, classes) or label (n, columns) from a network's outputs; numbers as they are. f64.
// Logits are divided by the temperature first.
DL_API Tensor probabilities_of(const Head& head, const Tensor& outputs, double temperature = 1);

}  // namespace dl
