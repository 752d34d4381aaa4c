// Optimiser updates: one pass over a parameter, its gradient and its state. Outputs may be the inputs'
// memory. With a scale of 0 they are the inputs as they were.
#include "kernels/cpu/math.h"
#include "kernels/loss_scale.h"

namespace dl::DL_ISA {
namespace {

constexpr int64_t kChunk = 16384;

void plan(const Call& c, Work& w) { w.chunks[0] = (c.out[0].size() + kChunk - 1) / kChunk; }

float number_at(const Call& c, int i, float otherwise) {
  return c.n_in > i && c.in[i].present() ? c.in[i].f()[0] : otherwise;
}

// One position of a tensor: a whole vector, or the first n lanes of it.
struct Place {
  int64_t at, n;
  DL_INLINE vf get(const Arg& a) const { return n == DL_VLEN ? load(a.f() + at) : load_n(a.f() + at, n); }
  DL_INLINE void put(const Arg& a, vf v) const {
    if (n == DL_VLEN)
      store(a.f() + at, v);
    else
      store_n(a.f() + at, v, n);
  }
};

// What all updates share. lr is that of the step, lr_scale included.
struct Common {
  float lr, scale, decay, keep, l1, clip;
  Common(const Call& c, const UpdateAttrs& a, int lr_input, int scale_input) {
    const double rate = static_cast<double>(c.in[lr_input].f()[0]) * a.lr_scale;
    lr = static_cast<float>(rate);
    scale = number_at(c, scale_input, 1);
    decay = a.decoupled ? 0 : static_cast<float>(a.weight_decay);
    keep = a.decoupled ? static_cast<float>(1 - rate * a.weight_decay) : 1;
    l1 = static_cast<float>(a.l1);
    clip = static_cast<float>(a.clip_value);
  }
  DL_INLINE vf gradient(vf p, vf g) const {
    g = scale * g;
    if (clip > 0) g = vmin(splat(clip), vmax(splat(-clip), g));
    if (decay != 0) g = fma(splat(decay), p, g);
    if (l1 != 0) g += select(p > 0.f, splat(l1), select(p < 0.f, splat(-l1), vf{}));
    return g;
  }
};

template <class F>
DL_INLINE void each_place(const Call& c, int64_t chunk, F f) {
  const int64_t n = c.out[0].size(), end = (chunk + 1) * kChunk < n ? (chunk + 1) * kChunk : n;
  int64_t i = chunk * kChunk;
  for (; i + DL_VLEN <= end; i += DL_VLEN) f(Place{i, DL_VLEN});
  if (i < end) f(Place{i, end - i});
}

// A step that is left out, for a scale of 0: the gradient is not looked at, it may be NaN. `from`: the input of every
// output. False for other scales.
bool keep_all(const Call& c, int64_t chunk, float scale, const int (&from)[4]) {
  if (scale != 0) return false;
  each_place(c, chunk, [&](Place k) {
    for (int i = 0; i < c.n_out; ++i) k.put(c.out[i], k.get(c.in[from[i]]));
  });
  return true;
}

template <class A>
const A& attrs_of(const Call& c) {
  return *static_cast<const A*>(c.attrs);
}

// param grad lr scale?
void run_sgd(const Call& c, int, int64_t chunk, float*) {
  const Common u(c, attrs_of<SgdAttrs>(c), 2, 3);
  if (keep_all(c, chunk, u.scale, {0})) return;
  each_place(
      c, chunk, [&](Place k) __attribute__((always_inline)) {
        const vf p = k.get(c.in[0]), g = u.gradient(p, k.get(c.in[1]));
        k.put(c.out[0], fma(splat(-u.lr), g, u.keep * p));
      });
}

// param grad velocity lr scale?
void run_momentum(const Call& c, int, int64_t chunk, float*) {
  const auto& a = attrs_of<MomentumAttrs>(c);
  const Common u(c, a, 3, 4);
  if (keep_all(c, chunk, u.scale, {0, 2})) return;
  const vf mu = splat(static_cast<float>(a.momentum)), fresh = splat(static_cast<float>(1 - a.dampening));
  each_place(
      c, chunk, [&](Place k) __attribute__((always_inline)) {
        const vf p = k.get(c.in[0]), g = u.gradient(p, k.get(c.in[1]));
        const vf v = fma(mu, k.get(c.in[2]), fresh * g);
        k.put(c.out[1], v);
        k.put(c.out[0], fma(splat(-u.lr), a.nesterov ? fma(mu, v, g) : v, u.keep * p));
      });
}

// param grad sum lr scale?
void run_adagrad(const Call& c, int, int64_t chunk, float*) {
  const auto& a = attrs_of<AdagradAttrs>(c);
  const Common u(c, a, 3, 4);
  if (keep_all(c, chunk, u.scale, {0, 2})) return;
  const float eps = static_cast<float>(a.epsilon);
  each_place(
      c, chunk, [&](Place k) __attribute__((always_inline)) {
        const vf p = k.get(c.in[0]), g = u.gradient(p, k.get(c.in[1]));
        const vf sum = fma(g, g, k.get(c.in[2]));
        k.put(c.out[1], sum);
        k.put(c.out[0], fma(splat(-u.lr), g / (vsqrt(sum) + eps), u.keep * p));
      });
}

// param grad square lr scale? velocity? mean?
void run_rmsprop(const Call& c, int, int64_t chunk, float*) {
  const auto& a = attrs_of<RmspropAttrs>(c);
  const Common u(c, a, 3, 4);
  if (keep_all(c, chunk, u.scale, {0, 2, 5, 6})) return;
  const bool with_velocity = c.n_out > 2, centered = c.n_out > 3;
  const vf alpha = splat(static_cast<float>(a.alpha)), rest = splat(static_cast<float>(1 - a.alpha));
  const float eps = static_cast<float>(a.epsilon), mu = static_cast<float>(a.momentum);
  each_place(
      c, chunk, [&](Place k) __attribute__((always_inline)) {
        const vf p = k.get(c.in[0]), g = u.gradient(p, k.get(c.in[1]));
        const vf square = fma(alpha, k.get(c.in[2]), rest * g * g);
        k.put(c.out[1], square);
        vf variance = square;
        if (centered) {
          const vf mean = fma(alpha, k.get(c.in[6]), rest * g);
          k.put(c.out[3], mean);
          variance = vmax(vf{}, square - mean * mean);
        }
        vf step = g / (vsqrt(variance) + eps);
        if (with_velocity) {
          step = fma(splat(mu), k.get(c.in[5]), step);
          k.put(c.out[2], step);
        }
        k.put(c.out[0], fma(splat(-u.lr), step, u.keep * p));
      });
}

double power(double x, int64_t n) {
  double y = 1;
  for (; n > 0; n >>= 1, x *= x)
    if (n & 1) y *= x;
  return y;
}

// param grad m v lr step scale?
void run_adam(const Call& c, int, int64_t chunk, float*) {
  const auto& a = attrs_of<AdamAttrs>(c);
  const Common u(c, a, 4, 6);
  if (keep_all(c, chunk, u.scale, {0, 2, 3})) return;
  const int64_t t = static_cast<const int64_t*>(c.in[5].data)[0];
  const double rate = static_cast<double>(c.in[4].f()[0]) * a.lr_scale;
  const vf step = splat(static_cast<float>(-rate / (1 - power(a.beta1, t))));
  const float unbias = static_cast<float>(1 / (1 - power(a.beta2, t))), eps = static_cast<float>(a.epsilon);
  const vf b1 = splat(static_cast<float>(a.beta1)), r1 = splat(static_cast<float>(1 - a.beta1));
  const vf b2 = splat(static_cast<float>(a.beta2)), r2 = splat(static_cast<float>(1 - a.beta2));
  each_place(
      c, chunk, [&](Place k) __attribute__((always_inline)) {
        const vf p = k.get(c.in[0]), g = u.gradient(p, k.get(c.in[1]));
        const vf m = fma(b1, k.get(c.in[2]), r1 * g), v = fma(b2, k.get(c.in[3]), r2 * g * g);
        k.put(c.out[1], m);
        k.put(c.out[2], v);
        k.put(c.out[0], fma(step, m / (vsqrt(v * unbias) + eps), u.keep * p));
      });
}

// ---- Norm of all gradients together: pieces of kNormPiece elements, each summed to a double. ----

constexpr int64_t kNormPiece = 32768;
constexpr int64_t kStretch = 4096;

int64_t pieces_of(const Arg& a) { return (a.size() + kNormPiece - 1) / kNormPiece; }

// Pieces of the inputs from `first` on.
int64_t all_pieces(const Call& c, int first) {
  int64_t n = 0;
  for (int i = first; i < c.n_in; ++i) n += pieces_of(c.in[i]);
  return n;
}
struct Piece {
  const float* x;
  int64_t n;
};
Piece piece_at(const Call& c, int first, int64_t piece) {
  int i = first;
  for (; piece >= pieces_of(c.in[i]); ++i) piece -= pieces_of(c.in[i]);
  const int64_t from = piece * kNormPiece, left = c.in[i].size() - from;
  return {c.in[i].f() + from, left < kNormPiece ? left : kNormPiece};
}

void plan_norm(const Call& c, Work& w) {
  w.phases = 2;
  w.chunks[0] = all_pieces(c, 0);
  w.shared = 2 * all_pieces(c, 0);
}

double sum_squares(const float* x, int64_t n) {
  double total = 0;
  for (int64_t i = 0; i < n; i += kStretch) {
    const int64_t end = i + kStretch < n ? i + kStretch : n;
    vf s[2] = {};
    int64_t j = i;
    for (; j + 2 * DL_VLEN <= end; j += 2 * DL_VLEN) {
      const vf a = load(x + j), b = load(x + j + DL_VLEN);
      s[0] = fma(a, a, s[0]);
      s[1] = fma(b, b, s[1]);
    }
    for (; j < end; ++j) total += static_cast<double>(x[j]) * x[j];
    total += hsum(s[0] + s[1]);
  }
  return total;
}

void run_norm(const Call& c, int phase, int64_t chunk, float*) {
  double* partial = reinterpret_cast<double*>(c.shared);
  if (phase == 1) {
    double sum = 0;
    for (int64_t k = 0; k < all_pieces(c, 0); ++k) sum += partial[k];
    const double norm = __builtin_sqrt(sum),
                 scale = attrs_of<GlobalNormScaleAttrs>(c).max_norm / (norm + 1e-6);
    c.out[0].f()[0] = static_cast<float>(scale < 1 ? scale : 1);
    c.out[1].f()[0] = static_cast<float>(norm);
    return;
  }
  const Piece p = piece_at(c, 0, chunk);
  partial[chunk] = sum_squares(p.x, p.n);
}

// ---- Scale of the loss: whether all gradients are finite, in pieces as above. ----

void plan_loss_scale(const Call& c, Work& w) {
  w.phases = 2;
  w.chunks[0] = w.shared = all_pieces(c, 2);
}

bool all_finite(const float* x, int64_t n) {
  constexpr int32_t kInfinity = 0x7f800000;
  vi bad[2] = {};
  bool finite = true;
  int64_t j = 0;
  for (; j + 2 * DL_VLEN <= n; j += 2 * DL_VLEN) {
    bad[0] |= (as_int(load(x + j)) & kInfinity) == kInfinity;
    bad[1] |= (as_int(load(x + j + DL_VLEN)) & kInfinity) == kInfinity;
  }
  for (; j < n; ++j) finite = finite && __builtin_fabsf(x[j]) < __builtin_inff();
  for (int l = 0; l < DL_VLEN; ++l) finite = finite && (bad[0][l] | bad[1][l]) == 0;
  return finite;
}

// scale good grads... -> factor next_scale next_good
void run_loss_scale(const Call& c, int phase, int64_t chunk, float*) {
  if (phase == 0) {
    const Piece p = piece_at(c, 2, chunk);
    c.shared[chunk] = all_finite(p.x, p.n) ? 1 : 0;
    return;
  }
  bool finite = true;
  for (int64_t k = 0; k < all_pieces(c, 2); ++k) finite = finite && c.shared[k] == 1;
  const LossScale s(attrs_of<LossScaleAttrs>(c), c.in[0].f()[0], static_cast<const int64_t*>(c.in[1].data)[0],
                    finite);
  c.out[0].f()[0] = s.factor;
  c.out[1].f()[0] = s.next;
  static_cast<int64_t*>(c.out[2].data)[0] = s.next_good;
}

}  // namespace

extern const Kernel sgd{&plan, &run_sgd};
extern const Kernel momentum{&plan, &run_momentum};
extern const Kernel adagrad{&plan, &run_adagrad};
extern const Kernel rmsprop{&plan, &run_rmsprop};
extern const Kernel adam{&plan, &run_adam};
extern const Kernel global_norm_scale{&plan_norm, &run_norm};
extern const Kernel loss_scale{&plan_loss_scale, &run_loss_scale};

}  // namespace dl::DL_ISA
