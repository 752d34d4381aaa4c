#include "dl-hpo/trials.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <vector>

#include "base/json_text.h"
#include "base/str.h"
#include "cli/child.h"
#include "train/device.h"

namespace dl::hpo {
namespace {

constexpr size_t kMaxEvents = size_t{1} << 30;

// Held by a trial's trainer and by us while it runs, so that nobody takes a live trial for a lost one.
int take_lock(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT, 0666);  // inherited on purpose
  if (fd < 0) throw Error(Exit::io, str("cannot write '", path, "': ", std::strerror(errno)));
  if (::flock(fd, LOCK_EX | LOCK_NB) == 0) return fd;
  ::close(fd);
  return -1;
}

struct Running {
  Trial trial;
  TrialFiles files;
  std::string device;
  pid_t pid = 0;
  int lock = -1;
};

class Trials {
 public:
  Trials(cli::Invocation& in, Study& study, const std::string& path, const std::string& trainer)
      : in_(in),
        study_(study),
        path_(path),
        trainer_(trainer),
        devices_(devices_for(in.text("--device"))),
        jobs_(in.integer("--jobs")) {
    const auto devices = static_cast<int64_t>(devices_.size());
    if (devices_.empty() || jobs_ <= devices) return;
    in_.log.info(str("--jobs ", jobs_, ": one trial at a time runs on a device, and there ",
                     devices == 1 ? "is one, " : str("are ", devices, ", from "), devices_.front(),
                     devices == 1 ? "" : " to " + devices_.back()));
    jobs_ = devices;
  }
  ~Trials() {
    for (const Running& r : running_) ::kill(r.pid, SIGTERM);
    for (const Running& r : running_) {
      cli::Ended e;
      while (!cli::child_ended(r.pid, e)) pause();
    }
  }

  int run() {
    find_lost();
    const int64_t limit = study_.search().trials;
    cli::Progress progress(in_.log, in_.progress, limit, "trials");
    bool told = false;
    for (;;) {
      const int stop = cli::interrupted();
      if (stop && !told) {
        for (const Running& r : running_) ::kill(r.pid, SIGTERM);
        told = true;
      }
      while (!stop && !in_.out_of_time() && static_cast<int64_t>(running_.size()) < jobs_) {
        const auto next = study_.ask(limit);
        if (!next) break;
        start(*next);
      }
      if (running_.empty()) break;
      if (!reap()) pause();
      progress.update(done());
    }
    progress.finish();
    if (const int stop = cli::interrupted()) return stop;
    if (!study_.best())
      throw Error(Exit::numeric, str("none of ", study_.trials().size(), " trials came to an end"));
    return failures_ ? static_cast<int>(Exit::partial) : 0;
  }

 private:
  static void pause() {
    const timespec t{0, 10'000'000};
    nanosleep(&t, nullptr);
  }

  int64_t done() const {
    int64_t n = 0;
    for (const Trial& t : study_.trials()) n += t.state != TrialState::running && t.state != TrialState::lost;
    return n;
  }

  // Trials whose process ended without a word: theirs, ours of an earlier run, or the machine's.
  void find_lost() {
    std::vector<int64_t> running;
    for (const Trial& t : study_.trials())
      if (t.state == TrialState::running && !t.external) running.push_back(t.number);
    for (int64_t n : running) {
      const TrialFiles f = files_of(path_, n);
      std::filesystem::create_directories(f.folder);
      const int lock = take_lock(f.lock);
      if (lock < 0) continue;
      ::close(lock);
      study_.tell(n, TrialState::lost, {}, json::object(), "its process ended without a result");
      in_.log.warning(str("trial ", n, " was lost, it runs again with the same parameters"));
    }
  }

  // One that no running trial has: there are as many jobs as devices at most.
  std::string free_device() const {
    for (const std::string& d : devices_)
      if (std::none_of(running_.begin(), running_.end(), [&](const Running& r) { return r.device == d; }))
        return d;
    return "cpu";
  }

