// What is asked of whole tensors before an update: the norm of all gradients together, whether they are finite, and how the
// norms of a parameter and of its step compare.
#include "kernels/cpu/vec.h"
#include "kernels/loss_scale.h"
#include "kernels/update_rules.h"

namespace dl::DL_ISA {
namespace {

template <class A>
const A& attrs_of(const Call& c) {
  return *static_cast<const A*>(c.attrs);
}

// ---- Norm of all gradients together: pieces of kNormPiece elements, each summed to a double. ----

constexpr int64_t kNormPiece = 32768;
constexpr int64_t kStretch = 4096;

int64_t pieces_of(const Arg& a) { return (a.size() + kNormPiece - 1) / kNormPiece; }

// Pieces of the inputs [first, end).
int64_t pieces_between(const Call& c, int first, int end) {
  int64_t n = 0;
  for (int i = first; i < end; ++i) n += pieces_of(c.in[i]);
  return n;
}
int64_t all_pieces(const Call& c, int first) { return pieces_between(c, first, c.n_in); }
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

// ---- Norms of a parameter and of its step: pieces as above, those of the parameter first. ----

void plan_ratio(const Call& c, Work& w) {
  w.phases = 2;
  w.chunks[0] = pieces_between(c, 0, 2);
  w.shared = 2 * w.chunks[0];
}

// param step scale?
void run_ratio(const Call& c, int phase, int64_t chunk, float*) {
  double* partial = reinterpret_cast<double*>(c.shared);
  if (phase == 0) {
    const Piece p = piece_at(c, 0, chunk);
    partial[chunk] = sum_squares(p.x, p.n);
    return;
  }
  double sums[2] = {};
  const int64_t n = pieces_between(c, 0, 2), of_param = pieces_of(c.in[0]);
  for (int64_t k = 0; k < n; ++k) sums[k >= of_param] += partial[k];
  const float scale = c.n_in > 2 && c.in[2].present() ? c.in[2].f()[0] : 1;
  c.out[0].f()[0] = trust_ratio_of(attrs_of<TrustRatioAttrs>(c), sums[0], sums[1], scale);
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

extern const Kernel global_norm_scale{&plan_norm, &run_norm};
extern const Kernel trust_ratio{&plan_ratio, &run_ratio};
extern const Kernel loss_scale{&plan_loss_scale, &run_loss_scale};

}  // namespace dl::DL_ISA
