#pragma once
// What the optimiser updates share: their common attributes and the check of their operands.
#include "kernels/optimizer_attrs.h"
#include "ops/registry.h"

namespace dl {

constexpr auto fields(const UpdateAttrs*) {
  return std::tuple{
      field("lr_scale", &UpdateAttrs::lr_scale, "Factor of the learning rate for this parameter.")
          .at_least(0),
      field("weight_decay", &UpdateAttrs::weight_decay,
            "L2 decay: added to the gradient times the parameter.")
          .at_least(0),
      field("decoupled", &UpdateAttrs::decoupled,
            "Shrink the parameter by lr weight_decay instead (AdamW, SGDW)."),
      field("l1", &UpdateAttrs::l1, "L1 decay: added to the gradient times the parameter's sign.")
          .at_least(0),
      field("clip_value", &UpdateAttrs::clip_value, "Largest magnitude of a gradient element; 0: any.")
          .at_least(0)};
}

// The fields of an update: the common ones, then its own.
template <class... F>
constexpr auto update_fields(F... own) {
  return std::tuple_cat(fields(static_cast<const UpdateAttrs*>(nullptr)), std::tuple{own...});
}

inline constexpr uint32_t kStep = kUpdate | kInPlace;

// Operands of an update: param, grad, `states` more of the same type, lr (unless `rate` is false), step (where it counts
// them), scale?; then `late` states, which may be absent from some place on.
struct UpdateOperands {
  size_t states = 0;
  bool counts = false, rate = true;
  size_t late = 0;
};
// Types of the results: the parameter's for it and for every state that is there.
void infer_update(InferCtx& c, const UpdateOperands& operands);

}  // namespace dl
