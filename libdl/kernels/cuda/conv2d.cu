// conv2d, conv2d_grad_input and conv_transpose2d as products of windows and weights (conv_load.h), in all forms of the
// images; depthwise ones of the blocked form go to conv_depthwise.cu. Phase 0 brings the weights into the product's order
// and type, phase 1 computes. 1x1 convolutions of channels-last images are plain products: by cublasLt where it can.
#include "kernels/cuda/blas.h"
#include "kernels/cuda/conv_form.h"
#include "kernels/cuda/conv_load.h"

namespace dl::DL_ISA {
namespace {

GemmGrid grid_of(const Convolution& v, const Sweep& s, const Output& o) {
  GemmGrid g;
  // A residue of the strides meets its share of the taps only.
  const int64_t residues = int64_t{s.step_h} * s.step_w, depth = s.depth();
  with_float_type(v.x.type, [&](auto zero) {
    g = gemm_grid<decltype(zero)>(s.m, o.n + o.padding, depth, s.problems(), residues == 1);
  });
  return g;
}

// The weights in the product's order, in floats of scratch.
int64_t weight_elements(const Convolution& v) {
  return v.s.groups * v.s.taps() * padded_of(v) * weight_width(v.n());
}
int64_t weight_floats(const Convolution& v) {
  return ceil_div(weight_elements(v) * (v.x.type == Elem::f32 ? 4 : 2), 256) * 64;
}

// to (group, tap, padded, width) = w (group, n, channels, tap) transposed; zero where there is no channel. A block takes
// 32 x 32: neighbouring (channel, tap) are read, neighbouring n written.
constexpr int kTurnTile = 32, kTurnRows = 8;
template <class T>
__global__ void turn_weights_kernel(const Floats w, T* to, int n, int channels, int taps, int padded,
                                    int width) {
  __shared__ float tile[kTurnTile][kTurnTile + 1];
  const int q0 = blockIdx.x * kTurnTile, n0 = blockIdx.y * kTurnTile, group = blockIdx.z;
  const int x = threadIdx.x % kTurnTile, y = threadIdx.x / kTurnTile;
  for (int i = y; i < kTurnTile; i += kTurnRows) {
    const bool there = n0 + i < n && q0 + x < channels * taps;
    tile[i][x] = there ? w.one((int64_t{group} * n + n0 + i) * channels * taps + q0 + x) : 0;
  }
  __syncthreads();
  for (int i = y; i < kTurnTile; i += kTurnRows) {
    const int q = q0 + i, c = q / taps, tap = q - c * taps;
    if (c < padded && n0 + x < width)
      to[((int64_t{group} * taps + tap) * padded + c) * width + n0 + x] = from_float<T>(tile[x][i]);
  }
}

// to (group, tap, padded, width) = w (group, channels, n, tap): a thread takes the taps of a pair of channels.
template <class T>
__global__ void spread_weights_kernel(const Floats w, T* to, int64_t pairs, int n, int channels, int taps,
                                      int padded, int width) {
  for (int64_t p = thread_index(); p < pairs; p += thread_count()) {
    const auto column = static_cast<int>(p % width);
    const int64_t row = p / width, group = row / padded;
    const auto c = static_cast<int>(row - group * padded);
    const bool there = c < channels && column < n;
    const int64_t from = ((group * channels + c) * n + column) * taps;
    for (int t = 0; t < taps; ++t)
      to[((group * taps + t) * padded + c) * width + column] = from_float<T>(there ? w.one(from + t) : 0);
  }
}

template <class T>
void reorder_weights(const Call& c, const Convolution& v, T* to) {
  const int64_t padded = padded_of(v), width = weight_width(v.n()), taps = v.s.taps();
  if (v.transposed) {
    const int64_t pairs = v.s.groups * padded * width;
    launch(c, spread_weights_kernel<T>, blocks_for(c, pairs), kThreads, 0, Floats(v.w), to, pairs, v.n(),
           v.channels(), taps, padded, width);
  } else {
    const dim3 grid(as_unsigned(ceil_div(padded * taps, kTurnTile)), as_unsigned(ceil_div(width, kTurnTile)),
                    as_unsigned(v.s.groups));
    launch(c, turn_weights_kernel<T>, grid, kTurnTile * kTurnRows, 0, Floats(v.w), to, v.n(), v.channels(),
           taps, padded, width);
  }
}

// A 1x1 convolution of channels-last images by the library; b: the weights in order.
bool by_blas(const Call& c, const Convolution& v, const void* b) {
  if (!queue_of(c).blas || !v.s.pointwise() || v.s.groups != 1 || !is_blocked(v.x) || !is_blocked(v.y))
    return false;
  if (v.x.dims[1] != 1 || v.y.dims[1] != 1 || v.mask.present()) return false;
  if (v.activation != Activation::none && v.activation != Activation::relu) return false;
  if (v.bias.present() && v.bias.type != v.y.type) return false;
  if (v.added.present() && v.added.type != v.y.type) return false;
  const int64_t width = weight_width(v.n()), lanes = lanes_of(v.y);
  if (lanes != width || (v.bias.present() && lanes != v.n())) return false;
  return blas_matmul(c, {.m = v.s.n * v.s.h * v.s.w,
                         .n = width,
                         .k = v.channels(),
                         .type = v.x.type,
                         .out = v.y.type,
                         .a = v.x.data,
                         .b = b,
                         .lda = lanes_of(v.x),
                         .ldb = width,
                         .ldd = lanes,
                         .d = v.y.data,
                         .added = v.added.data,
                         .bias = v.bias.data,
                         .relu = v.activation == Activation::relu});
}

void plan(const Convolution& v, Work& w) {
  const Sweep s = sweep_of(v);
  const Output o = output_of(v, s);
  w.phases = 2;
  w.shared = weight_floats(v) + part_floats(grid_of(v, s, o), o);
}

template <class T>
void multiply(const Call& c, const Convolution& v, const T* weights) {
  const Sweep s = sweep_of(v);
  const Output o = output_of(v, s);
  const GemmGrid g = grid_of(v, s, o);
  const TapSource<T> b = {weights, s, static_cast<int>(weight_width(v.n()))};
  float* parts = c.shared + weight_floats(v);
  if (is_blocked(v.x)) {
    const bool whole = lanes_of(v.x) % kPackSize<T> == 0 && (s.groups == 1 || s.channels % kPackSize<T> == 0);
    run_gemm(c, g, WindowSource<T, true>{data<T>(v.x), picture_of(v.x), s, whole}, b, o, parts);
  } else {
    run_gemm(c, g, WindowSource<T, false>{data<T>(v.x), picture_of(v.x), s, false}, b, o, parts);
  }
}

void run(const Call& c, const Convolution& v, int phase) {
  if (v.y.size() == 0) return;
  with_float_type(v.x.type, [&](auto zero) {
    using T = decltype(zero);
    T* weights = reinterpret_cast<T*>(c.shared);
    if (phase == 0)
      reorder_weights(c, v, weights);
    else if (!by_blas(c, v, weights))
      multiply<T>(c, v, weights);
  });
}

template <Convolution (*Of)(const Call&), bool kWeightsSecond>
constexpr Kernel convolution_kernel() {
  return {[](const Call& c, Work& w) {
            const Convolution v = Of(c);
            is_depthwise(v.algorithm, v.s) ? plan_depthwise(v, w) : plan(v, w);
            w.once = kWeightsSecond ? 1 : 0;  // input 1 is all that phase 0 reads
          },
          [](const Call& c, int phase, int64_t, float*) {
            const Convolution v = Of(c);
            is_depthwise(v.algorithm, v.s) ? run_depthwise(c, v, phase) : run(c, v, phase);
          }};
}

}  // namespace

extern const Kernel conv2d = convolution_kernel<forward_of, true>();
extern const Kernel conv2d_grad_input = convolution_kernel<grad_input_of, false>();
extern const Kernel conv_transpose2d = convolution_kernel<transpose_of, true>();

}  // namespace dl::DL_ISA
