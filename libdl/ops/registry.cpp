#include "ops/registry.h"

namespace dl {
namespace {
constexpr const OpDef* kOps[] = {
#define DL_OP(name) &op::name,
#include "kernels/ops.def"
};
}  // namespace

std::span<const OpDef* const> all_ops() { return kOps; }

const OpDef* find_op(std::string_view name) {
  for (const OpDef* op : kOps)
    if (op->name == name) return op;
  return nullptr;
}

OpId op_id(const OpDef& op) {
  uint16_t i = 0;
  while (kOps[i] != &op) ++i;
  return static_cast<OpId>(i);
}

}  // namespace dl