  void start(const Trial& trial) {
    Running r{trial, files_of(path_, trial.number), free_device(), 0, -1};
    write_config(study_, trial, r.files);
    r.lock = take_lock(r.files.lock);
    if (r.lock < 0) throw Error(Exit::io, str("trial ", trial.number, " is being run by another process"));
    std::vector<std::string> args{trainer_, "-c", r.files.config, "--data", in_.text("--data")};
    if (in_.has("--valid")) args.insert(args.end(), {"--valid", in_.text("--valid")});
    args.insert(args.end(),
                {"-o", r.files.model, "--events", r.files.events, "--seed", str(study_.seed_of(trial.number)),
                 "--threads", str(std::max<int64_t>(1, in_.threads / jobs_)), "--device", r.device,
                 "--progress", "none", "--resume", "auto"});
    r.pid = cli::start_child(args, r.files.log);
    in_.log.verbose(str("trial ", trial.number, ": ", trial.parameters.dump()));
    in_.events.emit("trial_start",
                    {{"trial", trial.number}, {"parameters", trial.parameters}, {"device", r.device}});
    running_.push_back(r);
  }

  bool reap() {
    for (size_t i = 0; i < running_.size(); ++i) {
      cli::Ended ended;
      if (!cli::child_ended(running_[i].pid, ended)) continue;
      const Running r = running_[i];
      running_.erase(running_.begin() + static_cast<std::ptrdiff_t>(i));
      finish(r, ended);
      ::close(r.lock);
      return true;
    }
    return false;
  }

  void finish(const Running& r, const cli::Ended& ended) {
    json metrics = json::object();
    std::optional<double> value;
    TrialState state = TrialState::failed;
    std::string why = ended.code == 0 ? "" : ended.text;
    if (ended.code == 0) {
      value = objective_in_events(read_text_file(r.files.events, kMaxEvents),
                                  study_.search().objective.name(), metrics);
      if (value)
        state = TrialState::complete;
      else
        why = str("its events have no finite '", study_.search().objective.name(), "'");
    } else if (cli::interrupted()) {
      state = TrialState::lost;
    }
    study_.tell(r.trial.number, state, value, metrics, why);
    in_.events.emit("trial_end", {{"trial", r.trial.number},
                                  {"state", name_of(state)},
                                  {"value", value ? json(*value) : json()},
                                  {"why", why}});
    const std::string line = str("trial ", r.trial.number, ": ", name_of(state),
                                 value ? str(", ", study_.search().objective.name(), " ", *value) : "",
                                 why.empty() ? "" : ", " + why);
    if (state != TrialState::failed) return in_.log.info(line);
    in_.log.warning(str(line, "; see ", r.files.log));
    const bool expected = ended.signal || ended.code == static_cast<int>(Exit::numeric);  // part of a search
    if (expected) return;
    ++failures_;
    if (in_.on("--keep-going")) return;
    const Exit code = ended.code == 0                      ? Exit::config
                      : ended.code > 1 && ended.code <= 10 ? static_cast<Exit>(ended.code)
                                                           : Exit::internal;
    throw Error(code, {}, str("trial ", r.trial.number, " failed: ", why),
                "see " + r.files.log + "; --keep-going goes on past failures");
  }

  cli::Invocation& in_;
  Study& study_;
  std::string path_, trainer_;
  std::vector<std::string> devices_;  // none for the CPU
  int64_t jobs_;
  std::vector<Running> running_;
  int failures_ = 0;
};

}  // namespace

TrialFiles files_of(const std::string& study, int64_t number) {
  char name[24];
  std::snprintf(name, sizeof name, "%04lld", static_cast<long long>(number));
  const std::string folder = str(study, ".trials/", name);
  return {folder,          folder + "/config.json", folder + "/model.h5", folder + "/events.jsonl",
          folder + "/log", folder + "/lock"};
}

void write_config(const Study& study, const Trial& trial, const TrialFiles& files) {
  std::error_code error;
  std::filesystem::create_directories(files.folder, error);
  std::ofstream out(files.config);
  out << study.config_of(trial).dump(2) << '\n';
  if (!out.flush()) throw Error(Exit::io, str("cannot write '", files.config, "'"));
}

int run_trials(cli::Invocation& in, Study& study, const std::string& path, const std::string& trainer) {
  return Trials(in, study, path, trainer).run();
}

}  // namespace dl::hpo
