#pragma once
// Losses: {"type": "cross_entropy", "label_smoothing": 0.1}, a list of losses to be summed, or a map from output to one or a
// list, each with a "weight":
//   {"class": {"type": "cross_entropy", "weight": 0.5}, "box": "huber", "mask": ["bce_with_logits", "dice"]}
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "nn/model.h"

namespace dl {

struct LossFamily {
  static constexpr std::string_view what = "loss";
  DL_API static std::span<const Variant> variants();
};
using Loss = Typed<LossFamily>;

// A field type for config sections ("loss"). Empty: cross entropy for classes, mean squared error for
// numbers.
struct Losses {
  struct Entry {
    std::string output;  // empty: the only output
    std::string place;   // in a list: "/0", "/1"; else empty
    Loss loss;
  };
  std::vector<Entry> entries;
};

template <>
struct FieldType<Losses> {
  DL_API static void parse(Losses& v, const json& j, const std::string& at, const Bounds& b);
  DL_API static json schema(const Bounds& b);
  DL_API static json dump(const Losses& v);
  static bool equal(const Losses& a, const Losses& b) { return dump(a) == dump(b); }
};

// What the data set gives: the name of a target and the type of one sample.
struct TargetInfo {
  std::string name;
  TensorType type;      // class: i32 [], or f32 [classes] for probabilities; numbers: f32 [] or [K]
  int64_t classes = 0;  // 0: not a class
  std::vector<int64_t> counts =
      {};  // samples of each class in the training part, for "balanced"; may be empty
};

struct LossTerm {
  std::string output, target;  // names of the model's output and of the target
  std::string type;            // "cross_entropy"
  double weight = 1;
  ValueId value = kNone;  // scalar, before its weight
};

// Adds an input leaf for each target that is used (named as in the data set, (batch, ...)), the losses, and
// the graph output "loss": their weighted sum, a scalar. A single output takes the only target whatever their
// names; several go by name. `pointer` is where the losses stand in the config. Errors: Exit::config.
DL_API std::vector<LossTerm> add_losses(Model& model, const Losses& losses,
                                        std::span<const TargetInfo> targets,
                                        const std::string& pointer = "/train/loss");

}  // namespace dl
