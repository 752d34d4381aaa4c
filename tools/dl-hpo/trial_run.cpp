#include "dl-hpo/trial_run.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "base/clock.h"
#include "base/str.h"
#include "dl-hpo/launcher.h"

namespace dl::hpo {
namespace {

constexpr double kGrace = 10;  // seconds between SIGTERM and SIGKILL

// Means of the numbers that all records have, by name.
json mean_metrics(const std::vector<json>& all) {
  if (all.size() == 1) return all[0];
  json out = json::object();
  for (const auto& item : all[0].items()) {
    double sum = 0;
    bool every = true;
    for (const json& m : all) {
      const auto v = m.find(item.key());
      every = every && v != m.end() && v->is_number();
      if (every) sum += v->get<double>();
    }
    if (every) out[item.key()] = sum / static_cast<double>(all.size());
  }
  return out;
}

double mean(const std::vector<double>& values) {
  double sum = 0;
  for (double v : values) sum += v;
  return sum / static_cast<double>(values.size());
}

// The first of the trials that this one goes on from: all have its seed.
int64_t ancestor(const Study& study, Trial t) {
  while (t.parent) t = study.trials()[static_cast<size_t>(*t.parent)];
  return t.number;
}

}  // namespace

TrialFiles files_of(const std::string& study, int64_t number) {
  char name[24];
  std::snprintf(name, sizeof name, "%04lld", static_cast<long long>(number));
  const std::string folder = str(study, ".trials/", name);
  return {folder, folder + "/config.json", folder + "/lock"};
}

RunFiles files_of_run(const SearchConfig& search, const TrialFiles& trial, int64_t run) {
  const std::string folder = search.runs() == 1 ? trial.folder : str(trial.folder, "/run_", run);
  return {folder + "/model.h5", folder + "/events.jsonl", folder + "/log", folder + "/model.h5.state"};
}

void write_config(const Study& study, const Trial& trial, const TrialFiles& files) {
  std::error_code error;
  std::filesystem::create_directories(files.folder, error);
  std::ofstream out(files.config);
  out << study.config_of(trial).dump(2) << '\n';
  if (!out.flush()) throw Error(Exit::io, str("cannot write '", files.config, "'"));
}

int take_lock(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (fd < 0) throw Error(Exit::io, str("cannot write '", path, "': ", std::strerror(errno)));
  if (::flock(fd, LOCK_EX | LOCK_NB) == 0) return fd;
  ::close(fd);
  return -1;
}

TrialRun::TrialRun(const Setting& setting, cli::Guard& guard, const Trial& trial, int lock,
                   const std::string& device, int64_t slot)
    : setting_(&setting),
      guard_(&guard),
      trial_(trial),
      files_(files_of(setting.path, trial.number)),
      device_(device),
      slot_(slot),
      lock_(lock),
      events_(setting.study.search().objective.name()),
      began_(steady_seconds()) {
  try {
    write_config(setting.study, trial, files_);
    start_run();
  } catch (...) {
    release();
    throw;
  }
}

void TrialRun::start_run() {
  const Study& study = setting_->study;
  const SearchConfig& search = study.search();
  const RunFiles f = files_of_run(search, files_, run_);
  std::error_code error;
  std::filesystem::create_directories(std::filesystem::path(f.model).parent_path(), error);
  if (trial_.parent) adopt_state(f);
  std::vector<std::string> args{setting_->trainer, "-c", files_.config, "--data", setting_->data};
  if (!setting_->valid.empty()) args.insert(args.end(), {"--valid", setting_->valid});
  if (search.folds) args.insert(args.end(), {"-s", str("train.fold=", run_ % search.folds)});
  const int64_t repeat = search.folds ? run_ / search.folds : run_;
  args.insert(
      args.end(),
      {"-o", f.model, "--events", f.events, "--seed", str(study.seed_of(ancestor(study, trial_), repeat)),
       "--threads", str(setting_->threads), "--device", device_, "--progress", "none", "--resume", "auto"});
  if (!setting_->launcher.empty())
    args = launched(setting_->launcher, args, {{"trial", str(trial_.number)}, {"job", str(slot_)}});
  events_ = EventReader(search.objective.name());
  ::fcntl(lock_, F_SETFD, 0);  // this trainer inherits it, those of other trials do not
  pid_ = cli::start_child(args, f.log);
  ::fcntl(lock_, F_SETFD, FD_CLOEXEC);
  guard_->watch(pid_);
}

// The last state of the parent, copied whole or not at all.
void TrialRun::adopt_state(const RunFiles& files) const {
  namespace fs = std::filesystem;
  if (fs::exists(files.state)) return;  // of an earlier start
  const std::string from =
      files_of_run(setting_->study.search(), files_of(setting_->path, *trial_.parent), run_).state;
  const std::string partial = files.state + ".part";
  std::error_code error;
  fs::remove_all(partial, error);
  fs::copy(from, partial, fs::copy_options::recursive, error);
  if (!error) fs::rename(partial, files.state, error);
  if (error)
    throw Error(
        Exit::io, {},
        str("cannot copy the state of trial ", *trial_.parent, " from '", from, "': ", error.message()),
        "trials that go on from others need checkpoints: train.save.every is \"1 epoch\" or so");
}

std::vector<std::pair<int64_t, double>> TrialRun::curve() const {
  std::vector<std::pair<int64_t, double>> out;
  if (setting_->study.search().runs() == 1) return {events_.curve().begin(), events_.curve().end()};
  for (size_t i = 0; i < values_.size(); ++i)  // the mean after each run
    out.emplace_back(static_cast<int64_t>(i) + 1,
                     mean({values_.begin(), values_.begin() + static_cast<std::ptrdiff_t>(i) + 1}));
  return out;
}

// Whether its curve so far says that it is to be pruned.
bool TrialRun::judge() {
  const auto points = curve();
  if (pruned_ || points.size() == judged_) return pruned_;
  judged_ = points.size();
  const auto stop = setting_->study.stop(trial_.number, points);
  if (!stop || (setting_->study.search().runs() > 1 &&
                values_.size() == static_cast<size_t>(setting_->study.search().runs())))
    return false;
  pruned_ = true;
  outcome_.state = TrialState::pruned;
  outcome_.why = stop->second;
  outcome_.curve.assign(points.begin(), points.begin() + static_cast<std::ptrdiff_t>(stop->first) + 1);
  outcome_.value = outcome_.curve.back().second;
  return true;
}

void TrialRun::stop() {
  if (stopped_ >= 0 || pid_ == 0) return;
  stopped_ = steady_seconds();
  cli::signal_group(pid_, SIGTERM);
}

void TrialRun::release() {
  if (lock_ >= 0) ::close(lock_);
  lock_ = -1;
}

bool TrialRun::poll() {
  const RunFiles f = files_of_run(setting_->study.search(), files_, run_);
  const bool gone = cli::child_ended(pid_, ended_);
  events_.read(f.events);
  if (!gone) {
    if (judge()) stop();
    if (stopped_ >= 0 && !killed_ && steady_seconds() - stopped_ > kGrace) {
      killed_ = true;
      cli::signal_group(pid_, SIGKILL);
    }
    return false;
  }
  guard_->forget(pid_);
  pid_ = 0;
  finish_run();
  const bool more = outcome_.state == TrialState::complete &&
                    values_.size() < static_cast<size_t>(setting_->study.search().runs());
  if (more && stopped_ < 0) {
    ++run_;
    start_run();
    return false;
  }
  if (more) outcome_.state = TrialState::lost, outcome_.why = "stopped between its runs";
  outcome_.seconds = steady_seconds() - began_;
  return true;
}

void TrialRun::finish_run() {
  const SearchConfig& search = setting_->study.search();
  if (search.runs() == 1 && judge()) return;
  outcome_ = {};
  const auto value = events_.objective();
  outcome_.state = ended_.code == 0 && value ? TrialState::complete : TrialState::failed;
  if (ended_.code != 0)
    outcome_.why = ended_.text;
  else if (!value)
    outcome_.why = str("its events have no finite '", search.objective.name(), "'");
  if (outcome_.state != TrialState::complete) {
    outcome_.curve = curve();
    return;
  }
  values_.push_back(*value);
  metrics_.push_back(events_.metrics());
  if (search.runs() > 1 && judge()) return;
  outcome_.value = mean(values_);
  outcome_.curve = curve();
  outcome_.metrics = mean_metrics(metrics_);
  if (search.runs() == 1) return;
  double square = 0;
  for (double v : values_) square += (v - *outcome_.value) * (v - *outcome_.value);
  const auto n = static_cast<double>(values_.size());
  outcome_.metrics["runs"] = values_;
  outcome_.metrics["standard_deviation"] = n > 1 ? std::sqrt(square / (n - 1)) : 0;
}

}  // namespace dl::hpo
