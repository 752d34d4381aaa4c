#include "dl-hpo/trials.h"

#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <ctime>
#include <filesystem>
#include <list>
#include <set>
#include <vector>

#include "base/clock.h"
#include "base/str.h"
#include "cli/child.h"
#include "cli/signals.h"
#include "dl-hpo/trial_run.h"
#include "train/device.h"

namespace dl::hpo {
namespace {

class Trials {
 public:
  Trials(cli::Invocation& in, Study& study, const std::string& path, const std::string& trainer)
      : in_(in),
        study_(study),
        path_(path),
        devices_(devices_for(in.text("--device"))),
        jobs_(in.integer("--jobs")),
        setting_{study, path, trainer, in.text("--data"), in.text("--valid"), in.text("--launcher")} {
    const auto devices = static_cast<int64_t>(devices_.size());
    if (!devices_.empty() && jobs_ > devices) {
      in_.log.info(str("--jobs ", jobs_, ": one trial at a time runs on a device, and there ",
                       devices == 1 ? "is one, " : str("are ", devices, ", from "), devices_.front(),
                       devices == 1 ? "" : " to " + devices_.back()));
      jobs_ = devices;
    }
    setting_.threads = std::max<int64_t>(1, in.threads / jobs_);
  }
  ~Trials() {
    stop_all();
    while (!running_.empty()) {
      running_.remove_if([](TrialRun& r) { return r.poll(); });
      pause();
    }
  }

  int run() {
    cli::Progress progress(in_.log, in_.progress, study_.limit(), "trials");
    double looked = -1;
    for (;;) {
      const int stop = cli::interrupted();
      if (stop) stop_all();
      if (steady_seconds() - looked > 1) {
        find_lost();
        looked = steady_seconds();
        idle_ = false;
      }
      if (!stop && !in_.out_of_time()) fill();
      if (running_.empty() && (stop || in_.out_of_time() || !others_work())) break;
      if (!reap()) pause();
      progress.update(done());
    }
    progress.finish();
    if (const int stop = cli::interrupted()) return stop;
    if (!study_.best())
      throw Error(Exit::numeric, str("none of ", study_.trials().size(), " trials came to an end",
                                     study_.search().constraints.empty() ? "" : " within the constraints"));
    return failures_ ? static_cast<int>(Exit::partial) : 0;
  }

 private:
  static void pause() {
    const timespec t{0, 10'000'000};
    nanosleep(&t, nullptr);
  }

  void stop_all() {
    for (TrialRun& r : running_) r.stop();
  }

  int64_t done() const {
    return std::count_if(study_.trials().begin(), study_.trials().end(),
                         [](const Trial& t) { return t.finished(); });
  }

  bool ours(int64_t number) const {
    return std::any_of(running_.begin(), running_.end(),
                       [&](const TrialRun& r) { return r.trial().number == number; });
  }

  // Whether other processes still run trials, which may yet be lost, or trials wait for theirs.
  bool others_work() {
    return std::any_of(study_.trials().begin(), study_.trials().end(), [&](const Trial& t) {
      return t.state == TrialState::lost ||
             (t.state == TrialState::running && (!t.external || waits_for_ == t.number));
    });
  }

  // Trials whose process ended without a word: theirs, ours of an earlier run, or the machine's.
  void find_lost() {
    study_.refresh();
    std::vector<int64_t> running;
    for (const Trial& t : study_.trials())
      if (t.state == TrialState::running && !t.external && !ours(t.number)) running.push_back(t.number);
    for (int64_t n : running) {
      const TrialFiles f = files_of(path_, n);
      std::filesystem::create_directories(f.folder);
      const int lock = take_lock(f.lock);
      if (lock < 0) continue;
      study_.refresh();  // it may have ended since
      const bool lost = study_.trials()[static_cast<size_t>(n)].state == TrialState::running;
      if (lost) study_.tell(n, {.state = TrialState::lost, .why = "its process ended without a result"});
      ::close(lock);
      if (lost) in_.log.warning(str("trial ", n, " was lost, it runs again with the same parameters"));
    }
  }

  // Starts what may run now. After a no there is nothing new until a trial ends.
  void fill() {
    while (!idle_ && static_cast<int64_t>(running_.size()) < jobs_) {
      const auto next = study_.ask(false, &waits_for_);
      if (next) {
        start(*next);
        continue;
      }
      idle_ = true;
      if (waits_for_ && study_.trials()[static_cast<size_t>(*waits_for_)].external && said_ != waits_for_)
        in_.log.info(str("waiting for the result of trial ", *waits_for_, ", which was asked for by hand"));
      said_ = waits_for_;
    }
  }

  // One that no running trial has: there are as many jobs as devices at most.
  std::string free_device() const {
    for (const std::string& d : devices_)
      if (std::none_of(running_.begin(), running_.end(), [&](const TrialRun& r) { return r.device() == d; }))
        return d;
    return "cpu";
  }

  int64_t free_slot() const {
    int64_t slot = 0;
    while (std::any_of(running_.begin(), running_.end(), [&](const TrialRun& r) { return r.slot() == slot; }))
      ++slot;
    return slot;
  }

