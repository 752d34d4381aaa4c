#pragma once
// Where the time of a run goes, node by node, beside what the machine could do.
#include <string>
#include <vector>

#include "exec/plan.h"

namespace dl {

// Measured at the time of asking.
struct Ceilings {
  double flops = 0;     // multiply-adds in f32, counted as two, per second
  double flops_16 = 0;  // of operands of 16 bits; what f32 does where there are none
  double bytes = 0;     // to and from main memory per second
};
// All workers of the pool at once; two streams read, one written past the caches. Takes about 0.1 s.
DL_API Ceilings measure_ceilings(Pool* pool, Isa isa);
// Large products by the device's own kernel (bf16 for flops_16), and a copy, read and written. Takes about 0.3 s, and up to
// 2 GiB of the device's memory meanwhile.
DL_API Ceilings measure_ceilings(Device& device);
// Of what a plan runs on.
DL_API Ceilings measure_ceilings(const Plan& plan, Pool* pool);

// Collects what executors report. Not for several threads at once.
class DL_API Profile {
 public:
  struct Row {
    std::string stage, layer, kernel, note,
        output;  // note: attributes that name an algorithm or what is fused
    Phase phase = Phase::forward;
    bool half = false;             // the first operand has elements of 16 bits
    int64_t flops = 0, bytes = 0;  // of one call; bytes: all operands once
    int64_t calls = 0;
    double seconds = 0, least = 0;  // all calls together, the shortest
  };

  // Rows for the nodes of a plan; gives the index of the first.
  size_t add(const Plan& plan, const std::string& stage);
  void record(size_t row, double start, double end);  // seconds of one steady clock
  void set_ceilings(const Ceilings& c) { ceilings_ = c; }

  const std::vector<Row>& rows() const { return rows_; }
  // Seconds of one call at the machine's best: the longer of the times that operations and bytes would take.
  double floor(const Row& row) const;
  // The floor over the mean time.
  double roofline(const Row& row) const;

  std::string table() const;  // by kernel, then node by node, longest first
  json figures() const;
  // For chrome://tracing and Perfetto; the first 200,000 calls.
  std::string trace() const;
  // What the file's name asks for: .json figures, .trace a trace, all else the table.
  std::string as(const std::string& path) const;

 private:
  struct Event {
    size_t row;
    double start, end;
  };
  std::vector<Row> rows_;
  std::vector<Event> events_;
  Ceilings ceilings_;
};

}  // namespace dl
