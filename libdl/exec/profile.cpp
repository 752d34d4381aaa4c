#include "exec/profile.h"

#include <algorithm>
#include <cstdio>
#include <map>
#include <numeric>

#include "base/clock.h"
#include "base/memory.h"
#include "base/str.h"

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
  return c;
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

double Profile::roofline(const Row& row) const {
  if (!row.calls || row.seconds <= 0 || ceilings_.flops <= 0 || ceilings_.bytes <= 0) return 0;
  const double ideal = std::max(static_cast<double>(row.flops) / ceilings_.flops,
                                static_cast<double>(row.bytes) / ceilings_.bytes);
  return ideal * static_cast<double>(row.calls) / row.seconds;
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
  std::string out = str("machine at best: ", cell("%.1f", ceilings_.flops / 1e9), " GFLOP/s, ",
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
  return {{"machine", {{"flops_per_second", ceilings_.flops}, {"bytes_per_second", ceilings_.bytes}}},
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
