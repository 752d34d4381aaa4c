#include "ops/harness.h"

#include <cmath>
#include <cstdlib>
#include <numeric>

#include "base/random.h"

namespace dl::test {
namespace {

constexpr int64_t kSizes[] = {0, 1, 3,  4,  5,  7,
                              8, 9, 15, 16, 17, 40001};  // around every vector length, several chunks

std::map<std::string, ReferenceFn, std::less<>>& references() {
  static std::map<std::string, ReferenceFn, std::less<>> all;
  return all;
}
std::vector<Row>& all_rows() {
  static std::vector<Row> all;
  return all;
}

struct Operand {
  TensorType type;
  std::string fill;
};

Operand parse_operand(const std::string& text) {
  const size_t open = text.find('['), close = text.find(']');
  Operand o;
  if (open == std::string::npos || close == std::string::npos ||
      !parse_dtype(text.substr(0, open), o.type.dtype))
    throw Error(Exit::internal, str("operand '", text, "' is not like f32[2,3] -1..1"));
  for (const std::string& d : split(std::string_view(text).substr(open + 1, close - open - 1), ','))
    if (!d.empty()) o.type.shape.push_back(std::stoll(d));
  o.fill = trim(std::string_view(text).substr(close + 1));
  return o;
}

double draw(Random& random, bool integer, double lo, double hi, const std::vector<double>& avoid) {
  if (integer) return lo + static_cast<double>(random.below(static_cast<int64_t>(hi - lo) + 1));
  for (;;) {
    const double v = static_cast<float>(random.uniform(lo, hi));
    bool clear = true;
    for (double a : avoid) clear = clear && std::fabs(v - a) > 0.02;
    if (clear) return v;
  }
}

std::vector<double> make_values(const Operand& o, Random& random, const std::vector<double>& avoid) {
  std::vector<double> v(static_cast<size_t>(o.type.elements()));
  const bool integer = o.type.dtype != DType::f32 && o.type.dtype != DType::f64;
  if (o.fill.starts_with('=')) {
    std::fill(v.begin(), v.end(), std::stod(o.fill.substr(1)));
  } else if (o.fill == "distinct") {
    std::iota(v.begin(), v.end(), 0.0);
    for (size_t i = v.size(); i > 1; --i)
      std::swap(v[i - 1], v[static_cast<size_t>(random.below(static_cast<int64_t>(i)))]);
    for (double& d : v) d = static_cast<float>((d + 0.5) * 4 / static_cast<double>(v.size()) - 2);
  } else {
    const size_t dots = o.fill.find("..");
    const double lo = dots == std::string::npos ? (integer ? 0 : -2) : std::stod(o.fill.substr(0, dots));
    const double hi = dots == std::string::npos ? (integer ? 9 : 2) : std::stod(o.fill.substr(dots + 2));
    for (double& d : v) d = draw(random, integer, lo, hi, avoid);
  }
  return v;
}

template <class F>
void with_type(DType t, F f) {
  switch (t) {
    case DType::f32:
      return f(float{});
    case DType::f64:
      return f(double{});
    case DType::i32:
      return f(int32_t{});
    case DType::i64:
      return f(int64_t{});
    case DType::u8:
      return f(uint8_t{});
    case DType::bf16:
    case DType::f16:
      throw Error(Exit::internal, "no operands of 16 bits here");
  }
}

Tensor to_tensor(const TensorType& type, const std::vector<double>& v) {
  Tensor t(type);
  with_type(type.dtype, [&](auto zero) {
    auto out = t.data<decltype(zero)>();
    for (size_t i = 0; i < out.size(); ++i) out[i] = static_cast<decltype(zero)>(v[i]);
  });
  return t;
}

}  // namespace

AddReference::AddReference(std::string_view op, ReferenceFn fn) { references()[std::string(op)] = fn; }

AddRows::AddRows(std::vector<Row> added) {
  for (Row& row : added) {
    bool sized = false;
    for (const std::string& s : row.in) sized = sized || s.find('N') != std::string::npos;
    if (!sized) {
      all_rows().push_back(std::move(row));
      continue;
    }
    for (int64_t n : kSizes) {
      Row one = row;
      for (std::string& s : one.in)
        for (size_t at; (at = s.find('N')) != std::string::npos;) s.replace(at, 1, std::to_string(n));
      all_rows().push_back(std::move(one));
    }
  }
}

const std::vector<Row>& rows() {
  static const std::vector<Row> chosen = [] {
    const char* only = std::getenv("DL_OP");
    std::vector<Row> out;
    for (const Row& row : all_rows())
      if (!only || row.op == only) out.push_back(row);
    return out;
  }();
  return chosen;
}

ReferenceFn reference_of(std::string_view op) {
  const auto it = references().find(op);
  return it == references().end() ? nullptr : it->second;
}

std::string Row::text() const { return str(op, '(', join(in, "; "), ") ", attrs); }

bool wants_grad(const Row& row) {
  const OpDef* op = find_op(row.op);
  return op && op->grad && row.opt.grad && row.opt.error.empty();
}

Built build(const Row& row, bool with_grad, int only) {
  const OpDef* op = find_op(row.op);
  if (!op) throw Error(Exit::internal, str("row of '", row.op, "', which is no operator"));
  Built b;
  Graph& g = b.graph;
  for (size_t i = 0; i < row.in.size(); ++i)
    b.in.push_back(
        row.in[i].empty() ? kNone : g.add_leaf(ValueKind::input, str('x', i), parse_operand(row.in[i]).type));
  g.add_node(*op, b.in, op->attrs->parse(json::parse(row.attrs), "", {}), row.op, "/case");
  if (!with_grad) return b;
  const Node node = g.nodes[b.node];  // a copy: emitting nodes moves the original
  b.dy.assign(node.out.size(), kNone);
  for (int o : row.opt.grad_out) {
    const ValueId y = node.out[static_cast<size_t>(o)];
    b.dy[static_cast<size_t>(o)] = g.add_leaf(ValueKind::input, str("dy", o), g.type(y));
  }
  std::vector<bool> wanted;
  for (size_t i = 0; i < b.in.size(); ++i)
    wanted.push_back(b.in[i] != kNone && g.type(b.in[i]).dtype == DType::f32 &&
                     (only < 0 || static_cast<size_t>(only) == i));
  GradCtx ctx{g, node, b.dy, std::vector<ValueId>(b.in.size(), kNone), wanted};
  op->grad(ctx);
  b.dx = ctx.dx;
  return b;
}

Feeds make_feeds(const Row& row, const Built& b) {
  Feeds feeds;
  Random random(kSeed, stream_id(row.text()));
  for (size_t i = 0; i < b.in.size(); ++i)
    if (b.in[i] != kNone) {
      const Operand o = parse_operand(row.in[i]);
      feeds[b.in[i]] = to_tensor(o.type, make_values(o, random, row.opt.avoid));
    }
  for (ValueId v : b.dy)
    if (v != kNone) feeds[v] = to_tensor(b.graph.type(v), make_values({b.graph.type(v), {}}, random, {}));
  return feeds;
}

Array to_array(const Tensor& t) {
  Array a{t.type(), {}};
  with_type(t.dtype(), [&](auto zero) {
    for (auto v : t.data<decltype(zero)>()) a.v.push_back(static_cast<double>(v));
  });
  return a;
}

std::vector<Array> run_reference(const Row& row, const Built& b, const std::vector<Array>& in) {
  const Node& node = b.graph.nodes[b.node];
  const json attrs = node.op->attrs->dump(node.attrs.get());
  Reference r{attrs, {}, {}, kSeed};
  for (size_t i = 0; i < in.size(); ++i) r.in.push_back(b.in[i] == kNone ? nullptr : &in[i]);
  for (ValueId v : node.out) {
    const TensorType& t = b.graph.type(v);
    r.out.push_back({t, std::vector<double>(static_cast<size_t>(t.elements()))});
  }
  reference_of(row.op)(r);
  return std::move(r.out);
}

std::string difference(const Array& got, const Array& want, double tol) {
  double squares = 0;
  for (double v : want.v)
    if (std::isfinite(v)) squares += v * v;
  const double rms = want.v.empty() ? 0 : std::sqrt(squares / static_cast<double>(want.size()));
  double worst = 1;
  int64_t at = -1;
  for (int64_t i = 0; i < want.size(); ++i) {
    const double w = want[i], g = got[i];
    if (g == w || (std::isnan(g) && std::isnan(w))) continue;
    const double allowed = tol * (std::fabs(w) + rms) + 1e-37;
    const double ratio = std::isfinite(g) && std::isfinite(w) ? std::fabs(g - w) / allowed : INFINITY;
    if (ratio > worst) worst = ratio, at = i;
  }
  if (at < 0) return {};
  return str("element ", at, " of ", want.type.text(), " is ", got[at], ", reference ", want[at],
             ", error is ", worst, " times what is allowed");
}

std::vector<double> numeric_gradient(const Row& row, const Built& b, std::vector<Array> in,
                                     const std::vector<Array>& dy, size_t i, const std::vector<int64_t>& at) {
  const auto loss = [&] {
    const std::vector<Array> y = run_reference(row, b, in);
    double sum = 0;
    for (size_t o = 0; o < y.size(); ++o)
      for (size_t j = 0; j < dy[o].v.size(); ++j) sum += dy[o].v[j] * y[o].v[j];
    return sum;
  };
  std::vector<double> out;
  for (int64_t p : at) {
    const double x = in[i][p], h = 1e-5 * std::fmax(1, std::fabs(x));
    in[i][p] = x + h;
    const double above = loss();
    in[i][p] = x - h;
    const double below = loss();
    in[i][p] = x;
    out.push_back((above - below) / (2 * h));
  }
  return out;
}

std::vector<int64_t> sample_positions(int64_t size) {
  constexpr int64_t kMost = 48;
  std::vector<int64_t> at;
  Random random(kSeed, stream_id("positions"));
  if (size <= kMost) {
    for (int64_t i = 0; i < size; ++i) at.push_back(i);
    return at;
  }
  at = {0, size - 1};
  while (static_cast<int64_t>(at.size()) < kMost) at.push_back(random.below(size));
  return at;
}

}  // namespace dl::test
