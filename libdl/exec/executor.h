#pragma once
// Walks a plan, on the CPU or on the device that the plan is for. All memory is taken when the executor is made; running
// allocates nothing.
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "exec/arena.h"
#include "exec/device_session.h"
#include "exec/plan.h"
#include "exec/profile.h"

namespace dl {

class DL_API Executor {
 public:
  // Binds parameters and state by name to tensors of `state`, which must hold them with the right types (Error,
  // internal, if not) and must outlive the executor. The pool is shared, and so is the arena where one is given: on a
  // device it holds what has become of `state` (Arena::fetch). Error (memory) when the device has too little of it.
  Executor(Plan plan, Pool* pool, TensorMap& state, uint64_t seed = 0,
           std::shared_ptr<Arena> arena = nullptr);

  const Plan& plan() const { return plan_; }
  const Graph& graph() const { return plan_.graph; }
  bool has_input(std::string_view name) const;
  // Binds an input leaf to host memory that stays valid until the run is over. Error (internal) for a wrong type.
  // On a device the value is copied at once and takes the place of the old one when a run begins at the first node:
  // batches can be fed while the device still works on the one before.
  void feed(std::string_view name, const Tensor& value);
  void feed_scalar(std::string_view name,
                   double value);  // f32[] or i64[] inputs such as "learning_rate" and "step"

  void run() { run(0, plan_.graph.nodes.size()); }
  // Nodes [first, last), for callers that look at a value before the step goes on.
  void run(size_t first, size_t last);
  // Until everything that was run is done; needed for timing alone.
  void wait() {
    if (session_) session_->device().wait();
  }
  // To be called when parameters or state were changed from outside: what was computed from them alone is stale.
  void refresh() { prepared_ = false; }
  // Reports the time of every node from now on; nothing is reported to null. `stage` heads its rows.
  void report_to(Profile* profile, const std::string& stage);
  // Index behind the node that computes an output: everything before it has run once that node has.
  size_t end_of(std::string_view output) const;

  // A graph output, on the host; valid until the next run of an executor with this arena.
  const void* output(std::string_view name);
  float scalar(std::string_view name);
  const TensorType& output_type(std::string_view name) const;

  // For reports of divergence: the first node (in order) up to `last` whose f32 outputs hold a NaN or an infinity when
  // the step is run again from the current state, or a leaf that does. Empty when all is finite.
  struct Culprit {
    std::string what, origin;
  };
  Culprit find_non_finite(size_t last);

 private:
  struct Step {
    const Kernel* kernel;
    Call call;
    const Work* work;
  };
  void bind_leaves(TensorMap& state);
  void bind_arena();

  Plan plan_;
  Pool* pool_;
  std::shared_ptr<Arena> arena_;
  std::unique_ptr<DeviceSession> session_;  // null on the CPU
  const char* bound_ = nullptr;             // where the arena was when addresses were taken
  std::vector<void*> address_;              // per value
  std::vector<Arg> args_;                   // operands of all nodes, one after the other
  std::vector<Step> steps_;
  std::vector<std::vector<size_t>> uses_;  // per value: which args_ point at it
  std::vector<Tensor> fed_;                // per value: keeps fed memory alive
  struct Copy {
    ValueId from, to;
  };
  const void* on_host(ValueId v);
  void run_step(size_t k, int first_phase, const Work& work);
  void copy_updates();
  void prepare();
  void run_nodes(size_t first, size_t last);
  Profile* profile_ = nullptr;
  size_t profile_row_ = 0;
  bool prepared_ = false;     // the prologue has run
  std::vector<Copy> copies_;  // updates that could not be written in place
};

}  // namespace dl
