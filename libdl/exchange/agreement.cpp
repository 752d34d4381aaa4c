#include "exchange/agreement.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/random.h"
#include "base/str.h"

namespace dl {
namespace {

void fill(Tensor& t, const Standardization* known, Random& random) {
  switch (t.dtype()) {
    case DType::u8:
      for (uint8_t& v : t.data<uint8_t>()) v = static_cast<uint8_t>(random.below(256));
      return;
    case DType::bf16:
    case DType::f16:
      throw Error(Exit::internal, "no input has numbers of 16 bits");
    case DType::i32:
      for (int32_t& v : t.data<int32_t>()) v = static_cast<int32_t>(random.below(10));
      return;
    case DType::i64:
      for (int64_t& v : t.data<int64_t>()) v = random.below(10);
      return;
    case DType::f64:
      for (double& v : t.data<double>()) v = random.normal();
      return;
    case DType::f32:
      break;
  }
  const Shape& s = t.shape();
  const auto groups = known ? static_cast<int64_t>(known->mean.size()) : 0;
  const bool fits = groups > 0 && s.rank() >= 2 && (groups == 1 || groups == s[1]);
  const int64_t run = s.rank() >= 2 ? s.elements(2, s.rank()) : 1;
  int64_t i = 0;
  for (float& v : t.data<float>()) {
    const auto group = static_cast<size_t>(fits && groups > 1 ? i / run % groups : 0);
    const double mean = fits ? known->mean[group] : 0, std = fits ? known->std[group] : 1;
    v = static_cast<float>(mean + std * random.normal());
    ++i;
  }
}

struct Row {
  const double* v;
  int64_t n;
};

int64_t highest(const Row& r) { return std::max_element(r.v, r.v + r.n) - r.v; }

// Rows of scores are those of an (N, classes) output.
void compare_labels(const Numbers& got, const Numbers& want, double allowed, Agreement& a) {
  if (want.shape.size() != 2 || want.shape[1] < 2) return;
  const int64_t n = want.shape[1];
  for (int64_t r = 0; r < want.shape[0]; ++r) {
    const Row mine{got.v.data() + r * n, n}, theirs{want.v.data() + r * n, n};
    const int64_t a0 = highest(mine), b0 = highest(theirs);
    ++a.labels;
    a.wrong += a0 != b0 && theirs.v[b0] - theirs.v[a0] > 2 * allowed;
  }
}

}  // namespace

void compare(const Numbers& got, const Numbers& want, const Tolerance& t, Agreement& a) {
  if (!std::equal(got.shape.begin(), got.shape.end(), want.shape.begin(), want.shape.end()) ||
      got.v.size() != want.v.size()) {
    a.worst = std::numeric_limits<double>::infinity();
    return;
  }
  for (double v : want.v)
    if (std::isfinite(v)) a.scale = std::fmax(a.scale, std::fabs(v));
  for (size_t i = 0; i < want.v.size(); ++i) {
    const double x = got.v[i], y = want.v[i];
    if (x == y || (std::isnan(x) && std::isnan(y))) continue;
    const double d = std::fabs(x - y);
    a.worst = std::fmax(a.worst, std::isnan(d) ? std::numeric_limits<double>::infinity() : d);
  }
  a.samples += want.shape.empty() ? 1 : want.shape[0];
  compare_labels(got, want, t.atol + t.rtol * a.scale, a);
}

NetworkInputs random_inputs(const Graph& graph, const std::map<std::string, Standardization>& known,
                            uint64_t seed) {
  NetworkInputs out;
  for (const Value& leaf : graph.values) {
    if (leaf.kind != ValueKind::input) continue;
    Random random(seed, stream_id("verify"), stream_id(leaf.name));
    const auto found = known.find(leaf.name);
    fill(out.emplace(leaf.name, Tensor(leaf.type)).first->second,
         found == known.end() ? nullptr : &found->second, random);
  }
  return out;
}

void require_agreement(const std::vector<Agreement>& found, const Tolerance& t, const std::string& what) {
  std::vector<std::string> apart;
  for (const Agreement& a : found) {
    if (a.within(t)) continue;
    apart.push_back(str("output '", a.output, "' differs by ", a.worst, ", allowed are ",
                        t.atol + t.rtol * a.scale, "; ", a.wrong, " of ", a.labels, " labels differ"));
  }
  if (!apart.empty())
    throw Error(Exit::numeric, str(what, " does not compute what the network does: ", join(apart, "; ")));
}

}  // namespace dl
