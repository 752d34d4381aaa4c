// conv2d and its gradients: each call goes to the algorithm that its attribute names.
#include "kernels/cpu/conv.h"

namespace dl::DL_ISA {
namespace {

const Kernel& forward(const Call& c) {
  switch (conv_attrs(c).algorithm) {
    case ConvAlgorithm::direct:
      return conv_direct;
    case ConvAlgorithm::winograd:
      return conv_winograd;
    case ConvAlgorithm::depthwise:
      return conv_depthwise;
    case ConvAlgorithm::planar:
      return conv_planar;
    case ConvAlgorithm::channels_last:  // for devices alone
    case ConvAlgorithm::im2col:
      break;
  }
  return conv_im2col;
}
const Kernel& grad_input(const Call& c) {
  switch (conv_grad_attrs(c).algorithm) {
    case ConvAlgorithm::direct:
      return conv_direct_grad_input;
    case ConvAlgorithm::winograd:
      return conv_winograd_grad_input;
    case ConvAlgorithm::depthwise:
      return conv_depthwise_grad_input;
    case ConvAlgorithm::planar:         // has no such pass
    case ConvAlgorithm::channels_last:  // for devices alone
    case ConvAlgorithm::im2col:
      break;
  }
  return conv_im2col_grad_input;
}
const Kernel& grad_weight(const Call& c) {
  switch (conv_grad_attrs(c).algorithm) {
    case ConvAlgorithm::direct:
      return conv_direct_grad_weight;
    case ConvAlgorithm::winograd:
      return conv_winograd_grad_weight;
    case ConvAlgorithm::depthwise:
      return conv_depthwise_grad_weight;
    case ConvAlgorithm::planar:
      return conv_planar_grad_weight;
    case ConvAlgorithm::channels_last:  // for devices alone
    case ConvAlgorithm::im2col:
      break;
  }
  return conv_im2col_grad_weight;
}

template <const Kernel& (*Algorithm)(const Call&)>
constexpr Kernel dispatched() {
  return {[](const Call& c, Work& w) { Algorithm(c).plan(c, w); },
          [](const Call& c, int phase, int64_t chunk, float* local) {
            Algorithm(c).run(c, phase, chunk, local);
          }};
}

}  // namespace

extern const Kernel conv2d = dispatched<forward>();
extern const Kernel conv2d_grad_input = dispatched<grad_input>();
extern const Kernel conv2d_grad_weight = dispatched<grad_weight>();

}  // namespace dl::DL_ISA
