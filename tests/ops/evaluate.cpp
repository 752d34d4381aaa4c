// Runs graphs node by node with the kernel tables, in memory that is poisoned and guarded.
#include <doctest/doctest.h>

#include <cstring>

#include "ops/harness.h"

namespace dl::test {
namespace {

constexpr size_t kGuard = 64;
constexpr unsigned char kPoison = 0xFF;  // NaN as a float, -1 as an integer

// Bytes with poison around them, `shift` bytes off their alignment.
class Guarded {
 public:
  Guarded(size_t bytes, size_t shift) : memory_(bytes + 2 * kGuard + shift), bytes_(bytes), shift_(shift) {
    std::memset(memory_.data(), kPoison, memory_.bytes());
  }
  unsigned char* data() const { return static_cast<unsigned char*>(memory_.data()) + kGuard + shift_; }
  bool guards_intact() const {
    const auto* p = static_cast<const unsigned char*>(memory_.data());
    bool intact = true;
    for (size_t i = 0; i < kGuard + shift_; ++i) intact = intact && p[i] == kPoison;
    for (size_t i = kGuard + shift_ + bytes_; i < memory_.bytes(); ++i) intact = intact && p[i] == kPoison;
    return intact;
  }

 private:
  Memory memory_;
  size_t bytes_, shift_;
};

Pool* pool_of(int threads) {
  static Pool* const pools[] = {pool_create(1), pool_create(2), pool_create(8)};
  return pools[threads == 1 ? 0 : threads == 2 ? 1 : 2];
}

struct Setup {
  int threads = 1;
  bool shifted = false;
  unsigned alias = 0;  // bit i: output i takes the memory of input in_place[i]
  bool fixed = false;  // weights that stay the same: phases that see nothing else run once, the others twice
};

Guarded guarded_copy(const Tensor& t, bool shifted) {
  if (!t.defined()) return Guarded(0, 0);
  Guarded g(static_cast<size_t>(t.bytes()), shifted ? static_cast<size_t>(size_of(t.dtype())) : 0);
  if (t.bytes()) std::memcpy(g.data(), t.raw(), static_cast<size_t>(t.bytes()));
  return g;
}

std::vector<Tensor> run_node(const Graph& g, const Node& node, const std::vector<Tensor>& in, Isa isa,
                             const Setup& s) {
  std::vector<Guarded> memory;
  std::vector<Arg> in_args, out_args;
  for (const Tensor& t : in) {
    memory.push_back(guarded_copy(t, s.shifted));
    in_args.push_back(t.defined() ? make_arg(t.type(), memory.back().data()) : absent_arg());
  }
  for (size_t i = 0; i < node.out.size(); ++i) {
    const TensorType& type = g.type(node.out[i]);
    if (s.alias >> i & 1) {
      out_args.push_back(make_arg(type, in_args[static_cast<size_t>(node.op->in_place[i])].data));
      continue;
    }
    memory.emplace_back(static_cast<size_t>(type.bytes()),
                        s.shifted ? static_cast<size_t>(size_of(type.dtype)) : 0);
    out_args.push_back(make_arg(type, memory.back().data()));
  }
  Call call;
  call.n_in = static_cast<int>(in_args.size());
  call.n_out = static_cast<int>(out_args.size());
  call.attrs = node.attrs.get();
  call.threads = s.threads;
  call.fixed_weights = s.fixed;
  call.seed = kSeed;
  std::vector<Arg> planned_in = in_args, planned_out = out_args;  // a plan sees no data
  for (Arg& a : planned_in) a.data = nullptr;
  for (Arg& a : planned_out) a.data = nullptr;
  call.in = planned_in.data();
  call.out = planned_out.data();
  const Kernel& kernel = cpu_kernel(op_id(*node.op), isa);
  Work work;
  kernel.plan(call, work);
  if (s.fixed && work.once == 0) return {};
  Guarded shared(static_cast<size_t>(work.shared) * sizeof(float), 0);
  call.shared = reinterpret_cast<float*>(shared.data());
  call.in = in_args.data();
  call.out = out_args.data();
  run_call(pool_of(s.threads), kernel, call, work);
  if (s.fixed) run_call(pool_of(s.threads), kernel, call, work, work.once);

  CHECK_MESSAGE(shared.guards_intact(), "writes outside its shared scratch");
  for (const Guarded& m : memory) CHECK_MESSAGE(m.guards_intact(), "writes outside its tensors");
  for (size_t i = 0; i < in.size(); ++i) {
    bool taken = false;
    for (size_t o = 0; o < node.out.size(); ++o)
      taken = taken || ((s.alias >> o & 1) && node.op->in_place[o] == static_cast<int>(i));
    if (!taken && in[i].defined() && in[i].bytes())
      CHECK_MESSAGE(std::memcmp(in_args[i].data, in[i].raw(), static_cast<size_t>(in[i].bytes())) == 0,
                    "writes to input ", i);
  }
  std::vector<Tensor> out;
  for (size_t i = 0; i < node.out.size(); ++i) {
    out.emplace_back(g.type(node.out[i]));
    if (out[i].bytes()) std::memcpy(out[i].raw(), out_args[i].data, static_cast<size_t>(out[i].bytes()));
  }
  return out;
}

void check_same(const std::vector<Tensor>& a, const std::vector<Tensor>& b, const std::string& what) {
  for (size_t i = 0; i < a.size(); ++i)
    CHECK_MESSAGE(same_bits(a[i], b[i]), "output ", i, " has other bits ", what);
}

}  // namespace

bool same_bits(const Tensor& a, const Tensor& b) {
  return a.bytes() == b.bytes() &&
         (a.bytes() == 0 || std::memcmp(a.raw(), b.raw(), static_cast<size_t>(a.bytes())) == 0);
}

std::vector<unsigned> alias_sets(const Graph& g, const Node& node) {
  std::vector<unsigned> sets;
  unsigned all = 0;
  if (!(node.op->traits & kInPlace)) return sets;
  for (size_t i = 0; i < node.out.size() && i < std::size(node.op->in_place); ++i) {
    const int from = node.op->in_place[i];
    if (from < 0 || static_cast<size_t>(from) >= node.in.size() ||
        node.in[static_cast<size_t>(from)] == kNone)
      continue;
    if (g.type(node.out[i]).bytes() != g.type(node.in[static_cast<size_t>(from)]).bytes()) continue;
    sets.push_back(1u << i);
    all |= 1u << i;
  }
  if (sets.size() > 1) sets.push_back(all);
  return sets;
}

std::vector<Tensor> evaluate(const Graph& g, const Feeds& feeds, Isa isa, bool checked, bool unaligned) {
  std::vector<Tensor> values(g.values.size());
  for (const auto& [v, t] : feeds) values[static_cast<size_t>(v)] = t;
  for (const auto& [v, t] : g.constants) values[static_cast<size_t>(v)] = t;
  for (const Node& node : g.nodes) {
    std::vector<Tensor> in;
    for (ValueId v : node.in) in.push_back(v == kNone ? Tensor() : values[static_cast<size_t>(v)]);
    INFO("node ", std::string(node.op->name), " on ", std::string(name_of(isa)));
    const std::vector<Tensor> out = run_node(g, node, in, isa, {});
    if (checked) {
      check_same(out, run_node(g, node, in, isa, {}), "when it runs again");
      check_same(out, run_node(g, node, in, isa, {.threads = 2}), "with 2 threads");
      check_same(out, run_node(g, node, in, isa, {.threads = 8}), "with 8 threads");
      if (unaligned) check_same(out, run_node(g, node, in, isa, {.shifted = true}), "in unaligned memory");
      if (const auto fixed = run_node(g, node, in, isa, {.fixed = true}); !fixed.empty())
        check_same(out, fixed, "with weights that stay the same");
      for (unsigned set : alias_sets(g, node))
        check_same(out, run_node(g, node, in, isa, {.alias = set}), "in place");
    }
    for (size_t i = 0; i < out.size(); ++i) values[static_cast<size_t>(node.out[i])] = out[i];
  }
  return values;
}

}  // namespace dl::test
