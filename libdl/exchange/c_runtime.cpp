// The functions of written C sources that work on images and matrices. '@' stands for the prefix of the network; a line that
// begins with "8|" is for weights of 8 bits, one with "f|" for floats.
#include "exchange/c_runtime.h"

namespace dl {
namespace {

constexpr CFunction kFunctions[] = {
    {"block", R"(
/* Eight floats side by side, for as many outputs, in parts that the processor computes with at once. */
f|typedef float @weight;
8|typedef signed char @weight;
#if defined(__GNUC__) && defined(__AVX__)
typedef float @part __attribute__((vector_size(32)));
typedef struct { @part a; } @lanes;
#elif defined(__GNUC__)
typedef float @part __attribute__((vector_size(16)));
typedef struct { @part a, b; } @lanes;
#else
typedef struct { float v[8]; } @lanes;
#endif

static inline void @load(@lanes *k, const @weight *w) {
f|  memcpy(k, w, sizeof *k);
8|#if defined(__GNUC__) && defined(__AVX__)
8|  k->a = (@part){w[0], w[1], w[2], w[3], w[4], w[5], w[6], w[7]};
8|#elif defined(__GNUC__)
8|  k->a = (@part){w[0], w[1], w[2], w[3]};
8|  k->b = (@part){w[4], w[5], w[6], w[7]};
8|#else
8|  for (size_t l = 0; l < 8; ++l) k->v[l] = (float)w[l];
8|#endif
}

/* sum += x k */
static inline void @add_product(@lanes *sum, float x, const @lanes *k) {
#if defined(__GNUC__) && defined(__AVX__)
  sum->a += x * k->a;
#elif defined(__GNUC__)
  sum->a += x * k->a;
  sum->b += x * k->b;
#else
  for (size_t l = 0; l < 8; ++l) sum->v[l] += x * k->v[l];
#endif
}
)"},

    {"dense", R"(
/* y[r][o] = bias[o] + sum over i of w[o][i] x[r][i]. w stands in blocks of eight outputs: (blocks, inputs, 8). Four partial sums
   do not wait for each other. */
static void @dense(size_t rows, size_t inputs, size_t outputs, const float *restrict x, const @weight *restrict w,
8|                   const float *restrict scale,
                   const float *restrict bias, float *restrict y) {
  for (size_t r = 0; r < rows; ++r, x += inputs, y += outputs) {
    const @weight *k = w;
    for (size_t o = 0; o < outputs; o += 8) {
      @lanes s0, s1, s2, s3, k0, k1, k2, k3;
      float sum[4][8];
      size_t i = 0;
      memset(&s0, 0, sizeof s0), s1 = s0, s2 = s0, s3 = s0;
      for (; i + 4 <= inputs; i += 4, k += 32) {
        @load(&k0, k), @load(&k1, k + 8), @load(&k2, k + 16), @load(&k3, k + 24);
        @add_product(&s0, x[i], &k0);
        @add_product(&s1, x[i + 1], &k1);
        @add_product(&s2, x[i + 2], &k2);
        @add_product(&s3, x[i + 3], &k3);
      }
      for (size_t rest = inputs % 4; rest > 0; --rest, ++i, k += 8) {
        @load(&k0, k);
        @add_product(&s0, x[i], &k0);
      }
      memcpy(sum[0], &s0, sizeof s0), memcpy(sum[1], &s1, sizeof s1);
      memcpy(sum[2], &s2, sizeof s2), memcpy(sum[3], &s3, sizeof s3);
      for (size_t l = 0; l < 8 && o + l < outputs; ++l) {
f|        const float v = (sum[0][l] + sum[1][l]) + (sum[2][l] + sum[3][l]);
8|        const float v = ((sum[0][l] + sum[1][l]) + (sum[2][l] + sum[3][l])) * scale[o + l];
        y[o + l] = bias ? v + bias[o + l] : v;
      }
    }
  }
}
)",
     "block"},

