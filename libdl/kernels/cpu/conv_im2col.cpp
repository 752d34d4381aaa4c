// conv2d and its gradients as matrix products over windows (im2col), image by image; into few maps without the matrix.
// Always right for every stride, padding, dilation and group; strips of output rows keep the columns inside L2.
#include "kernels/cpu/conv.h"
#include "kernels/cpu/conv_pixel.h"
#include "kernels/cpu/gemm.h"
#include "kernels/cpu/gemm_epilogue.h"
#include "kernels/cpu/im2col.h"

namespace dl::DL_ISA {
namespace {

constexpr int64_t kColumns = 96 * 1024;  // floats of a column matrix

// Strip number i of equal strips of at most `rows` rows.
Strip strip_at(const ConvShape& s, int64_t strips, int64_t i) {
  const int64_t first = i * s.oh / strips;
  return {first, (i + 1) * s.oh / strips - first};
}

// The frame of a strip: the image itself where it needs no padding, and memory goes on behind it; else filled.
const float* frame_of(const ConvShape& s, Strip t, const float* x, bool last, int64_t channels,
                      float* frame) {
  const bool whole = t.rows == s.oh && s.pt == 0 && s.pl == 0 && s.frame_w() == s.w && s.frame_h(s.oh) == s.h;
  if (whole && !last && s.c * s.h * s.w >= kFrameSlack) return x;
  fill_frame(s, t, x, channels, frame);
  return frame;
}

// ---- Forward: y[n] (k, pixels) = w (k, c kh kw) columns
// -----------------------------------------------------------

struct Forward {
  ConvShape s;
  int64_t strips, rows, frame, col,
      columns;  // how many strips, rows of the highest; floats of frame and columns; K
  Gemm g;       // one group, one strip

  explicit Forward(const Call& c) : s(forward_shape(c)) {
    columns = s.cg() * s.taps();
    const int64_t fit = max(1, kColumns / (columns * s.ow)), share = ceil_div(s.n * s.oh, 4 * c.threads);
    const int64_t wide = ceil_div(64, s.ow);  // fewer pixels than this are not worth a call
    strips = ceil_div(s.oh, min(fit, max(share, wide)));
    rows = ceil_div(s.oh, strips);
    frame = s.pointwise() ? 0 : line(s.cg() * s.frame_h(rows) * s.frame_w() + kFrameSlack);
    col = s.pointwise() ? 0 : columns * line(rows * s.ow) + kFrameSlack;
    g = {.m = s.kg(),
         .n = rows * s.ow,
         .k = columns,
         .a = c.in[1].f(),
         .lda = columns,
         .ta = false,
         .b = nullptr,
         .ldb = rows * s.ow,
         .tb = false,
         .c = c.out[0].f(),
         .ldc = s.pixels(),
         .act = Act(conv_attrs(c).activation)};
  }
};
static_assert(int(Act::gelu) == int(Activation::gelu));

void plan_forward(const Call& c, Work& w) {
  const Forward f(c);
  w.chunks[0] = f.s.n * f.strips;
  w.local = f.frame + f.col + gemm_scratch(f.g);
}

void run_forward(const Call& c, int, int64_t chunk, float* local) {
  const Forward f(c);
  const ConvShape& s = f.s;
  const int64_t image = chunk / f.strips;
  const Strip t = strip_at(s, f.strips, chunk % f.strips);
  float *frame = local, *col = local + f.frame, *scratch = col + f.col;
  for (int64_t group = 0; group < s.groups; ++group) {
    const float* x = c.in[0].f() + (image * s.c + group * s.cg()) * s.h * s.w;
    Gemm g = f.g;
    g.n = t.rows * s.ow;
    g.ldb = line(g.n);
    g.a += group * s.kg() * f.columns;
    g.c += (image * s.k + group * s.kg()) * s.pixels() + t.row * s.ow;
    if (const float* bias = operand(c, kBias)) g.row_bias = bias + group * s.kg();
    if (s.pointwise()) {
      g.b = x + t.row * s.ow;
      g.ldb = s.pixels();
    } else if (pixel_form(s)) {
      pixel_strip(s, t, frame_of(s, t, x, image + 1 == s.n, s.cg(), frame), g);
      continue;
    } else {
      im2col(s, t, frame_of(s, t, x, image + 1 == s.n, s.cg(), frame), s.cg(), col, g.ldb);
      g.b = col;
    }
    gemm(g, scratch);
  }
}

// ---- Gradient of the input: columns = w^T dy[n], added up where windows overlap
// ------------------------------------- A chunk is one image, one group, one block of input channels. The
// strips depend on the shape alone: they order the sums.

struct GradInput {
  ConvShape s;
  int64_t strips, block, blocks, frame, col, mask;
  Gemm g;

