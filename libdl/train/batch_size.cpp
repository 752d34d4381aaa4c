#include "train/batch_size.h"

#include <unistd.h>

#include <algorithm>
#include <optional>

#include "base/clock.h"
#include "io/state_store.h"
#include "train/stepper.h"

namespace dl {

void FieldType<BatchSize>::parse(BatchSize& v, const json& j, const std::string& at, const Bounds& b) {
  v = {};
  v.automatic = j.is_string() && j.get<std::string>() == "auto";
  if (v.automatic) return;
  if (j.is_string())
    field_error(at, str("'", j.get<std::string>(), "' is no batch size, expected a number or \"auto\""));
  FieldType<int64_t>::parse(v.samples, j, at, b);
}

json FieldType<BatchSize>::schema(const Bounds& b) {
  return {{"anyOf", {FieldType<int64_t>::schema(b), {{"enum", {"auto"}}}}}};
}

namespace {

constexpr int64_t kLeast = 16, kMost = 512;  // that are tried on the CPU
constexpr double kSeconds = 0.3;             // of a measurement, and at least so many steps
constexpr int kSteps = 3;
constexpr double kNearlyAsFast = 0.95;

// That the machine has to give, without what it could free.
int64_t available_bytes() { return ::sysconf(_SC_AVPHYS_PAGES) * ::sysconf(_SC_PAGESIZE); }

TrainRequest with_batch(const TrainRequest& request, int64_t batch) {
  TrainRequest r = request;
  r.config["train"]["batch_size"] = batch;
  r.resume = "none";
  r.state_dir.clear();
  r.tensorboard.clear();
  r.profile = nullptr;
  return r;
}

// The plan and all else for a batch, where it fits and there are so many samples.
std::unique_ptr<RunSetup> fitting(const TrainRequest& request, int64_t batch) {
  try {
    auto setup = std::make_unique<RunSetup>(with_batch(request, batch));
    if (setup->full_batch() < batch) return nullptr;
    return setup;
  } catch (const Error& e) {
    if (e.code != Exit::memory) throw;
    return nullptr;
  }
}

double samples_per_second(RunSetup& setup) {
  const RunLog log({});
  RunState state(setup, log);
  state.start();
  Stepper stepper(setup, state, log);
  stepper.set_learning_rate(0);
  stepper.next_step();  // makes executors, touches memory
  const double began = steady_seconds();
  const int64_t before = stepper.samples();
  double seconds = 0;
  for (int i = 0; i < kSteps || seconds < kSeconds; ++i) {
    stepper.next_step();
    seconds = steady_seconds() - began;
  }
  return static_cast<double>(stepper.samples() - before) / seconds;
}

std::optional<int64_t> of_checkpoint(const TrainRequest& request) {
  if (request.resume == "none") return std::nullopt;
  const std::string folder = request.resume == "auto" ? request.state_dir : request.resume;
  const auto loaded = folder.empty() ? std::nullopt : StateStore(folder).load();
  if (!loaded) return std::nullopt;
  const json size = loaded->state.model.config.value("/train/batch_size"_json_pointer, json());
  return size.is_number_integer() ? std::optional(size.get<int64_t>()) : std::nullopt;
}

// The largest power of two that fits, from `from` downwards and upwards.
int64_t largest_fitting(const TrainRequest& request, int64_t from) {
  int64_t batch = from;
  if (fitting(request, batch)) {
    while (fitting(request, 2 * batch)) batch *= 2;
    return batch;
  }
  for (batch /= 2; batch > 1 && !fitting(request, batch);) batch /= 2;
  return std::max<int64_t>(1, batch);
}

int64_t fastest(const TrainRequest& request, std::string& why) {
  std::vector<std::pair<int64_t, double>> speeds;
  for (int64_t batch = kLeast; batch <= kMost; batch *= 2) {
    const auto setup = fitting(request, batch);
    if (!setup) break;
    speeds.emplace_back(batch, samples_per_second(*setup));
  }
  if (speeds.empty()) return 0;
  double best = 0;
  for (const auto& [batch, speed] : speeds) best = std::max(best, speed);
  for (const auto& [batch, speed] : speeds)
    if (speed >= kNearlyAsFast * best) {
      why =
          str(static_cast<int64_t>(speed), " samples per second; the most are ", static_cast<int64_t>(best));
      return batch;
    }
  return speeds.back().first;
}

}  // namespace

std::string choose_batch_size(TrainRequest& request) {
  const auto train = request.config.find("train");
  if (train == request.config.end() || !train->is_object() || train->value("batch_size", json()) != "auto")
    return "";
  std::string why;
  int64_t batch = 0;
  if (const auto known = of_checkpoint(request)) {
    batch = *known;
    why = "as in the checkpoint";
  } else {
    const TrainRequest original = request;
    if (request.max_memory == 0 && request.device == "cpu") request.max_memory = available_bytes() / 2;
    if (request.device == "cpu") batch = fastest(request, why);
    if (batch == 0) {
      batch = largest_fitting(request, kLeast);
      why = "the largest power of two that fits";
    }
    request = original;
  }
  request.config["train"]["batch_size"] = batch;
  return str("train.batch_size \"auto\" is ", batch, ": ", why);
}

}  // namespace dl
