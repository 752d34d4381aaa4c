#pragma once
// Where the time of a run goes, node by node, beside what the machine could do.
#include <string>
#include <vector>

#include "exec/plan.h"

namespace dl {

// Measured at the time of asking, with all workers of the pool at once; takes about 0.1 s.
struct Ceilings {
  double flops = 0;  // multiply-adds in f32, counted as two, per second
  double bytes = 0;  // to and from main memory per second: two streams read, one written past the caches
};
DL_API Ceilings measure_ceilings(Pool* pool, Isa isa);

// Collects what executors report. Not for several threads at once.
class DL_API Profile {
 public:
  struct Row {
    std::string stage, layer, kernel, note,
        output;  // note: attributes that name an algorithm or what is fused
    Phase phase = Phase::forward;
    int64_t flops = 0, bytes = 0;  // of one call; bytes: all operands once
    int64_t calls = 0;
    double seconds = 0, least = 0;  // all calls together, the shortest
  };

  // Rows for the nodes of a plan; gives the index of the first.
  size_t add(const Plan& plan, const std::string& stage);
  void record(size_t row, double start, double end);  // seconds of one steady clock
  void set_ceilings(const Ceilings& c) { ceilings_ = c; }

  const std::vector<Row>& rows() const { return rows_; }
  // Share of the machine's best: the longer of the times that operations and bytes would take, over the mean time.
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
