// Every row of the operator cases on the device, node by node: the forward operator and those of its gradient, against the
// CPU's results for the same operands.
#include <dlfcn.h>
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "exec/device.h"
#include "ops/harness.h"

using namespace dl;
using namespace dl::test;

namespace {

constexpr unsigned char kPoison = 0xFF;  // NaN as a float, -1 as an integer

Device& device() {
  static const std::shared_ptr<Device> d = Device::open(0);
  return *d;
}

// The emulated device takes threads and blocks in the other order; a real one knows no order.
void set_backward(bool backward) {
  const char* path = std::getenv("DL_CUDA_LIBRARY");
  void* library = path ? ::dlopen(path, RTLD_NOW | RTLD_NOLOAD) : nullptr;
  if (!library) return;
  if (const auto set = reinterpret_cast<void (*)(bool)>(::dlsym(library, "dl_emulation_backward")))
    set(backward);
  ::dlclose(library);
}

// A tensor on the device with `guard` poisoned bytes on both sides, as on the host before.
class Guarded {
 public:
  Guarded(size_t bytes, size_t guard)
      : host_(bytes + 2 * guard, kPoison),
        memory_(device(), host_.size(), "a test"),
        bytes_(bytes),
        guard_(guard) {}
  void set(const Tensor& t) {
    if (t.bytes()) std::memcpy(host_.data() + guard_, t.raw(), bytes_);
  }
  void upload() { device().copy(memory_.data(), host_.data(), host_.size()); }
  void* data() const { return static_cast<char*>(memory_.data()) + guard_; }
  // Fetches the tensor; true when the guards are as they were.
  bool download() {
    device().download(host_.data(), memory_.data(), host_.size());
    bool intact = true;
    for (size_t i = 0; i < guard_; ++i)
      intact = intact && host_[i] == kPoison && host_[guard_ + bytes_ + i] == kPoison;
    return intact;
  }
  const unsigned char* content() const { return host_.data() + guard_; }

 private:
  std::vector<unsigned char> host_;
  DeviceMemory memory_;
  size_t bytes_, guard_;
};

struct Setup {
  size_t guard = 256;
  bool backward = false;
  unsigned alias = 0;  // bit i: output i takes the memory of input in_place[i]
  bool fixed = false;  // weights that stay the same: phases that see nothing else run once, the others twice
};

std::vector<Tensor> run_node(const Graph& g, const Node& node, const std::vector<Tensor>& in,
                             const Setup& s) {
  std::vector<Guarded> memory;
  std::vector<Arg> in_args, out_args;
  memory.reserve(in.size() + node.out.size() + 1);
  std::vector<size_t> in_at, out_at;
  for (const Tensor& t : in) {
    in_at.push_back(memory.size());
    if (!t.defined()) {
      in_args.push_back(absent_arg());
      continue;
    }
    memory.emplace_back(static_cast<size_t>(t.bytes()), s.guard).set(t);
    in_args.push_back(make_arg(t.type(), memory.back().data()));
  }
  for (size_t i = 0; i < node.out.size(); ++i) {
    const TensorType& type = g.type(node.out[i]);
    if (s.alias >> i & 1) {
      const auto from = static_cast<size_t>(node.op->in_place[i]);
      out_at.push_back(in_at[from]);
      out_args.push_back(make_arg(type, in_args[from].data));
      continue;
    }
    out_at.push_back(memory.size());
    memory.emplace_back(static_cast<size_t>(type.bytes()), s.guard);
    out_args.push_back(make_arg(type, memory.back().data()));
  }
  Call call;
  call.n_in = static_cast<int>(in_args.size());
  call.n_out = static_cast<int>(out_args.size());
  call.attrs = node.attrs.get();
  call.seed = kSeed;
  call.queue = device().queue();
  call.fixed_weights = s.fixed;
  std::vector<Arg> planned_in = in_args, planned_out = out_args;  // a plan sees no data
  for (Arg& a : planned_in) a.data = nullptr;
  for (Arg& a : planned_out) a.data = nullptr;
  call.in = planned_in.data();
  call.out = planned_out.data();
  const Kernel& kernel = device().kernel(op_id(*node.op));
  Work work;
  kernel.plan(call, work);
  if (s.fixed && work.once == 0) return {};
  memory.emplace_back(static_cast<size_t>(work.shared) * sizeof(float), s.guard);
  call.shared = static_cast<float*>(memory.back().data());
  call.in = in_args.data();
  call.out = out_args.data();
  for (Guarded& m : memory) m.upload();
  set_backward(s.backward);
  for (int phase = 0; phase < work.phases; ++phase) kernel.run(call, phase, 0, nullptr);
  if (s.fixed)
    for (int phase = work.once; phase < work.phases; ++phase) kernel.run(call, phase, 0, nullptr);
  set_backward(false);
  device().check_launch(node.op->name);
  for (Guarded& m : memory) CHECK_MESSAGE(m.download(), "writes outside its memory");
  for (size_t i = 0; i < in.size(); ++i) {
    if (!in[i].defined() || in[i].bytes() == 0) continue;
    bool taken = false;
    for (size_t o = 0; o < node.out.size(); ++o)
      taken = taken || ((s.alias >> o & 1) && node.op->in_place[o] == static_cast<int>(i));
    if (!taken)
      CHECK_MESSAGE(
          std::memcmp(memory[in_at[i]].content(), in[i].raw(), static_cast<size_t>(in[i].bytes())) == 0,
          "writes to input ", i);
  }
  std::vector<Tensor> out;
  for (size_t i = 0; i < node.out.size(); ++i) {
    out.emplace_back(g.type(node.out[i]));
    if (out[i].bytes())
      std::memcpy(out[i].raw(), memory[out_at[i]].content(), static_cast<size_t>(out[i].bytes()));
  }
  return out;
}

bool same_bits(const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const Tensor& x, const Tensor& y) { return test::same_bits(x, y); });
}

