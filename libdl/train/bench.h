#pragma once
// How fast a network answers: latency and throughput on random inputs, nothing loaded, nothing written.
#include "train/network.h"

namespace dl {

struct BenchResult {
  int64_t batch = 0, warm_up = 0, runs = 0;
  double first = 0;                               // seconds of the very first run, which touches the memory
  double best = 0, median = 0, p90 = 0, p99 = 0;  // seconds of a run
  double mean = 0;
  int64_t parameter_bytes = 0, arena_bytes = 0;
  double samples_per_second() const { return median > 0 ? static_cast<double>(batch) / median : 0; }
};

// Runs batches for about `seconds`, after at least three and a tenth of that time that do not count. Reports the
// nodes of the counted runs to `profile` where that is not null.
DL_API BenchResult bench(Inference& network, int64_t batch, double seconds, Profile* profile = nullptr);

DL_API std::string text(const BenchResult& result);
DL_API json to_json(const BenchResult& result);

}  // namespace dl
