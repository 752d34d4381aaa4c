#pragma once
// Executors for the batch sizes that turn up: plans are made when a size is first seen and kept.
#include <functional>
#include <map>
#include <memory>

#include "base/str.h"
#include "exec/executor.h"
#include "nn/model.h"

namespace dl {

class ExecutorCache {
 public:
  using Build = std::function<Model(int64_t batch)>;
  ExecutorCache(Build build, PlanOptions options, Pool* pool, TensorMap& store, uint64_t seed,
                std::shared_ptr<Arena> arena)
      : build_(std::move(build)),
        options_(std::move(options)),
        pool_(pool),
        store_(store),
        seed_(seed),
        arena_(std::move(arena)) {}

  Executor& at(int64_t batch) {
    auto& slot = made_[batch];
    const bool is_new = !slot;
    if (!slot) slot = make(make_plan(build_(batch).graph, options_));
    if (is_new && profile_) slot->report_to(profile_, str(stage_, ", batch ", batch));
    return *slot;
  }
  // The executor for a batch size that was asked for before, else null.
  Executor* find(int64_t batch) const {
    const auto it = made_.find(batch);
    return it == made_.end() ? nullptr : it->second.get();
  }
  // Parameters have changed.
  void refresh() {
    for (const auto& [batch, executor] : made_) executor->refresh();
  }
  // For a plan that was made before.
  void put(int64_t batch, Plan plan) {
    made_[batch] = make(std::move(plan));
    if (profile_) made_[batch]->report_to(profile_, str(stage_, ", batch ", batch));
  }
  // Executors made from now on report to `profile`, where there is one.
  void report_to(Profile* profile, std::string stage) {
    profile_ = profile;
    stage_ = std::move(stage);
  }

 private:
  std::unique_ptr<Executor> make(Plan plan) {
    return std::make_unique<Executor>(std::move(plan), pool_, store_, seed_, arena_);
  }
  Build build_;
  PlanOptions options_;
  Pool* pool_;
  TensorMap& store_;
  uint64_t seed_;
  std::shared_ptr<Arena> arena_;  // of all of them
  Profile* profile_ = nullptr;
  std::string stage_;
  std::map<int64_t, std::unique_ptr<Executor>> made_;
};

}  // namespace dl
