#pragma once
// What a run asks of and tells its surroundings.
#include <functional>
#include <string>

#include "base/json.h"

namespace dl {

// All may be empty.
struct TrainHooks {
  // name and fields of an event: run_start, step, epoch, eval, checkpoint, warning, run_end
  std::function<void(const std::string& event, const json& fields)> event;
  std::function<void(const std::string& line)> note;  // for people
  std::function<void(int64_t step, int64_t total, const std::string& text)> progress;
  std::function<int()> stop;  // not 0: finish the batch, checkpoint, and return this code
  std::function<bool()> checkpoint_now;
  std::function<bool()> out_of_time;  // finish the step, checkpoint, and write what there is
};

// The hooks, called where they are there.
class RunLog {
 public:
  explicit RunLog(TrainHooks hooks) : hooks_(std::move(hooks)) {}
  bool wants_events() const { return static_cast<bool>(hooks_.event); }
  void event(const std::string& name, const json& fields) const {
    if (hooks_.event) hooks_.event(name, fields);
  }
  void note(const std::string& line) const {
    if (hooks_.note) hooks_.note(line);
  }
  void warn(const std::string& text) const {
    event("warning", {{"message", text}});
    note("warning: " + text);
  }
  bool wants_progress() const { return static_cast<bool>(hooks_.progress); }
  void progress(int64_t step, int64_t total, const std::string& text) const {
    if (hooks_.progress) hooks_.progress(step, total, text);
  }
  int stop() const { return hooks_.stop ? hooks_.stop() : 0; }
  bool checkpoint_now() const { return hooks_.checkpoint_now && hooks_.checkpoint_now(); }
  bool out_of_time() const { return hooks_.out_of_time && hooks_.out_of_time(); }

 private:
  TrainHooks hooks_;
};

}  // namespace dl
