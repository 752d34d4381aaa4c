// dense.
#include "nn/weight_form.h"

namespace dl {

struct DenseLayer : WeightUse {
  int64_t units = 0;
  bool bias = true;
};
constexpr auto fields(const DenseLayer*) {
  return std::tuple_cat(std::tuple{field("units", &DenseLayer::units, "Outputs.").range(1, 1e9).required(),
                                   field("bias", &DenseLayer::bias, "Add a bias.")},
                        weight_use_fields<DenseLayer>());
}

namespace {

ValueId build_dense(LayerCtx& c) {
  const auto& a = c.as<DenseLayer>();
  const Shape& x = c.shape();
  if (x.rank() < 2 || x.rank() == 4)
    c.fail("", str("dense takes features, got ", c.sample_text(), " from '", c.layer.inputs[0], "'"),
           "put \"flatten\" or \"global_avg_pool2d\" before it");
  const int64_t in = x[x.rank() - 1];
  const int64_t rows = x.elements(1, x.rank() - 1);
  std::vector<ValueId> operands{c.in[0], used_weight(c, a, {a.units, in})};
  if (a.bias) operands.push_back(c.bias("bias", {a.units}));
  c.count_products(rows * in, a.units);
  c.sees_all = true;
  return c.emit("affine", operands);
}

}  // namespace

std::span<const LayerDef> dense_layers() {
  static const LayerDef all[] = {
      {"dense", "Fully connected layer: y = x w^T + b; weight (units, inputs).", &attr_ops<DenseLayer>, 1, 1,
       build_dense},
  };
  return all;
}

}  // namespace dl
