// Where the tensors of a batch are larger than the caches and memory holds the kernels up, a stretch of an inference network
// runs for a few samples at a time: what one node writes is still in the caches when the next one reads it. Figures were
// chosen by measuring networks of images at batch 8; products that are bound by arithmetic lose by small batches.
#include <algorithm>

#include "kernels/slice.h"
#include "ops/registry.h"
#include "passes/passes.h"

namespace dl {
namespace {

constexpr int64_t kLarge = 12 << 20;       // bytes that a node reads and writes, from which on it gains
constexpr int64_t kFlops = 12;             // for each byte, up to which memory holds it up
constexpr int64_t kPart = 3 << 20;         // bytes that it should read and write at once
constexpr int64_t kMostWeights = 1 << 20;  // bytes; every part keeps its own form of them

size_t at(ValueId v) { return static_cast<size_t>(v); }

class Splitter {
 public:
  explicit Splitter(const Graph& g)
      : g_(g), moved_(copy_leaves(g, out_)), last_use_(g.values.size(), -1), of_input_(g.values.size()) {
    for (size_t v = 0; v < g.values.size(); ++v) of_input_[v] = g.values[v].kind == ValueKind::input;
    for (const Node& n : g.nodes)
      for (ValueId y : n.out)
        of_input_[at(y)] =
            std::any_of(n.in.begin(), n.in.end(), [&](ValueId x) { return x != kNone && of_input_[at(x)]; });
    for (size_t k = 0; k < g.nodes.size(); ++k)
      for (ValueId x : g.nodes[k].in)
        if (x != kNone) last_use_[at(x)] = static_cast<int64_t>(k);
    for (const GraphOutput& o : g.outputs) last_use_[at(o.value)] = static_cast<int64_t>(g.nodes.size());
  }

  Graph run() {
    for (size_t k = 0; k < g_.nodes.size();) {
      const size_t end = end_of_stretch(k);
      if (end > k)
        split(k, end);
      else
        copy_node(g_, g_.nodes[k], out_, moved_);
      k = std::max(end, k + 1);
    }
    for (const GraphOutput& o : g_.outputs) out_.outputs.push_back({o.name, moved_[at(o.value)]});
    return std::move(out_);
  }

 private:
  // Samples of a tensor that comes with the input; 0 for what does not depend on it.
  int64_t samples(ValueId v) const {
    return v != kNone && of_input_[at(v)] && g_.type(v).shape.rank() > 1 ? g_.type(v).shape[0] : 0;
  }
  bool depends(const Node& n) const { return of_input_[at(n.out[0])]; }

  // Whether each sample of its output follows from the same sample of its inputs.
  bool by_sample(const Node& n) const {
    static constexpr const OpDef* kOps[] = {&op::conv2d,     &op::conv_transpose2d, &op::max_pool2d,
                                            &op::avg_pool2d, &op::upsample2d,       &op::batch_norm_inference,
                                            &op::to_blocked, &op::from_blocked,     &op::concat,
                                            &op::normalize};
    if (n.out.size() != 1) return false;
    const TensorType& y = g_.type(n.out[0]);
    const bool elementwise = (n.op->traits & kElementwise) && !(n.op->traits & (kRandom | kUpdate));
    if (!elementwise && std::find(std::begin(kOps), std::end(kOps), n.op) == std::end(kOps)) return false;
    if (n.op == &op::concat && static_cast<const ConcatAttrs*>(n.attrs.get())->axis == 0) return false;
    int64_t batch = 0, weights = 0;
    for (ValueId x : n.in) {
      if (x == kNone) continue;
      if (samples(x) == 0) {
        weights += g_.type(x).bytes();
        if (elementwise) return false;  // which could be stretched over the samples
      } else if (batch && samples(x) != batch) {
        return false;
      } else {
        batch = samples(x);
      }
      if (elementwise && g_.type(x).shape != y.shape) return false;
    }
    return batch > 1 && y.shape.rank() > 1 && y.shape[0] == batch && weights <= kMostWeights;
  }

  int64_t batch_bytes(const Node& n) const {
    int64_t bytes = g_.type(n.out[0]).bytes();
    for (ValueId x : n.in)
      if (samples(x) > 0) bytes += g_.type(x).bytes();
    return bytes;
  }

