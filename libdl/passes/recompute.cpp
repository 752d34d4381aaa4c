#include "passes/recompute.h"

#include <algorithm>
#include <limits>

#include "passes/passes.h"

namespace dl {

constexpr std::string_view kOff = "none", kCheap = "cheap", kSqrt = "sqrt";

void FieldType<Recompute>::parse(Recompute& v, const json& j, const std::string& at, const Bounds&) {
  if (j.is_string()) {
    const auto& s = j.get_ref<const std::string&>();
    if (s == kOff) return void(v = {});
    if (s == kCheap) return void(v = {Recompute::Mode::cheap});
    if (s == kSqrt) return void(v = {Recompute::Mode::segments});
  }
  if (!j.is_number_integer() || j.get<int64_t>() < 2)
    field_error(
        at, str(j.dump(),
                " is not what can be computed again, expected \"none\", \"cheap\", \"sqrt\", or a number ",
                "of segments from 2 on"));
  v = {Recompute::Mode::segments, j.get<int64_t>()};
}

json FieldType<Recompute>::schema(const Bounds&) {
  return {{"anyOf", {{{"enum", {kOff, kCheap, kSqrt}}}, {{"type", "integer"}, {"minimum", 2}}}}};
}

json FieldType<Recompute>::dump(const Recompute& v) {
  if (v.mode == Recompute::Mode::none) return kOff;
  if (v.mode == Recompute::Mode::cheap) return kCheap;
  return v.segments ? json(v.segments) : json(kSqrt);
}

namespace {

constexpr int64_t kTooSmall = 1000;  // what is below this part of all that is kept stays
constexpr int64_t kCheapOps = 16;    // for each element read or written
constexpr int64_t kBounds = 64;      // sizes of the largest segment that are tried

size_t at(ValueId v) { return static_cast<size_t>(v); }

// What a forward node gives, views of it included. Positions count the forward nodes.
struct Block {
  ValueId value;
  int64_t bytes;
  size_t born, last;  // written at, read last at by the forward part
  bool read;          // by the backward part
};

class Recomputer {
 public:
  explicit Recomputer(const Graph& g)
      : g_(g), root_(g.values.size()), stays_(g.values.size(), true), again_(g.values.size(), kNone) {
    std::vector<Block*> block(g.values.size());
    for (size_t v = 0; v < root_.size(); ++v) root_[v] = static_cast<ValueId>(v);
    blocks_.reserve(g.values.size());
    for (const Node& n : g.nodes) {
      if (n.op->traits & kView) root_[at(n.out[0])] = root_[at(n.in[0])];
      for (ValueId x : n.in) {
        Block* b = x == kNone ? nullptr : block[at(root_[at(x)])];
        if (!b) continue;
        if (n.phase == Phase::forward)
          b->last = forward_;
        else
          b->read = true;
      }
      if (n.phase != Phase::forward) continue;
      if (!(n.op->traits & kView))
        for (ValueId y : n.out) {
          blocks_.push_back({y, g.type(y).bytes(), forward_, forward_, false});
          block[at(y)] = &blocks_.back();
        }
      ++forward_;
    }
    int64_t kept = 0;
    for (const Block& b : blocks_)
      if (b.read) kept += b.bytes;
    small_ = kept / kTooSmall;
  }

  void choose_cheap() {
    std::vector<bool> read(g_.values.size());
    for (const Block& b : blocks_) read[at(b.value)] = b.read;
    for (const Block& b : blocks_)
      if (b.read && b.bytes > small_ && g_.value(b.value).index == 0)
        stays_[at(b.value)] = !is_cheap(*g_.producer(b.value), read);
  }

  void choose_segments(int64_t segments) {
    const std::vector<size_t> cuts = best_cuts(segments);
    for (const Block& b : blocks_) {
      const auto next = std::upper_bound(cuts.begin(), cuts.end(), b.born);
      stays_[at(b.value)] = next == cuts.end() || *next <= b.last || b.bytes <= small_;
    }
  }

  Graph run() {
    Graph out;
    moved_ = copy_leaves(g_, out);
    for (const Node& from : g_.nodes) {
      Node n = from;
      for (ValueId& x : n.in)
        if (x != kNone) x = n.phase == Phase::forward || is_there(x) ? moved_[at(x)] : repeat(out, x);
      append(out, std::move(n), from, moved_);
    }
    for (const GraphOutput& o : g_.outputs) out.outputs.push_back({o.name, moved_[at(o.value)]});
    for (const Update& u : g_.updates) out.updates.push_back({moved_[at(u.state)], moved_[at(u.next)]});
    return out;
  }

 private:
  // Few operations, and all operands of size are there in the backward part anyway.
  bool is_cheap(const Node& n, const std::vector<bool>& read) const {
    int64_t elements = g_.type(n.out[0]).elements();
    for (ValueId x : n.in) {
      if (x == kNone) continue;
      const ValueId r = root_[at(x)];
      const bool leaf = g_.value(r).kind != ValueKind::computed;
      if (!leaf && g_.type(r).bytes() > small_ && !(read[at(r)] && stays_[at(r)])) return false;
      elements += g_.type(x).elements();
    }
    return node_flops(g_, n) <= kCheapOps * elements;
  }

