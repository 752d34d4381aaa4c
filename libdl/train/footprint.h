#pragma once
// The memory that a run is going to take, known before its first step.
#include <string>

#include "base/json.h"
#include "data/loader.h"
#include "exec/plan.h"

namespace dl {

// What a plan takes on its device, by what it is for; nothing for one of the CPU's. Bytes.
struct DeviceFootprint {
  std::string name;         // "cuda:0"
  int64_t parameters = 0;   // parameters, running statistics and the optimiser's state
  int64_t activations = 0;  // the arena
  int64_t batches = 0;      // inputs, twice, and constants

  DeviceFootprint() = default;
  DL_API explicit DeviceFootprint(const Plan& plan);
  int64_t total() const { return parameters + activations + batches; }
};
DL_API json to_json(const DeviceFootprint& f);      // {"name": "cuda:0", "predicted": total, ...}
DL_API std::string text(const DeviceFootprint& f);  // "213 MiB: parameters 12 MiB, activations ..."

// Peak resident memory of the process (VmHWM of Linux), by what it is for. Bytes.
struct Footprint {
  int64_t program = 0;     // the program, its libraries and their tables, the config, the plans
  int64_t parameters = 0;  // parameters, running statistics and the optimiser's state
  int64_t best = 0;        // the copy of the best epoch's parameters, where one is kept
  int64_t activations =
      0;                // the arena: activations, gradients, scratch of kernels; none where a device has them
  int64_t batches = 0;  // batches that are prepared ahead, and the order of the samples
  int64_t data = 0;     // rows of the data set that are held
  DeviceFootprint device;  // no part of the process, nor of total()

  // What a plan takes while it runs, when `resident` bytes were in memory before it was made.
  DL_API void add(const Plan& plan, int64_t resident);
  // And what reading a split takes.
  DL_API void add(const Dataset& data, const LoaderOptions& loading);
  int64_t total() const { return program + parameters + best + activations + batches + data; }
};

DL_API json to_json(const Footprint& f);      // {"predicted": total, "program": ..., "device": {...}}
DL_API std::string text(const Footprint& f);  // "213 MiB: program 12 MiB, ...; on cuda:0 1.2 GiB: ..."
// "peak memory 214 MiB, predicted 213 MiB"; `peak` as peak_resident_bytes() gives it.
DL_API std::string text(const Footprint& f, int64_t peak);

// "; values computed again save 124.0 MiB of 193.3 MiB and take 25.6 % more operations"; empty where none are.
DL_API std::string describe_recompute(const Plan& plan);

}  // namespace dl
