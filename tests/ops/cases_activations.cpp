// Rows and references of the activations.
#include <cmath>

#include "ops/harness.h"

namespace dl::test {
namespace {

template <class F>
void map(Reference& r, F f) {
  for (int64_t i = 0; i < r.y().size(); ++i) r.y()[i] = f(r.x()[i]);
}

const AddReference kRelu("relu", [](Reference& r) { map(r, [](double x) { return x > 0 ? x : 0; }); });

const AddRows kRows({
    {"relu", {"f32[N]"}, "{}", {.avoid = {0}}},
});

}  // namespace
}  // namespace dl::test
