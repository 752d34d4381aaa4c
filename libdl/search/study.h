#pragma once
// A study: what is searched for, and every trial so far, kept in a journal that survives a crash at any point.
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "search/journal.h"
#include "search/search_config.h"
#include "search/space.h"

namespace dl {

enum class TrialState { running, complete, pruned, failed, lost };
DL_API std::string_view name_of(TrialState s);

struct Trial {
  int64_t number = 0;
  json parameters = json::object();
  TrialState state = TrialState::running;
  std::optional<double> value;  // of the objective, when complete and finite
  json metrics = json::object();
  std::string why;        // failed, lost: what happened
  bool external = false;  // asked for by hand: its owner tells how it ended
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

  json parameters_of(int64_t number) const { return sample_random(space_, config_, seed_, number); }
  json config_of(const Trial& t) const { return apply_parameters(config_, t.parameters); }
  uint64_t seed_of(int64_t number) const;  // of the trial's own random choices: below 2^31
  const Trial* best() const;               // null before the first complete trial; the earliest of equals

  // The next trial: a lost one again with the same parameters, else a new one. nullopt when `limit` trials exist.
  std::optional<Trial> ask(int64_t limit, bool external = false);
  void tell(int64_t number, TrialState state, std::optional<double> value, const json& metrics,
            const std::string& why);
  void refresh();  // what other processes wrote

 private:
  explicit Study(std::unique_ptr<Journal> journal) : journal_(std::move(journal)) {}
  void read(const json& record);
  void start(const json& header);
  std::unique_ptr<Journal> journal_;
  json header_;
  json config_;
  SearchConfig search_;
  std::vector<Dimension> space_;
  uint64_t seed_ = 0;
  std::vector<Trial> trials_;
};

// The objective's value in a trainer's event stream (JSON lines): that of "run_end", else the last one reported.
// "valid.accuracy" is looked for as that key, as the path valid/accuracy, and as "accuracy" in an event or its
// "metrics" whose "split" is "valid". nullopt when it never came or is not finite. `metrics` gets the metrics of the
// event it came from.
DL_API std::optional<double> objective_in_events(std::string_view events, const std::string& name,
                                                 json& metrics);

}  // namespace dl