  explicit GradInput(const Call& c) : s(grad_input_shape(c)) {
    strips = ceil_div(s.oh, max(1, 512 / s.ow));
    const int64_t rows = ceil_div(s.oh, strips), plane = s.frame_h(s.oh) * s.frame_w();
    const int64_t fit = max(1, min(kColumns / (s.taps() * rows * s.ow), 2 * kColumns / plane));
    const int64_t share =
        ceil_div(4 * c.threads, max(1, s.n * s.groups));  // blocks that give every worker something
    blocks = min(s.cg(), max(ceil_div(s.cg(), fit), s.cg() >= 8 * share ? share : 1));
    block = ceil_div(s.cg(), blocks);
    blocks = ceil_div(s.cg(), block);
    frame = s.pointwise() ? 0 : line(block * plane);
    col = s.pointwise() ? 0 : line(block * s.taps() * line(rows * s.ow) + s.frame_w() + kFrameSlack);
    mask = s.pointwise() ? 0 : line(mask_size(s));
    const int64_t columns = s.cg() * s.taps();
    g = {.m = block * s.taps(),
         .n = rows * s.ow,
         .k = s.kg(),
         .a = c.in[0].f(),
         .lda = columns,
         .ta = true,
         .b = c.in[1].f(),
         .ldb = s.pixels(),
         .tb = false,
         .c = nullptr,
         .ldc = rows * s.ow};
  }
};

void plan_grad_input(const Call& c, Work& w) {
  const GradInput f(c);
  w.chunks[0] = f.s.n * f.s.groups * f.blocks;
  w.local = f.frame + f.col + f.mask + gemm_scratch(f.g);
}

void run_grad_input(const Call& c, int, int64_t chunk, float* local) {
  const GradInput f(c);
  const ConvShape& s = f.s;
  const int64_t c0 = chunk % f.blocks * f.block, channels = min(f.block, s.cg() - c0);
  const int64_t group = chunk / f.blocks % s.groups, image = chunk / f.blocks / s.groups;
  float *frame = local, *col = local + f.frame, *mask = col + f.col, *scratch = mask + f.mask;
  const int64_t first = group * s.cg() + c0;  // channel
  float* dx = c.out[0].f() + (image * s.c + first) * s.h * s.w;
  const Act act = Act(conv_grad_attrs(c).activation);
  const float* bias = operand(c, kTransposedBias);
  if (bias) bias += first;
  if (!s.pointwise()) zero_row(frame, channels * s.frame_h(s.oh) * s.frame_w());
  for (int64_t i = 0; i < f.strips; ++i) {
    const Strip t = strip_at(s, f.strips, i);
    Gemm g = f.g;
    g.m = channels * s.taps();
    g.n = t.rows * s.ow;
    g.a += group * s.kg() * g.lda + c0 * s.taps();
    g.b += (image * s.k + group * s.kg()) * s.pixels() + t.row * s.ow;
    g.c = s.pointwise() ? dx + t.row * s.ow : col;
    g.ldc = s.pointwise() ? s.pixels() : line(g.n);
    if (s.pointwise()) {
      g.row_bias = bias;
      g.act = act;
    }
    gemm(g, scratch);
    if (!s.pointwise()) col2im(s, t, col, g.ldc, channels, frame, mask);
  }
  if (s.pointwise()) return;
  empty_frame(s, frame, channels, dx);
  Gemm all{};
  all.c = dx;
  all.ldc = s.h * s.w;
  all.row_bias = bias;
  all.act = act;
  epilogue(all, 0, 0, channels, all.ldc);
}

// ---- Gradient of the weight: dw = sum over images of dy[n] columns^T
// ------------------------------------------------ Chunks of phase 0 are (part of the images, group, block of
// input channels); every part sums into a copy of dw, phase 1 adds the copies in order. All of it depends on
// the shape alone.

struct GradWeight {
  ConvShape s;
  int64_t parts, strips, batch, ld, block, blocks, frame, col, dy, size;  // ld: floats of a row of columns
  Gemm g;

