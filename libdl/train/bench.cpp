#include "train/bench.h"

#include <algorithm>
#include <cstdio>
#include <numeric>

#include "base/clock.h"
#include "base/random.h"
#include "base/str.h"

namespace dl {
namespace {

// Pixels are any bytes, features normal; indices are 0.
Tensor random_input(const Value& leaf) {
  Tensor t(leaf.type);
  Random r(0, stream_id("bench"), stream_id(leaf.name));
  if (t.dtype() == DType::f32)
    for (float& v : t.data<float>()) v = static_cast<float>(r.normal());
  if (t.dtype() == DType::u8)
    for (uint8_t& v : t.data<uint8_t>()) v = static_cast<uint8_t>(r.below(256));
  return t;
}

}  // namespace

BenchResult bench(Inference& network, int64_t batch, double seconds, Profile* profile) {
  Executor& executor = network.executor(batch);
  BenchResult out{.batch = batch};
  const Plan::Bytes bytes = executor.plan().bytes();
  out.parameter_bytes = bytes.parameters;
  out.arena_bytes = bytes.arena;
  for (const Value& leaf : executor.graph().values)
    if (leaf.kind == ValueKind::input) executor.feed(leaf.name, random_input(leaf));
  for (const double start = steady_seconds(); out.warm_up < 3 || steady_seconds() - start < 0.1 * seconds;
       ++out.warm_up) {
    const double begin = steady_seconds();
    executor.run();
    executor.wait();
    if (out.warm_up == 0) out.first = steady_seconds() - begin;
  }
  if (profile) profile->set_ceilings(measure_ceilings(executor.plan(), network.pool()));
  executor.report_to(profile, str("inference, batch ", batch));
  std::vector<double> times;
  for (const double end = steady_seconds() + seconds; steady_seconds() < end || times.size() < 3;) {
    const double start = steady_seconds();
    executor.run();
    executor.wait();
    times.push_back(steady_seconds() - start);
  }
  executor.report_to(nullptr, {});
  std::sort(times.begin(), times.end());
  const auto at = [&](double share) {
    return times[std::min(times.size() - 1, static_cast<size_t>(share * static_cast<double>(times.size())))];
  };
  out.runs = static_cast<int64_t>(times.size());
  out.best = times.front();
  out.median = at(0.5);
  out.p90 = at(0.9);
  out.p99 = at(0.99);
  out.mean = std::accumulate(times.begin(), times.end(), 0.0) / static_cast<double>(times.size());
  return out;
}

std::string text(const BenchResult& r) {
  const auto ms = [](double seconds) {
    char text[32];
    std::snprintf(text, sizeof text, "%.3f ms", 1e3 * seconds);
    return std::string(text);
  };
  return str("batches of ", r.batch, " random samples, ", r.warm_up, " runs to warm up, ", r.runs,
             " counted\n", "latency     first ", ms(r.first), ", best ", ms(r.best), ", median ",
             ms(r.median), ", 90 % ", ms(r.p90), ", 99 % ", ms(r.p99), ", mean ", ms(r.mean),
             "\nthroughput  ", grouped(static_cast<int64_t>(r.samples_per_second())),
             " samples/s\nmemory      parameters ", human_bytes(static_cast<double>(r.parameter_bytes)),
             ", activations ", human_bytes(static_cast<double>(r.arena_bytes)), '\n');
}

json to_json(const BenchResult& r) {
  return {{"batch_size", r.batch},
          {"warm_up_runs", r.warm_up},
          {"runs", r.runs},
          {"seconds",
           {{"first", r.first},
            {"best", r.best},
            {"median", r.median},
            {"p90", r.p90},
            {"p99", r.p99},
            {"mean", r.mean}}},
          {"samples_per_second", r.samples_per_second()},
          {"memory", {{"parameters", r.parameter_bytes}, {"arena", r.arena_bytes}}}};
}

}  // namespace dl