  bool light(const Node& n) const { return node_flops(g_, n) <= kFlops * batch_bytes(n); }

  // Behind the last large node of the light ones from k on that can be split; k where there is nothing to gain. Nodes that do
  // not depend on the input may stand between them.
  size_t end_of_stretch(size_t k) const {
    if (!by_sample(g_.nodes[k]) || batch_bytes(g_.nodes[k]) < kLarge) return k;
    const int64_t batch = samples(g_.nodes[k].out[0]);
    size_t end = k;
    for (size_t i = k; i < g_.nodes.size(); ++i) {
      const Node& n = g_.nodes[i];
      if (!depends(n)) continue;
      if (!by_sample(n) || samples(n.out[0]) != batch || !light(n)) break;
      if (batch_bytes(n) >= kLarge) end = i + 1;
    }
    return end > k && pays(k, end) ? end : k;
  }

  // Whether more stays in the caches than is copied at both ends.
  bool pays(size_t first, size_t end) const {
    int64_t inner = 0, copied = 0;
    std::vector<bool> seen(g_.values.size());
    for (size_t k = first; k < end; ++k) {
      const Node& n = g_.nodes[k];
      if (!depends(n)) continue;
      for (ValueId x : n.in)
        if (samples(x) > 0 && !seen[at(x)]) {
          seen[at(x)] = true;
          copied += g_.type(x).bytes();
        }
      seen[at(n.out[0])] = true;
      (last_use_[at(n.out[0])] < static_cast<int64_t>(end) ? inner : copied) += g_.type(n.out[0]).bytes();
    }
    return inner > 2 * copied;
  }

  void split(size_t first, size_t end) {
    int64_t most = 0;
    std::vector<ValueId> live;  // what is read behind the stretch
    for (size_t k = first; k < end; ++k) {
      const Node& n = g_.nodes[k];
      if (!depends(n)) {
        copy_node(g_, n, out_, moved_);
        continue;
      }
      most = std::max(most, batch_bytes(n));
      if (last_use_[at(n.out[0])] >= static_cast<int64_t>(end)) live.push_back(n.out[0]);
    }
    const int64_t batch = samples(g_.nodes[first].out[0]);
    const int64_t of_part = std::clamp<int64_t>(kPart * batch / most, 1, batch);
    const int64_t parts = (batch + of_part - 1) / of_part;
    std::vector<std::vector<ValueId>> results(live.size());
    for (int64_t p = 0; p < parts; ++p) {
      std::vector<ValueId> moved = moved_;
      part(first, end, batch * p / parts, batch * (p + 1) / parts, moved);
      for (size_t i = 0; i < live.size(); ++i) results[i].push_back(moved[at(live[i])]);
    }
    for (size_t i = 0; i < live.size(); ++i) {
      const Node& n = g_.nodes[static_cast<size_t>(g_.value(live[i]).node)];
      moved_[at(live[i])] = out_.add(op::concat, results[i], make_attrs(ConcatAttrs{0}), n.name, n.origin);
    }
  }

  // The nodes [first, end) for the samples [from, to); moved: their values.
  void part(size_t first, size_t end, int64_t from, int64_t to, std::vector<ValueId>& moved) {
    std::vector<bool> cut(g_.values.size());
    for (size_t k = first; k < end; ++k) {
      const Node& n = g_.nodes[k];
      if (!depends(n)) continue;
      for (ValueId x : n.in) {
        if (samples(x) == 0 || cut[at(x)]) continue;
        cut[at(x)] = true;
        moved[at(x)] =
            out_.add(op::slice, {moved[at(x)]}, make_attrs(SliceAttrs{0, from, to}), n.name, n.origin);
      }
      copy_node(g_, n, out_, moved);
      cut[at(n.out[0])] = true;
    }
  }

  const Graph& g_;
  Graph out_;
  std::vector<ValueId> moved_;  // ids in out_
  std::vector<int64_t> last_use_;
  std::vector<bool> of_input_;  // values that follow from the input
};

}  // namespace

Graph split_batch(Graph g) { return g.updates.empty() ? Splitter(g).run() : g; }

}  // namespace dl
