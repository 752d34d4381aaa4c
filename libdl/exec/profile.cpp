#include "exec/profile.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <map>
#include <numeric>

#include "base/clock.h"
#include "base/memory.h"
#include "base/random.h"
#include "base/str.h"
#include "kernels/matmul.h"

namespace dl {
namespace {

constexpr size_t kMostEvents = 200000;

// Calls per second of `f` over at least `seconds`, the best of three rounds.
template <class F>
double rate(double seconds, F f) {
  double best = 0;
  for (int round = 0; round < 3; ++round) {
    const double start = steady_seconds();
    int64_t calls = 0;
    do {
      f();
      ++calls;
    } while (steady_seconds() - start < seconds / 3);
    best = std::max(best, static_cast<double>(calls) / (steady_seconds() - start));
  }
  return best;
}

// Seconds of one of the calls that f enqueues on a device, the best of three rounds.
template <class F>
double seconds_on(Device& device, int calls, F f) {
  f();  // what is made once
  double best = 1e30;
  for (int round = 0; round < 3; ++round) {
    device.mark(0);
    for (int i = 0; i < calls; ++i) f();
    device.mark(1);
    best = std::min(best, device.elapsed(0, 1) / calls);
  }
  return std::max(best, 1e-9);
}

// Fills memory of a device with numbers from -1 to 1: products of zeros draw less power, and run at a higher clock.
void fill(Device& device, const DeviceMemory& memory, Elem type) {
  std::vector<char> block(std::min<size_t>(memory.bytes(), 1 << 20));
  Random random(0, stream_id("ceilings"));
  const size_t size = type == Elem::f32 ? 4 : 2;  // the upper half of a float is a bf16
  for (size_t i = 0; i + size <= block.size(); i += size) {
    const auto value = static_cast<float>(random.uniform(-1, 1));
    std::memcpy(&block[i], reinterpret_cast<const char*>(&value) + (4 - size), size);
  }
  for (size_t at = 0; at < memory.bytes(); at += block.size())
    device.copy(static_cast<char*>(memory.data()) + at, block.data(),
                std::min(block.size(), memory.bytes() - at));
  device.wait();
}

// Operations per second of a product of n x n matrices by the device's kernel.
double product_rate(Device& device, int64_t n, Elem type, int calls) {
  const Kernel& kernel = device.kernel(OpId::matmul);
  const MatmulAttrs attrs;
  Arg in[2], out;
  for (Arg* a : {&in[0], &in[1], &out}) {
    a->type = type;
    a->rank = 2;
    a->dims[0] = a->dims[1] = n;
  }
  Call c;
  c.in = in;
  c.out = &out;
  c.n_in = 2;
  c.n_out = 1;
  c.attrs = &attrs;
  c.queue = device.queue();
  Work w;
  kernel.plan(c, w);
  const size_t bytes = static_cast<size_t>(n * n) * (type == Elem::f32 ? 4 : 2);
  const DeviceMemory a(device, bytes, "a measurement"), b(device, bytes, "a measurement"),
      y(device, bytes, "a measurement"),
      shared(device, static_cast<size_t>(w.shared) * sizeof(float), "a measurement");
  fill(device, a, type);
  fill(device, b, type);
  in[0].data = a.data();
  in[1].data = b.data();
  out.data = y.data();
  c.shared = static_cast<float*>(shared.data());
  const double seconds = seconds_on(device, calls, [&] {
    for (int phase = 0; phase < w.phases; ++phase) kernel.run(c, phase, 0, nullptr);
    device.check_launch("a measurement");
  });
  return 2.0 * static_cast<double>(n) * static_cast<double>(n) * static_cast<double>(n) / seconds;
}

std::string cell(const char* format, double value) {
  char text[32];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

struct Sum {
  std::string kernel;
  int64_t calls = 0, flops = 0, bytes = 0;
  double seconds = 0, ideal = 0;
};

}  // namespace

Ceilings measure_ceilings(Pool* pool, Isa isa) {
  const Probe& probe = cpu_probe(isa);
  const int workers = pool_threads(pool);
  constexpr int64_t kRounds = 100000, kFloats = 4 << 20;
  Ceilings c;
  std::vector<float> sink(static_cast<size_t>(workers));
  c.flops = rate(0.03,
                 [&] {
                   parallel(pool, workers, [&](int64_t i, int) {
                     sink[static_cast<size_t>(i)] = probe.multiply_add(kRounds);
                   });
                 }) *
            static_cast<double>(workers * kRounds * 16 * probe.lanes * 2);
  const Memory streams(static_cast<size_t>(workers) * 3 * kFloats * sizeof(float));
  auto* first = static_cast<float*>(streams.data());
  std::fill_n(first, workers * 3 * kFloats, 1.0f);  // pages never written share one page of zeros
  c.bytes = rate(0.06,
                 [&] {
                   parallel(pool, workers, [&](int64_t i, int) {
                     float* a = first + i * 3 * kFloats;
                     probe.triad(a, a + kFloats, a + 2 * kFloats, kFloats);
                   });
                 }) *
            static_cast<double>(workers * 3 * kFloats) * sizeof(float);
  c.flops_16 = c.flops;
  return c;
}

Ceilings measure_ceilings(Device& device) {
  const bool tiny = device.info().processors < 8;  // an emulation
  const int64_t spare = device.free_memory() / 4;
  int64_t copied = tiny ? 1 << 20 : 1 << 30, n = tiny ? 128 : 8192;
  while (copied > 1 << 20 && 2 * copied > spare) copied /= 2;
  while (n > 128 && 4 * n * n * 4 > spare) n /= 2;
  Ceilings c;
  {
    const DeviceMemory from(device, static_cast<size_t>(copied), "a measurement"),
        to(device, static_cast<size_t>(copied), "a measurement");
    fill(device, from, Elem::f32);
    const double seconds =
        seconds_on(device, 8, [&] { device.copy(to.data(), from.data(), static_cast<size_t>(copied)); });
    c.bytes = 2 * static_cast<double>(copied) / seconds;
  }
  c.flops = product_rate(device, n, Elem::f32, 2);
  c.flops_16 = product_rate(device, n, Elem::bf16, tiny ? 2 : 16);
  return c;
}

Ceilings measure_ceilings(const Plan& plan, Pool* pool) {
  return plan.device ? measure_ceilings(*plan.device) : measure_ceilings(pool, plan.isa);
}

size_t Profile::add(const Plan& plan, const std::string& stage) {
  const size_t first = rows_.size();
  const Graph& g = plan.graph;
  for (const Node& n : g.nodes) {
    Row r{.stage = stage,
          .layer = n.name,
          .kernel = std::string(n.op->name),
          .note = {},
          .output = g.type(n.out[0]).text(),
          .phase = n.phase,
          .half = !n.in.empty() && n.in[0] != kNone && size_of(g.type(n.in[0]).dtype) == 2,
          .flops = node_flops(g, n)};
    const json a = n.op->attrs->changed(n.attrs.get());
    for (const char* key : {"algorithm", "activation", "epilogue"})
      if (a.contains(key)) r.note += str(r.note.empty() ? "" : ",", a[key].get<std::string>());
    if (!(n.op->traits & kView)) {
      for (ValueId v : n.in)
        if (v != kNone) r.bytes += g.type(v).bytes();
      for (ValueId v : n.out) r.bytes += g.type(v).bytes();
    }
    rows_.push_back(std::move(r));
  }
  return first;
}

void Profile::record(size_t row, double start, double end) {
  Row& r = rows_[row];
  r.least = r.calls ? std::min(r.least, end - start) : end - start;
  ++r.calls;
  r.seconds += end - start;
  if (events_.size() < kMostEvents) events_.push_back({row, start, end});
}

double Profile::floor(const Row& row) const {
  const double flops = row.half ? ceilings_.flops_16 : ceilings_.flops;
  if (flops <= 0 || ceilings_.bytes <= 0) return 0;
  return std::max(static_cast<double>(row.flops) / flops, static_cast<double>(row.bytes) / ceilings_.bytes);
}

double Profile::roofline(const Row& row) const {
  if (!row.calls || row.seconds <= 0) return 0;
  return floor(row) * static_cast<double>(row.calls) / row.seconds;
}

std::string Profile::table() const {
  double total = 0;
  std::map<std::string, Sum> sums;
  std::vector<size_t> order;
  for (size_t i = 0; i < rows_.size(); ++i) {
    const Row& r = rows_[i];
    if (!r.calls || !r.bytes) continue;
    order.push_back(i);
    total += r.seconds;
    Sum& s = sums[r.kernel + (r.note.empty() ? "" : " (" + r.note + ")")];
    s.calls += r.calls;
    s.flops += r.flops * r.calls;
    s.bytes += r.bytes * r.calls;
    s.seconds += r.seconds;
    s.ideal += roofline(r) * r.seconds;
  }
  std::sort(order.begin(), order.end(),
            [&](size_t a, size_t b) { return rows_[a].seconds > rows_[b].seconds; });
  std::vector<Sum> kernels;
  for (auto& [kernel, s] : sums) {
    s.kernel = kernel;
    kernels.push_back(s);
  }
  std::stable_sort(kernels.begin(), kernels.end(),
                   [](const Sum& a, const Sum& b) { return a.seconds > b.seconds; });
  const bool halves = std::any_of(rows_.begin(), rows_.end(), [](const Row& r) { return r.half; });
  std::string out = str("machine at best: ", cell("%.1f", ceilings_.flops / 1e9), " GFLOP/s",
                        halves ? cell(" (%.1f of 16 bits)", ceilings_.flops_16 / 1e9) : "", ", ",
                        cell("%.1f", ceilings_.bytes / 1e9),
                        " GB/s\n  share     time   calls  GFLOP/s     GB/s  roofline\n");
  const auto line = [&](double seconds, int64_t calls, double flops, double bytes, double roof) {
    return str(cell("%6.1f%%", 100 * seconds / total), cell("%8.2f ms", 1e3 * seconds),
               cell("%7.0f", static_cast<double>(calls)), cell("%9.1f", flops / seconds / 1e9),
               cell("%9.1f", bytes / seconds / 1e9), cell("%9.0f%%", 100 * roof), "  ");
  };
  for (const Sum& s : kernels)
    out += str(line(s.seconds, s.calls, static_cast<double>(s.flops), static_cast<double>(s.bytes),
                    s.ideal / s.seconds),
               s.kernel, '\n');
  out += "node by node:\n";
  for (size_t i : order) {
    const Row& r = rows_[i];
    const auto calls = static_cast<double>(r.calls);
    out += str(line(r.seconds, r.calls, static_cast<double>(r.flops) * calls,
                    static_cast<double>(r.bytes) * calls, roofline(r)),
               name_of(r.phase), ' ', r.kernel, r.note.empty() ? "" : " (" + r.note + ")", ' ', r.layer, ' ',
               r.output, '\n');
  }
  return out;
}

json Profile::figures() const {
  json rows = json::array();
  for (const Row& r : rows_) {
    if (!r.calls) continue;
    rows.push_back({{"stage", r.stage},
                    {"layer", r.layer},
                    {"phase", name_of(r.phase)},
                    {"kernel", r.kernel},
                    {"note", r.note},
                    {"output", r.output},
                    {"calls", r.calls},
                    {"seconds", r.seconds},
                    {"least_seconds", r.least},
                    {"flops", r.flops},
                    {"bytes", r.bytes},
                    {"roofline", roofline(r)}});
  }
  return {{"machine",
           {{"flops_per_second", ceilings_.flops},
            {"flops_16_per_second", ceilings_.flops_16},
            {"bytes_per_second", ceilings_.bytes}}},
          {"nodes", rows}};
}

std::string Profile::trace() const {
  json events = json::array();
  const double zero = events_.empty() ? 0 : events_.front().start;
  for (const Event& e : events_) {
    const Row& r = rows_[e.row];
    events.push_back(
        {{"name", r.kernel},
         {"cat", name_of(r.phase)},
         {"ph", "X"},
         {"ts", 1e6 * (e.start - zero)},
         {"dur", 1e6 * (e.end - e.start)},
         {"pid", 1},
         {"tid", 1},
         {"args", {{"layer", r.layer}, {"stage", r.stage}, {"output", r.output}, {"note", r.note}}}});
  }
  return json{{"traceEvents", events}, {"displayTimeUnit", "ms"}}.dump() + "\n";
}

std::string Profile::as(const std::string& path) const {
  if (path.ends_with(".json")) return figures().dump(1) + "\n";
  return path.ends_with(".trace") ? trace() : table();
}

}  // namespace dl
