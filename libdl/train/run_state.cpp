#include "train/run_state.h"

#include <cstring>

#include "base/str.h"
#include "train/average_graph.h"
#include "train/monitor.h"
#include "train/resume.h"

namespace dl {

RunState::RunState(const RunSetup& setup, const RunLog& log)
    : arena(std::make_shared<Arena>(setup.options.device)), setup_(setup), log_(log) {}

void RunState::start() {
  counters.data_hash = setup_.data.artifact().content_hash();
  store = initial_values(setup_.whole, setup_.request.seed, setup_.pool.get());
  const TrainRequest& request = setup_.request;
  if (request.resume != "none" && restore()) return;
  if (!request.init_from.empty()) take_parameters(ModelFile::load(request.init_from, request.tmp));
  if (setup_.config.average) start_averages();
}

void RunState::start_averages() {
  for (const auto& [name, tensor] : trained_tensors()) {
    Tensor& average = store.at(name + std::string(kAverageSuffix));
    std::memcpy(average.raw(), tensor.raw(), static_cast<size_t>(tensor.bytes()));
  }
}

bool RunState::restore() {
  const TrainRequest& request = setup_.request;
  const std::string folder = request.resume == "auto" ? request.state_dir : request.resume;
  if (folder.empty()) return false;
  const auto loaded = StateStore(folder).load();
  if (!loaded) {
    if (request.resume == "auto") return false;
    throw Error(Exit::data, str(folder, ": holds no checkpoint, expected one to resume from"));
  }
  if (!loaded->note.empty()) log_.warn(loaded->note);
  for (const std::string& line : check_resume(loaded->state.model.config, request.config))
    log_.warn("resumed with a change: " + line);
  RunCounters saved;
  try {
    parse_fields(saved, loaded->state.counters, "");
  } catch (const Error& e) {
    throw Error(Exit::data, str(loaded->path, ": its counters do not read: ", e.what()));
  }
  if (saved.data_hash != counters.data_hash)
    throw Error(
        Exit::config, "",
        str("cannot resume: ", setup_.data.name(), " is not the data set that the checkpoint was made with"),
        "start anew with --resume none, or take the weights with --init-from");
  adopt_tensors(loaded->state.model.parameters, loaded->path, store);
  adopt_tensors(loaded->state.state, loaded->path, store);
  best = loaded->state.best;
  history = loaded->state.model.history;
  counters = saved;
  has_checkpoint_ = true;
  if (counters.finished && !run_is_over(setup_.config, setup_.total_steps(), counters)) {
    counters.finished = false;
    if (counters.cut && !history.empty()) history.erase(history.size() - 1);  // of a part of an epoch
    counters.cut = false;
  }
  if (counters.batch >= setup_.loader.batches()) counters.batch = 0;
  log_.event("resume", {{"from", loaded->path},
                        {"step", counters.step},
                        {"epoch", counters.epoch},
                        {"batch", counters.batch}});
  log_.note(str("resumed at step ", counters.step, ", epoch ", counters.epoch + 1, " from ", loaded->path));
  return true;
}

void RunState::take_parameters(const ModelFile& from) {
  std::vector<std::string> names;
  for (const Parameter& p : setup_.whole.parameters) names.push_back(p.name);
  for (const StateLeaf& s : setup_.whole.states)
    if (!s.optimizer) names.push_back(s.name);
  counters.init_hash = from.content_hash;
  const Taken taken = take_tensors(from.parameters, names, store);
  if (taken.misfits.empty()) return;
  const std::string& path = setup_.request.init_from;
  if (!setup_.request.partial)
    throw Error(Exit::config, "", str(path, ": does not fit the network. ", taken.misfits),
                "--partial takes what fits");
  log_.warn(str("took ", taken.count, " of ", names.size(), " tensors from ", path, ". ", taken.misfits));
}

bool RunState::averaged() const { return ema_of(setup_.config.average) || counters.averaged > 0; }

TensorMap RunState::tensors(bool averaged) const {
  arena->fetch();
  const std::string suffix(averaged ? kAverageSuffix : "");
  TensorMap out;
  for (const Parameter& p : setup_.whole.parameters) out[p.name] = store.at(p.name + suffix);
  for (const StateLeaf& s : setup_.whole.states)
    if (!s.optimizer) out[s.name] = store.at(s.name + suffix);
  return out;
}

void RunState::keep_best() {
  for (const auto& [name, tensor] : model_tensors()) {
    Tensor& kept = best[name];
    if (!kept.defined()) kept = Tensor(tensor.type());
    std::memcpy(kept.raw(), tensor.raw(), static_cast<size_t>(tensor.bytes()));
  }
}

ModelFile RunState::model_file(TensorMap tensors) const {
  ModelFile file;
  file.config = setup_.request.config;
  file.data_schema = setup_.data.schema_json();
  file.preparation = setup_.data.preparation();
  file.parameters = std::move(tensors);
  file.history = history;
  file.parents = {{"dataset", counters.data_hash}};
  if (!counters.init_hash.empty()) file.parents.push_back({"model", counters.init_hash});
  json inputs{{"data", counters.data_hash}};
  if (setup_.valid_file) inputs["valid"] = setup_.valid_file->artifact().content_hash();
  if (!counters.init_hash.empty()) inputs["init_from"] = counters.init_hash;
  if (setup_.request.recipe) file.recipe_hash = setup_.request.recipe(inputs);
  return file;
}

void RunState::checkpoint() {
  const std::string& folder = setup_.request.state_dir;
  if (folder.empty()) return;
  StateFile state;
  state.model = model_file(trained_tensors());
  const bool within_step = counters.batch % setup_.config.accumulate != 0;
  for (const StateLeaf& s : setup_.whole.states)
    if (s.optimizer && (within_step || !s.name.ends_with(kGradientSuffix)))
      state.state[s.name] = store.at(s.name);
  state.best = best;
  state.counters = dump_fields(counters);
  StateStore(folder).save(state);
  has_checkpoint_ = true;
  log_.event("checkpoint", {{"step", counters.step}, {"epoch", counters.epoch}, {"folder", folder}});
}

}  // namespace dl
