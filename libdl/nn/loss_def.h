#pragma once
// How a loss of the config becomes nodes. Adding a loss: a struct of attributes that derives from Weighted, a build function,
// and a line in the table of its family's file.
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "nn/loss.h"

namespace dl {

// What every loss has.
struct Weighted {
  double weight = 1;
  std::string target;
};
constexpr auto fields(const Weighted*) {
  return std::tuple{field("weight", &Weighted::weight, "Factor in the sum of several losses.").at_least(0),
                    field("target", &Weighted::target,
                          "Target that the output is compared with; empty: the only one, or the one with the "
                          "output's name.")};
}
// The fields of a loss: its own, given here, and those of Weighted.
template <class... F>
constexpr auto loss_fields(F... own) {
  return std::tuple_cat(std::tuple{own...}, fields(static_cast<const Weighted*>(nullptr)));
}

// What a build function works with.
struct LossCtx {
  Model& model;
  const GraphOutput& output;
  const TargetInfo& target;
  std::span<const GraphOutput> outputs;  // of the model
  ValueId leaf;                          // the target, (batch, ...)
  std::string type, at;                  // name of the loss, and its place in the config
  const void* attrs;                     // of its struct

  template <class A>
  const A& as() const {
    return *static_cast<const A*>(attrs);
  }
  ValueId x() const { return output.value; }
  const Shape& shape(ValueId v) const { return model.graph.type(v).shape; }
  [[noreturn]] void fail(const std::string& message, const std::string& hint = {},
                         std::string_view key = {}) const;

  // Adds a node of the named operator; `op_attrs` as in JSON.
  ValueId emit(std::string_view op, std::vector<ValueId> in, const json& op_attrs = json::object());
  ValueId constant(std::string_view suffix, Tensor value);  // "<output>.<suffix>"
  ValueId reshape(ValueId v, const std::vector<int64_t>& extents);
  ValueId linear(ValueId v, double scale, double shift);
  // Over one axis, which stays with an extent of 1, or over all of them.
  ValueId sum(ValueId v, int axis);
  ValueId largest(ValueId v, int axis);
  ValueId total(ValueId v) { return emit("reduce_sum", {v}); }
  ValueId mean(ValueId v) { return emit("reduce_mean", {v}); }

  // The target as f32 in the shape of the output. Error for more than two classes, or when `labels` is false for two.
  ValueId numbers(bool labels);
  // The same with 1 for the second class or positive numbers as they are, -1 for the first class.
  ValueId signs();
  // Whether the output gives one number for each class; false: one number that tells two classes apart, or numbers.
  bool several_classes() const;
  // Class labels as shares of each class, in the shape of the output (batch, classes, ...). Error where they do not fit.
  ValueId shares();
  // The output as one row for each sample.
  ValueId rows();
};

struct LossDef {
  std::string_view name, doc;
  const AttrOps* attrs;
  ValueId (*build)(LossCtx&);  // returns a scalar, before its weight
};
std::span<const LossDef> pair_losses();
std::span<const LossDef> class_losses();
std::span<const LossDef> embedding_losses();
std::span<const LossDef> mask_losses();
const LossDef* find_loss(std::string_view name);  // null if it is none of these

}  // namespace dl