// Operators whose results are the CPU's bit for bit: they move numbers, or draw them.
bool exact(std::string_view op) {
  static const std::set<std::string_view> names = {"dropout",
                                                   "round_to",
                                                   "relu",
                                                   "relu_grad",
                                                   "relu6",
                                                   "relu6_grad",
                                                   "concat",
                                                   "slice",
                                                   "slice_grad",
                                                   "transpose",
                                                   "reshape",
                                                   "to_blocked",
                                                   "from_blocked",
                                                   "max_pool2d",
                                                   "max_pool2d_grad",
                                                   "broadcast_to",
                                                   "reduce_max",
                                                   "cast",
                                                   "neg",
                                                   "abs",
                                                   "abs_grad",
                                                   "clip",
                                                   "clip_grad",
                                                   "maximum",
                                                   "minimum",
                                                   "greater_equal",
                                                   "less",
                                                   "add",
                                                   "sub",
                                                   "mul",
                                                   "leaky_relu",
                                                   "leaky_relu_grad",
                                                   "step",
                                                   "stop_gradient",
                                                   "one_hot",
                                                   "thresholded_relu",
                                                   "thresholded_relu_grad",
                                                   "prelu_slope"};
  return names.contains(op);
}

void check_row(const Row& row) {
  INFO(row.text());
  const Built b = build(row, wants_grad(row));
  const std::vector<Tensor> want = evaluate(b.graph, make_feeds(row, b), best_isa(), false);
  for (const Node& node : b.graph.nodes) {
    if (!device().has_kernel(op_id(*node.op))) {
      static std::set<std::string_view> told;
      if (told.insert(node.op->name).second) MESSAGE("no kernel: ", std::string(node.op->name));
      continue;
    }
    INFO("node ", std::string(node.op->name));
    std::vector<Tensor> in;
    for (ValueId v : node.in) in.push_back(v == kNone ? Tensor() : want[static_cast<size_t>(v)]);
    const std::vector<Tensor> out = run_node(b.graph, node, in, {});
    // Sums in another order than the CPU's: the bound against the reference holds for both.
    const double tol = exact(node.op->name) ? 0 : 4 * std::max(row.opt.tol, 2e-6);
    for (size_t i = 0; i < out.size(); ++i) {
      const std::string diff =
          difference(to_array(out[i]), to_array(want[static_cast<size_t>(node.out[i])]), tol);
      CHECK_MESSAGE(diff.empty(), "output ", i, ": ", diff);
    }
    CHECK_MESSAGE(same_bits(out, run_node(b.graph, node, in, {.guard = 0, .backward = true})),
                  "has other bits when threads and blocks take turns in another order");
    if (const auto fixed = run_node(b.graph, node, in, {.fixed = true}); !fixed.empty())
      CHECK_MESSAGE(same_bits(out, fixed), "has other bits with weights that stay the same");
    for (unsigned set : alias_sets(b.graph, node))
      CHECK_MESSAGE(same_bits(out, run_node(b.graph, node, in, {.alias = set})), "has other bits in place");
  }
}

}  // namespace

TEST_CASE("operators agree with the CPU") {
  for (const Row& row : rows())
    if (row.opt.error.empty()) check_row(row);
}
