#pragma once
// Executors for the batch sizes that turn up: plans are made when a size is first seen and kept.
#include <functional>
#include <map>
#include <memory>

#include "exec/executor.h"
#include "nn/model.h"

namespace dl {

class ExecutorCache {
 public:
  using Build = std::function<Model(int64_t batch)>;
  ExecutorCache(Build build, PlanOptions options, Pool* pool, TensorMap& store, uint64_t seed)
      : build_(std::move(build)), options_(std::move(options)), pool_(pool), store_(store), seed_(seed) {}

  Executor& at(int64_t batch) {
    auto& slot = made_[batch];
    if (!slot)
      slot = std::make_unique<Executor>(make_plan(build_(batch).graph, options_), pool_, store_, seed_);
    return *slot;
  }
  // Parameters have changed.
  void refresh() {
    for (const auto& [batch, executor] : made_) executor->refresh();
  }
  // For a plan that was made before.
  void put(int64_t batch, Plan plan) {
    made_[batch] = std::make_unique<Executor>(std::move(plan), pool_, store_, seed_);
  }

 private:
  Build build_;
  PlanOptions options_;
  Pool* pool_;
  TensorMap& store_;
  uint64_t seed_;
  std::map<int64_t, std::unique_ptr<Executor>> made_;
};

}  // namespace dl