    {"window", R"(
struct @window {
  size_t channels, height, width;         /* of the image that is read, with its border */
  size_t filters, out_height, out_width;  /* of the result */
  size_t kernel_height, kernel_width, stride_y, stride_x, dilation_y, dilation_x;
  size_t top, left;                       /* border that the image does not hold, or that is cut off the result */
  size_t groups;                          /* of channels that do not see each other */
};
)"},

    {"border", R"(
/* An image in the middle of a larger one, with zeros around. */
static void @border(size_t channels, size_t height, size_t width, size_t top, size_t left, size_t out_height,
                    size_t out_width, const float *restrict x, float *restrict y) {
  memset(y, 0, channels * out_height * out_width * sizeof *y);
  for (size_t c = 0; c < channels; ++c)
    for (size_t i = 0; i < height; ++i)
      memcpy(y + (c * out_height + top + i) * out_width + left, x + (c * height + i) * width, width * sizeof *y);
}
)"},

    {"conv2d", R"(
/* Cross-correlation: y[f][p] = bias[f] + sum over c, i, j of w[f][c][i][j] x[c][...]. w stands in blocks of eight filters of a
   group: (groups, blocks, channels / groups, kernel height, kernel width, 8). Six pixels are computed at a time. */
static void @conv2d(const struct @window *s, const float *restrict x, const @weight *restrict w,
8|                    const float *restrict scale,
                    const float *restrict bias, float *restrict y) {
  const size_t channels = s->channels / s->groups, filters = s->filters / s->groups;
  const size_t plane = s->height * s->width, pixels = s->out_height * s->out_width;
  const size_t down = s->dilation_y * s->width, right = s->dilation_x;
  const size_t block = channels * s->kernel_height * s->kernel_width * 8;
  for (size_t g = 0; g < s->groups; ++g, x += channels * plane)
    for (size_t f = 0; f < filters; f += 8, w += block)
      for (size_t p = 0; p < pixels; p += 6) {
        @lanes s0, s1, s2, s3, s4, s5, k;
        float sum[6][8];
        const float *at[6]; /* the first tap of each pixel; beyond the last one that one's again */
        const @weight *next = w;
        for (size_t t = 0; t < 6; ++t) {
          const size_t q = p + t < pixels ? p + t : pixels - 1;
          at[t] = x + q / s->out_width * s->stride_y * s->width + q % s->out_width * s->stride_x;
        }
        memset(&s0, 0, sizeof s0), s1 = s0, s2 = s0, s3 = s0, s4 = s0, s5 = s0;
        for (size_t c = 0; c < channels; ++c)
          for (size_t i = 0; i < s->kernel_height; ++i) {
            const size_t first = c * plane + i * down;
            const float *x0 = at[0] + first, *x1 = at[1] + first, *x2 = at[2] + first;
            const float *x3 = at[3] + first, *x4 = at[4] + first, *x5 = at[5] + first;
            for (size_t j = 0; j < s->kernel_width; ++j, next += 8) {
              const size_t tap = j * right;
              @load(&k, next);
              @add_product(&s0, x0[tap], &k);
              @add_product(&s1, x1[tap], &k);
              @add_product(&s2, x2[tap], &k);
              @add_product(&s3, x3[tap], &k);
              @add_product(&s4, x4[tap], &k);
              @add_product(&s5, x5[tap], &k);
            }
          }
        memcpy(sum[0], &s0, sizeof s0), memcpy(sum[1], &s1, sizeof s1), memcpy(sum[2], &s2, sizeof s2);
        memcpy(sum[3], &s3, sizeof s3), memcpy(sum[4], &s4, sizeof s4), memcpy(sum[5], &s5, sizeof s5);
        for (size_t l = 0; l < 8 && f + l < filters; ++l)
          for (size_t t = 0; t < 6 && p + t < pixels; ++t) {
            const size_t o = g * filters + f + l;
f|            const float v = sum[t][l];
8|            const float v = sum[t][l] * scale[o];
            y[o * pixels + p + t] = bias ? v + bias[o] : v;
          }
      }
}
)",
     "block window"},

