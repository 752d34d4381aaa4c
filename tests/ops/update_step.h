#pragma once
// What the references of the optimiser updates share.
#include <algorithm>
#include <cmath>

#include "ops/harness.h"

namespace dl::test {

// Numbers of a step. Inputs that are not there stand behind the last.
struct Step {
  Reference& r;
  double lr, scale;
  bool decoupled;
  Step(Reference& r, size_t lr_input, size_t scale_input)
      : r(r),
        lr(r.has(lr_input) && r.attrs.contains("lr_scale") ? r.x(lr_input)[0] * r.attr("lr_scale") : 0),
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
inline bool kept(Reference& r, const Step& s, std::initializer_list<size_t> from) {
  if (s.scale != 0) return false;
  const size_t* input = from.begin();
  for (Array& y : r.out) y.v = r.x(*input++).v;
  return true;
}

}  // namespace dl::test