  void start(const Trial& trial) {
    const TrialFiles files = files_of(path_, trial.number);
    std::filesystem::create_directories(files.folder);
    const int lock = take_lock(files.lock);
    if (lock < 0) return;  // who was given it first has come back to it
    const std::string device = free_device();
    running_.emplace_back(setting_, guard_, trial, lock, device, free_slot());
    in_.log.verbose(str("trial ", trial.number, ": ", trial.parameters.dump()));
    json fields{{"trial", trial.number}, {"parameters", trial.parameters}, {"device", device}};
    if (trial.parent) fields["parent"] = *trial.parent;
    in_.events.emit("trial_start", fields);
  }

  bool reap() {
    bool any = false;
    for (auto r = running_.begin(); r != running_.end();) {
      if (!r->poll()) {
        ++r;
        continue;
      }
      std::list<TrialRun> ended;
      const auto it = r++;
      ended.splice(ended.begin(), running_, it);
      finish(ended.front());
      any = true;
      idle_ = false;
    }
    return any;
  }

  // Its launcher, or whoever killed it, is to blame and not its parameters.
  bool worth_another_start(const TrialRun& r) const {
    const cli::Ended& e = r.ended();
    if (e.code == 0) return false;
    const bool stopped = e.signal == SIGKILL || e.signal == SIGTERM || e.signal == SIGINT ||
                         e.signal == SIGHUP || e.code == static_cast<int>(Exit::interrupted) ||
                         e.code == static_cast<int>(Exit::terminated);
    return (stopped || (!setting_.launcher.empty() && !r.trainer_started())) &&
           r.trial().launches <= study_.search().retries;
  }

  void finish(TrialRun& r) {
    Outcome o = r.outcome();
    if (o.state == TrialState::failed && (cli::interrupted() || worth_another_start(r)))
      o.state = TrialState::lost;
    if (o.state == TrialState::failed && !setting_.launcher.empty() && !r.trainer_started())
      o.why = str("the launcher failed: ", o.why);
    const int64_t number = r.trial().number;
    study_.tell(number, o);
    r.release();
    if (o.state != TrialState::lost) tidy(number);
    in_.events.emit("trial_end", {{"trial", number},
                                  {"state", name_of(o.state)},
                                  {"value", o.value ? json(*o.value) : json()},
                                  {"why", o.why}});
    report(r, o);
  }

  void report(const TrialRun& r, const Outcome& o) {
    const Trial& t = study_.trials()[static_cast<size_t>(r.trial().number)];
    const std::string line = str("trial ", t.number, ": ", t.feasible ? name_of(o.state) : "not feasible",
                                 o.value ? str(", ", study_.search().objective.name(), " ", *o.value) : "",
                                 t.why.empty() ? "" : ", " + t.why);
    if (o.state == TrialState::lost)
      return in_.log.warning(line + "; it runs again with the same parameters");
    if (o.state != TrialState::failed) return in_.log.info(line);
    in_.log.warning(str(line, "; see ", r.log()));
    const cli::Ended& e = r.ended();  // divergence, and networks that are too large, are part of a search
    if (e.signal || e.code == static_cast<int>(Exit::numeric) || e.code == static_cast<int>(Exit::memory))
      return;
    ++failures_;
    if (in_.on("--keep-going")) return;
    const Exit code = e.code == 0                  ? Exit::config
                      : e.code > 1 && e.code <= 10 ? static_cast<Exit>(e.code)
                                                   : Exit::internal;
    throw Error(code, {}, str("trial ", t.number, " failed: ", o.why),
                "see " + r.log() + "; --keep-going goes on past failures");
  }

  // With --keep best: models and checkpoints of trials that cannot become the best any more.
  void tidy(int64_t ended) {
    if (in_.text("--keep") != "best") return;
    const Trial* best = study_.best();
    std::vector<int64_t> drop;
    if (!best || best->number != ended) drop.push_back(ended);
    if (best && best->number == ended && kept_ && *kept_ != ended) drop.push_back(*kept_);
    if (best) kept_ = best->number;
    for (int64_t n : drop)
      for (int64_t run = 0; run < study_.search().runs(); ++run) {
        const RunFiles f = files_of_run(study_.search(), files_of(path_, n), run);
        std::error_code error;
        std::filesystem::remove_all(f.state, error);
        std::filesystem::remove(f.model, error);
      }
  }

  cli::Invocation& in_;
  Study& study_;
  std::string path_;
  std::vector<std::string> devices_;  // none for the CPU
  int64_t jobs_;
  Setting setting_;
  cli::Guard guard_;
  std::list<TrialRun> running_;
  std::optional<int64_t> waits_for_, said_, kept_;
  bool idle_ = false;
  int failures_ = 0;
};

}  // namespace

int run_trials(cli::Invocation& in, Study& study, const std::string& path, const std::string& trainer) {
  return Trials(in, study, path, trainer).run();
}

}  // namespace dl::hpo
