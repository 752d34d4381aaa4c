#include "ops/update.h"

namespace dl {

void infer_update(InferCtx& c, const UpdateOperands& operands) {
  const TensorType& p = c.x(0);
  const TensorType number{DType::f32, {}}, count{DType::i64, {}};
  c.require(p.dtype == DType::f32, str("takes f32 parameters, got ", p.text()));
  const auto like_parameter = [&](size_t i) {
    c.require(c.x(i) == p, str("input ", i, " is ", c.x(i).text(), ", the parameter ", p.text()));
  };
  size_t i = 1;
  for (; i < 2 + operands.states; ++i) like_parameter(i);
  if (operands.rate) {
    c.require(c.x(i) == number, str("lr must be f32[], got ", c.x(i).text()));
    ++i;
  }
  if (operands.counts) {
    c.require(c.x(i) == count, str("step must be i64[], got ", c.x(i).text()));
    ++i;
  }
  if (c.has(i)) c.require(c.x(i) == number, str("scale must be f32[], got ", c.x(i).text()));
  c.out.assign(1 + operands.states, p);
  for (size_t k = 1; k <= operands.late && c.has(i + k); ++k) {
    like_parameter(i + k);
    c.out.push_back(p);
  }
}

}  // namespace dl
