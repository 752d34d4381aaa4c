#pragma once
// Config "train.batch_size": a number, or "auto", which is made a number before a run begins.
#include <string>

#include "base/fields.h"

namespace dl {

struct BatchSize {
  int64_t samples = 128;
  bool automatic = false;  // not chosen yet: `samples` means nothing
  operator int64_t() const { return samples; }
};

template <>
struct FieldType<BatchSize> {
  DL_API static void parse(BatchSize& v, const json& j, const std::string& at, const Bounds& b);
  DL_API static json schema(const Bounds& b);
  static json dump(const BatchSize& v) { return v.automatic ? json("auto") : json(v.samples); }
  static bool equal(const BatchSize& a, const BatchSize& b) { return dump(a) == dump(b); }
};

struct TrainRequest;

// Puts a number in the place of "auto" in request.config: the size of the checkpoint that the run goes on from; on a device the
// largest power of two that fits; on the CPU, of the powers of two from 16 to 512 that fit, the smallest that trains at most
// 5 % slower than the fastest, by the clock. What fits is bounded by request.max_memory, else by what is free: half of it on
// the CPU. Gives what was chosen and why, for people; empty where there was nothing to choose.
DL_API std::string choose_batch_size(TrainRequest& request);

}  // namespace dl
