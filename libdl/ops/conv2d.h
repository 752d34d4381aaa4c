#pragma once
// What the definitions of conv2d, its gradients and conv_transpose2d share.
#include "kernels/conv2d.h"
#include "ops/registry.h"
#include "ops/window.h"

namespace dl {

template <class A>
constexpr auto window_fields(
    std::string_view pads = "Zeros around the image: one number, or top, left, bottom, right.") {
  return std::tuple{
      field("stride", &A::stride, "Distance between windows: one number, or vertical and horizontal.")
          .at_least(1)
          .onnx("strides"),
      field("pads", &A::pads, pads).at_least(0).onnx("pads"),
      field("dilation", &A::dilation,
            "Distance between the taps of a window: one number, or vertical and horizontal.")
          .at_least(1)
          .onnx("dilations"),
      field("groups", &A::groups, "Channels are split into this many groups that do not see each other.")
          .at_least(1)
          .onnx("group"),
  };
}

constexpr auto enum_names(const ConvAlgorithm*) {
  return std::array<std::string_view, 6>{"im2col",    "direct", "winograd",
                                         "depthwise", "planar", "channels_last"};
}
template <class A>
constexpr auto algorithm_field() {
  return field("algorithm", &A::algorithm,
               "How it is computed; all but im2col work on a blocked form, planar takes images.");
}

// The form of the output of conv2d, and of its input; the other way round for conv_transpose2d.
template <class A>
ImageForm form_out(const A& a) {
  return a.algorithm == ConvAlgorithm::im2col          ? ImageForm::images
         : a.algorithm == ConvAlgorithm::channels_last ? ImageForm::channels_last
                                                       : ImageForm::blocked;
}
template <class A>
ImageForm form_in(const A& a) {
  return a.algorithm == ConvAlgorithm::planar ? ImageForm::images : form_out(a);
}

// Two per output element and tap, padding included.
inline int64_t conv_flops(const Shape& w, const Shape& y) {
  return 2 * y[0] * w[0] * y[2] * y[3] * w.elements(1, 4);
}

}  // namespace dl
