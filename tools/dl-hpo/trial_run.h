#pragma once
// One trial at work: its files, the runs of the trainer it consists of, and what comes of them.
#include <sys/types.h>

#include <string>
#include <vector>

#include "cli/child.h"
#include "search/events.h"
#include "search/study.h"

namespace dl::hpo {

// Of a trial, and of each of its runs: in the trial's folder when there is one, else in run_0, run_1, ...
struct TrialFiles {
  std::string folder, config, lock;
};
struct RunFiles {
  std::string model, events, log, state;
};
TrialFiles files_of(const std::string& study, int64_t number);
RunFiles files_of_run(const SearchConfig& search, const TrialFiles& trial, int64_t run);
// Writes the trial's config.json into its folder.
void write_config(const Study& study, const Trial& trial, const TrialFiles& files);

// Held by a trial's trainer and by us while it runs, so that nobody takes a live trial for a lost one; -1 when another
// process has it.
int take_lock(const std::string& path);

// What all trials of a search share.
struct Setting {
  const Study& study;
  std::string path, trainer, data, valid, launcher;
  int64_t threads = 1;
};

class TrialRun {
 public:
  // Starts the first run. `lock`: of take_lock(), kept. `slot`: 0 ... jobs - 1, no two at the same time. Throws
  // Error(Exit::io).
  TrialRun(const Setting& setting, cli::Guard& guard, const Trial& trial, int lock, const std::string& device,
           int64_t slot);

  const Trial& trial() const { return trial_; }
  const std::string& device() const { return device_; }
  int64_t slot() const { return slot_; }
  std::string log() const { return files_of_run(setting_->study.search(), files_, run_).log; }

  // Looks after it: reads events, ends a trial that is to be pruned, starts the next run. True when it has ended.
  bool poll();
  // Asks it to stop; poll() kills what has not ended after ten seconds.
  void stop();
  void release();  // the lock, once its outcome is on record

  Outcome outcome() const { return outcome_; }
  // Why the trainer ended the trial: exit code 0 when all is well.
  const cli::Ended& ended() const { return ended_; }
  bool trainer_started() const { return events_.started(); }

 private:
  void start_run();
  void adopt_state(const RunFiles& files) const;
  bool judge();
  void finish_run();
  std::vector<std::pair<int64_t, double>> curve() const;

  const Setting* setting_;
  cli::Guard* guard_;
  Trial trial_;
  TrialFiles files_;
  std::string device_;
  int64_t slot_ = 0, run_ = 0;
  pid_t pid_ = 0;
  int lock_ = -1;
  EventReader events_;
  std::vector<double> values_;       // of the runs so far
  std::vector<json> metrics_;        // of the runs so far
  double began_ = 0, stopped_ = -1;  // of the monotonic clock
  bool pruned_ = false, killed_ = false;
  size_t judged_ = 0;  // points of the curve
  cli::Ended ended_;
  Outcome outcome_;
};

}  // namespace dl::hpo