    {"depthwise", R"(
/* Convolution in which every filter sees one channel: w (filters, kernel height, kernel width). A row of the result at a time. */
static void @depthwise(const struct @window *s, const float *restrict x, const @weight *restrict w,
8|                       const float *restrict scale,
                       const float *restrict bias, float *restrict y) {
  const size_t per_channel = s->filters / s->channels;
  for (size_t f = 0; f < s->filters; ++f, w += s->kernel_height * s->kernel_width) {
    const float *image = x + f / per_channel * s->height * s->width;
    for (size_t oy = 0; oy < s->out_height; ++oy, y += s->out_width) {
      for (size_t ox = 0; ox < s->out_width; ++ox) y[ox] = bias ? bias[f] : 0;
      for (size_t i = 0; i < s->kernel_height; ++i)
        for (size_t j = 0; j < s->kernel_width; ++j) {
          const float *row = image + (oy * s->stride_y + i * s->dilation_y) * s->width + j * s->dilation_x;
f|          const float k = w[i * s->kernel_width + j];
8|          const float k = (float)w[i * s->kernel_width + j] * scale[f];
          if (s->stride_x == 1)
            for (size_t ox = 0; ox < s->out_width; ++ox) y[ox] += k * row[ox];
          else
            for (size_t ox = 0; ox < s->out_width; ++ox) y[ox] += k * row[ox * s->stride_x];
        }
    }
  }
}
)",
     "block window"},

    {"conv_transpose2d", R"(
/* Every pixel spreads over a window of the result: w (channels, filters / groups, kernel height, kernel width). */
static void @conv_transpose2d(const struct @window *s, const float *restrict x, const @weight *restrict w,
8|                              const float *restrict scale,
                              const float *restrict bias, float *restrict y) {
  const size_t channels = s->channels / s->groups, filters = s->filters / s->groups;
  const size_t plane = s->height * s->width, pixels = s->out_height * s->out_width;
  for (size_t o = 0; o < s->filters; ++o)
    for (size_t p = 0; p < pixels; ++p) y[o * pixels + p] = bias ? bias[o] : 0;
  for (size_t c = 0; c < s->channels; ++c)
    for (size_t f = 0; f < filters; ++f) {
      const size_t o = c / channels * filters + f;
      for (size_t i = 0; i < s->kernel_height; ++i)
        for (size_t j = 0; j < s->kernel_width; ++j, ++w)
          for (size_t iy = 0; iy < s->height; ++iy) {
            const size_t oy = iy * s->stride_y + i * s->dilation_y - s->top; /* wraps where it is cut off */
            const float *row = x + c * plane + iy * s->width;
f|            const float k = *w;
8|            const float k = (float)*w * scale[o];
            if (oy >= s->out_height) continue;
            for (size_t ix = 0; ix < s->width; ++ix) {
              const size_t ox = ix * s->stride_x + j * s->dilation_x - s->left;
              if (ox < s->out_width) y[o * pixels + oy * s->out_width + ox] += k * row[ix];
            }
          }
    }
}
)",
     "block window"},

    {"max_pool2d", R"(
/* Largest value of each window; NaN wins. */
static void @max_pool2d(const struct @window *s, const float *restrict x, float *restrict y) {
  for (size_t c = 0; c < s->channels; ++c, x += s->height * s->width)
    for (size_t oy = 0; oy < s->out_height; ++oy)
      for (size_t ox = 0; ox < s->out_width; ++ox) {
        float best = -HUGE_VALF;
        for (size_t i = 0; i < s->kernel_height; ++i)
          for (size_t j = 0; j < s->kernel_width; ++j) {
            const size_t iy = oy * s->stride_y + i - s->top, ix = ox * s->stride_x + j - s->left; /* may wrap */
            if (iy >= s->height || ix >= s->width) continue;
            if (x[iy * s->width + ix] > best || x[iy * s->width + ix] != x[iy * s->width + ix])
              best = x[iy * s->width + ix];
          }
        *y++ = best;
      }
}
)",
     "window"},

    {"avg_pool2d", R"(
/* Mean of each window. `bottom` and `right`: border that the mean counts, with `counted`; else it counts pixels alone. */
static void @avg_pool2d(const struct @window *s, size_t bottom, size_t right, int counted, const float *restrict x,
                        float *restrict y) {
  for (size_t c = 0; c < s->channels; ++c, x += s->height * s->width)
    for (size_t oy = 0; oy < s->out_height; ++oy)
      for (size_t ox = 0; ox < s->out_width; ++ox) {
        float sum = 0, count = 0;
        for (size_t i = 0; i < s->kernel_height; ++i)
          for (size_t j = 0; j < s->kernel_width; ++j) {
            const size_t py = oy * s->stride_y + i, px = ox * s->stride_x + j; /* in the image with its border */
            const size_t iy = py - s->top, ix = px - s->left;                  /* wraps outside */
            const int inside = iy < s->height && ix < s->width;
            if (inside) sum += x[iy * s->width + ix];
            if (inside || (counted && py < s->top + s->height + bottom && px < s->left + s->width + right)) ++count;
          }
        *y++ = sum / count;
      }
}
)",
     "window"},

    {"nearest", R"(
/* Every pixel as scale_y x scale_x pixels. */
static void @nearest(size_t channels, size_t height, size_t width, size_t scale_y, size_t scale_x,
                     const float *restrict x, float *restrict y) {
  for (size_t c = 0; c < channels; ++c, x += height * width)
    for (size_t i = 0; i < height * scale_y; ++i)
      for (size_t j = 0; j < width * scale_x; ++j) *y++ = x[i / scale_y * width + j / scale_x];
}
)"},

    {"bilinear", R"(
/* Output o stands at (o + 1/2) / scale - 1/2, between the two nearest pixels; those at the border repeat outwards. */
static void @bilinear(size_t channels, size_t height, size_t width, size_t scale_y, size_t scale_x,
                      const float *restrict x, float *restrict y) {
  for (size_t c = 0; c < channels; ++c, x += height * width)
    for (size_t i = 0; i < height * scale_y; ++i) {
      const size_t ty = 2 * i + 1 > scale_y ? 2 * i + 1 - scale_y : 0, y0 = ty / (2 * scale_y);
      const size_t y1 = y0 + 1 < height ? y0 + 1 : y0;
      const float v = (float)(ty % (2 * scale_y)) / (float)(2 * scale_y);
      for (size_t j = 0; j < width * scale_x; ++j) {
        const size_t tx = 2 * j + 1 > scale_x ? 2 * j + 1 - scale_x : 0, x0 = tx / (2 * scale_x);
        const size_t x1 = x0 + 1 < width ? x0 + 1 : x0;
        const float h = (float)(tx % (2 * scale_x)) / (float)(2 * scale_x);
        const float upper = x[y0 * width + x0] * (1 - h) + x[y0 * width + x1] * h;
        const float lower = x[y1 * width + x0] * (1 - h) + x[y1 * width + x1] * h;
        *y++ = upper * (1 - v) + lower * v;
      }
    }
}
)"},

    {"matmul", R"(
/* y (m, n) = a (m, k) b (k, n), each element `row` and `column` steps from its neighbours. */
static void @matmul(size_t m, size_t k, size_t n, const float *restrict a, size_t a_row, size_t a_column,
                    const float *restrict b, size_t b_row, size_t b_column, float *restrict y) {
  memset(y, 0, m * n * sizeof *y);
  for (size_t i = 0; i < m; ++i, y += n)
    for (size_t l = 0; l < k; ++l) {
      const float v = a[i * a_row + l * a_column], *row = b + l * b_row;
      for (size_t j = 0; j < n; ++j) y[j] += v * row[j * b_column];
    }
}
)"},
};

}  // namespace

std::span<const CFunction> c_window_functions() { return kFunctions; }

}  // namespace dl
