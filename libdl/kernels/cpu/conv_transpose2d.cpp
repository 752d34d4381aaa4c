// conv_transpose2d (x w b?) is conv2d_grad_input (w dy) as a forward pass: its kernels, with the operands in their order.
// What they make of the weight first serves all runs where that is fixed.
#include "kernels/cpu/conv.h"

namespace dl::DL_ISA {

extern const Kernel conv2d_grad_input;

namespace {

struct AsGradient {
  Arg in[kTransposedBias + 1];
  Conv2dGradAttrs attrs;
  Call call;

  explicit AsGradient(const Call& c) : in{c.in[1], c.in[0]}, call(c) {
    const auto& a = *static_cast<const ConvTranspose2dAttrs*>(c.attrs);
    if (c.n_in > kBias) in[kTransposedBias] = c.in[kBias];
    for (int i = 0; i < 2; ++i) attrs.stride[i] = a.stride[i], attrs.dilation[i] = a.dilation[i];
    for (int i = 0; i < 4; ++i) attrs.pads[i] = a.pads[i];
    attrs.groups = a.groups;
    attrs.algorithm = a.algorithm;
    attrs.activation = a.activation;
    call.in = in;
    call.n_in = kTransposedBias + 1;
    call.attrs = &attrs;
  }
};

void plan(const Call& c, Work& w) {
  conv2d_grad_input.plan(AsGradient(c).call, w);
  w.once = c.fixed_weights ? w.phases - 1 : 0;
}

void run(const Call& c, int phase, int64_t chunk, float* local) {
  conv2d_grad_input.run(AsGradient(c).call, phase, chunk, local);
}

}  // namespace

extern const Kernel conv_transpose2d{&plan, &run};

}  // namespace dl::DL_ISA