  // The cuts between forward nodes (each in front of one) for which what crosses them and what the largest segment keeps
  // inside take the least memory together; as many as `segments` asks for, or any number for 0.
  std::vector<size_t> best_cuts(int64_t segments) const;

  // Whether the backward part finds v in memory: a leaf, its own, or what the forward part leaves.
  bool is_there(ValueId v) const {
    const ValueId r = root_[at(v)];
    const Node* n = g_.producer(r);
    return !n || n->phase != Phase::forward || stays_[at(r)];
  }

  // The value computed again, once.
  ValueId repeat(Graph& out, ValueId v) {
    if (again_[at(v)] != kNone) return again_[at(v)];
    const Node& from = *g_.producer(v);
    Node n = from;
    n.phase = Phase::backward;
    for (ValueId& x : n.in)
      if (x != kNone) x = is_there(x) ? moved_[at(x)] : repeat(out, x);
    append(out, std::move(n), from, again_);
    return again_[at(v)];
  }

  void append(Graph& out, Node n, const Node& from, std::vector<ValueId>& ids) const {
    for (size_t i = 0; i < from.out.size(); ++i) {
      Value v = g_.value(from.out[i]);
      v.node = static_cast<int32_t>(out.nodes.size());
      ids[at(from.out[i])] = n.out[i] = static_cast<ValueId>(out.values.size());
      out.values.push_back(std::move(v));
    }
    out.nodes.push_back(std::move(n));
  }

  const Graph& g_;
  std::vector<ValueId> root_;           // per value: what it is a view of
  std::vector<bool> stays_;             // per root
  std::vector<ValueId> again_, moved_;  // per value: its second and first copy in the new graph
  std::vector<Block> blocks_;           // in the order of the forward part
  size_t forward_ = 0;                  // nodes of the forward part
  int64_t small_ = 0;
};

// Least sum of crossing bytes for each count of segments and each end, with no segment above a bound; the bound runs
// over kBounds sizes.
std::vector<size_t> Recomputer::best_cuts(int64_t segments) const {
  const size_t n = forward_, most = segments ? std::min(static_cast<size_t>(segments), n) : 1;
  std::vector<int64_t> cross(n + 1);
  std::vector<std::vector<int64_t>> inner(n, std::vector<int64_t>(n + 1));  // kept by [i, j) for itself alone
  for (const Block& b : blocks_) {
    if (b.bytes <= small_) continue;
    for (size_t p = b.born + 1; p <= b.last; ++p) cross[p] += b.bytes;
    if (!b.read) continue;
    for (size_t i = 0; i <= b.born; ++i) inner[i][b.last + 1] += b.bytes;
  }
  for (auto& row : inner)
    for (size_t j = 1; j <= n; ++j) row[j] += row[j - 1];
  constexpr int64_t kNever = std::numeric_limits<int64_t>::max() / 2;
  int64_t least = kNever;
  std::vector<size_t> best;
  for (int64_t step = kBounds; step > 0; --step) {
    const int64_t bound = inner[0][n] / kBounds * step;
    std::vector<std::vector<int64_t>> cost(most + 1, std::vector<int64_t>(n + 1, kNever));
    std::vector<std::vector<size_t>> from(most + 1, std::vector<size_t>(n + 1));
    cost[0][0] = 0;
    for (size_t c = segments ? 1 : 0; c <= (segments ? most : 0); ++c)
      for (size_t j = 1; j <= n; ++j)
        for (size_t i = 0; i < j; ++i) {
          const int64_t before = cost[segments ? c - 1 : 0][i];
          if (inner[i][j] > bound || before + cross[j] >= cost[c][j]) continue;
          cost[c][j] = before + cross[j];
          from[c][j] = i;
        }
    size_t c = segments ? most : 0;
    if (cost[c][n] >= kNever) continue;
    std::vector<size_t> cuts;
    int64_t largest = 0;
    for (size_t j = n; j > 0;) {
      const size_t i = from[c][j];
      largest = std::max(largest, inner[i][j]);
      if (i > 0) cuts.insert(cuts.begin(), i);
      j = i;
      if (segments) --c;
    }
    if (cost[segments ? most : 0][n] + largest >= least) continue;
    least = cost[segments ? most : 0][n] + largest;
    best = cuts;
  }
  return best;
}

}  // namespace

Graph recompute(Graph g, const Recompute& what) {
  const bool trains =
      std::any_of(g.nodes.begin(), g.nodes.end(), [](const Node& n) { return n.phase == Phase::backward; });
  if (what.mode == Recompute::Mode::none || !trains) return g;
  Recomputer r(g);
  if (what.mode == Recompute::Mode::cheap)
    r.choose_cheap();
  else
    r.choose_segments(what.segments);
  return r.run();
}

}  // namespace dl