  explicit GradWeight(const Call& c) : s(grad_weight_shape(c)) {
    const int64_t columns = s.cg() * s.taps();
    size = s.k * columns;
    parts = max(1, min(min(s.n, 32), (1 << 21) / size));
    strips = ceil_div(s.oh, max(1, 1024 / s.ow));
    // Sums over few pixels are too short: several small images share one product.
    batch = s.pixels() < 256 ? max(1, min(384 / s.pixels(), s.n / parts)) : 1;
    const int64_t rows = ceil_div(s.oh, strips);
    ld = line(batch * rows * s.ow + (batch > 1 ? DL_VLEN : 0));
    const int64_t fit = max(1, kColumns / (s.taps() * ld)), share = ceil_div(16, parts * s.groups);
    blocks = min(s.cg(), max(ceil_div(s.cg(), fit), share));
    block = ceil_div(s.cg(), blocks);
    blocks = ceil_div(s.cg(), block);
    const bool direct = s.pointwise() && batch == 1;
    frame = direct ? 0 : line(block * s.frame_h(rows) * s.frame_w() + kFrameSlack);
    col = direct ? 0 : block * s.taps() * ld + line(kFrameSlack);
    dy = batch > 1 ? s.kg() * ld : 0;
    g = {.m = s.kg(),
         .n = block * s.taps(),
         .k = batch * rows * s.ow,
         .a = c.in[1].f(),
         .lda = s.pixels(),
         .ta = false,
         .b = nullptr,
         .ldb = ld,
         .tb = true,
         .c = parts > 1 ? c.shared : c.out[0].f(),
         .ldc = columns};
  }
};
constexpr int64_t kSumChunk = 4096;

void plan_grad_weight(const Call& c, Work& w) {
  const GradWeight f(c);
  w.chunks[0] = f.parts * f.s.groups * f.blocks;
  w.local = f.frame + f.col + f.dy + gemm_scratch(f.g);
  if (f.parts == 1) return;
  w.phases = 2;
  w.chunks[1] = ceil_div(f.size, kSumChunk);
  w.shared = f.parts * f.size;
}

void sum_parts(const Call& c, const GradWeight& f, int64_t chunk) {
  const int64_t end = min(f.size, (chunk + 1) * kSumChunk);
  for (int64_t i = chunk * kSumChunk; i < end; i += DL_VLEN) {
    const int64_t n = min(DL_VLEN, end - i);
    vf sum = load_n(c.shared + i, n);
    for (int64_t p = 1; p < f.parts; ++p) sum += load_n(c.shared + p * f.size + i, n);
    store_n(c.out[0].f() + i, sum, n);
  }
}

// One strip of the images [image, image + n) as the product g.
void gather_images(const GradWeight& f, const Call& c, int64_t image, int64_t n, Strip t, int64_t group,
                   int64_t c0, int64_t channels, float* local, Gemm& g) {
  const ConvShape& s = f.s;
  const int64_t pixels = t.rows * s.ow;
  float *frame = local, *col = local + f.frame, *dy = col + f.col;
  g.k = n * pixels;
  for (int64_t i = 0; i < n; ++i) {
    const float* x = c.in[0].f() + ((image + i) * s.c + group * s.cg() + c0) * s.h * s.w;
    g.a = c.in[1].f() + ((image + i) * s.k + group * s.kg()) * s.pixels() + t.row * s.ow;
    if (f.col == 0) {
      g.b = x + t.row * s.ow;
      g.ldb = s.pixels();
      return;
    }
    im2col(s, t, frame_of(s, t, x, image + i + 1 == s.n, channels, frame), channels, col + i * pixels, f.ld);
    for (int64_t k = 0; k < s.kg() && n > 1; ++k)
      copy_row(dy + k * f.ld + i * pixels, g.a + k * s.pixels(), pixels);
  }
  g.b = col;
  g.ldb = f.ld;
  if (n > 1) g.a = dy;
  g.lda = n > 1 ? f.ld : s.pixels();
}

void run_grad_weight(const Call& c, int phase, int64_t chunk, float* local) {
  const GradWeight f(c);
  if (phase == 1) return sum_parts(c, f, chunk);
  const ConvShape& s = f.s;
  const int64_t c0 = chunk % f.blocks * f.block, channels = min(f.block, s.cg() - c0);
  const int64_t group = chunk / f.blocks % s.groups, part = chunk / f.blocks / s.groups;
  float* scratch = local + f.frame + f.col + f.dy;
  Gemm g = f.g;
  g.n = channels * s.taps();
  g.c += part * f.size + group * s.kg() * g.ldc + c0 * s.taps();
  const int64_t end = (part + 1) * s.n / f.parts;
  for (int64_t image = part * s.n / f.parts; image < end; image += f.batch)
    for (int64_t i = 0; i < f.strips; ++i) {
      gather_images(f, c, image, min(f.batch, end - image), strip_at(s, f.strips, i), group, c0, channels,
                    local, g);
      gemm(g, scratch);
      g.acc = true;
    }
  if (!g.acc) {  // no images
    g.k = 0;
    gemm(g, scratch);
  }
}

}  // namespace

extern const Kernel conv_im2col{&plan_forward, &run_forward};
extern const Kernel conv_im2col_grad_input{&plan_grad_input, &run_grad_input};
extern const Kernel conv_im2col_grad_weight{&plan_grad_weight, &run_grad_weight};

}  // namespace dl::DL_ISA
