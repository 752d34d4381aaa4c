#pragma once
// All operators, from kernels/ops.def: `op::softmax` is the definition, OpId::softmax its number in kernel tables.
#include "graph/graph.h"
#include "graph/op.h"

namespace dl {

enum class OpId : uint16_t {
#define DL_OP(name) name,
#include "kernels/ops.def"
  count
};

namespace op {
#define DL_OP(name) extern DL_API const OpDef name;
#include "kernels/ops.def"
}  // namespace op

DL_API std::span<const OpDef* const> all_ops();
DL_API const OpDef* find_op(std::string_view name);  // null if there is none
DL_API OpId op_id(const OpDef& op);

}  // namespace dl
