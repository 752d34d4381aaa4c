#pragma once
// A study: what is searched for, and every trial so far, kept in a journal that survives a crash at any point.
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "search/journal.h"
#include "search/sampler.h"

namespace dl {

// How a trial ended.
struct Outcome {
  TrialState state = TrialState::complete;
  std::optional<double> value = {};
  json metrics = json::object();
  std::string why = {};
  std::vector<std::pair<int64_t, double>> curve = {};
  double seconds = 0;
};

class DL_API Study {
 public:
  // A new study, or the one at `path` when it has the same config, space, objective and seed; the number of trials may
  // have grown. Throws Error(Exit::config) when they differ. `config` is the resolved config without "search".
  static Study open_or_create(const std::string& path, const json& config, const json& search, uint64_t seed);
  static Study open(const std::string& path);

  const json& config() const { return config_; }
  const SearchConfig& search() const { return search_; }
  const std::vector<Dimension>& space() const { return space_; }
  uint64_t seed() const { return seed_; }
  const std::vector<Trial>& trials() const { return trials_; }
  bool repaired() const { return journal_->repaired(); }
  SearchContext context() const { return {search_, space_, config_, seed_}; }
  // Trials in all: those asked for in the config, or what there is of a grid.
  int64_t limit() const;

  json config_of(const Trial& t) const;
  uint64_t seed_of(int64_t number,
                   int64_t repeat = 0) const;  // of the trial's own random choices: below 2^31
  const Trial* best() const;  // null before the first complete, feasible trial; the earliest of equals

  // The next trial: a lost one again with the same parameters, else a new one. nullopt when all are given out, or when
  // the next one has to wait for results: `waits_for` is then the first trial it waits for.
  std::optional<Trial> ask(bool external = false, std::optional<int64_t>* waits_for = nullptr);
  // Throws Error(Exit::usage) for a trial that was never asked for.
  void tell(int64_t number, const Outcome& outcome);
  // A value on the way, of a trial that was asked for by hand: why it should be stopped, nullopt when it should go on.
  std::optional<std::string> report(int64_t number, int64_t step, double value);
  // Why a trial with this curve is to be stopped, after which point of it; nullopt: it goes on.
  std::optional<std::pair<size_t, std::string>> stop(
      int64_t number, const std::vector<std::pair<int64_t, double>>& curve) const;
  void refresh();  // what other processes wrote

 private:
  explicit Study(std::unique_ptr<Journal> journal) : journal_(std::move(journal)) {}
  void read(const json& record);
  void start(const json& header);
  void read_ask(const json& record, int64_t number);
  void read_tell(const json& record, Trial& t);
  json next(int64_t limit, bool external, std::optional<int64_t>& waits_for) const;
  std::string broken_constraint(const Trial& t, const json& metrics) const;
  Trial& asked(int64_t number);
  std::unique_ptr<Journal> journal_;
  json header_;
  json config_;
  SearchConfig search_;
  std::vector<Dimension> space_;
  uint64_t seed_ = 0;
  std::vector<Trial> trials_;
};

}  // namespace dl
