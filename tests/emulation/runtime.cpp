// CUDA's runtime on the CPU. What is submitted to a stream runs as late as may be: when the host waits for the stream, when
// memory is freed, or when another stream that waits for it runs. So what was not waited for shows.
// DL_EMULATED_MEMORY (bytes) bounds what can be allocated; DL_EMULATED_DEVICES (default 1) says how many devices there are;
// DL_EMULATED_FAULT=N: the Nth launch fails.
#include <chrono>
#include <cstdlib>
#include <deque>
#include <set>
#include <stdexcept>
#include <unordered_map>
#include <vector>

#include "cuda_runtime.h"

struct EmulatedGraph {
  std::vector<std::function<void()>> work;
  int users = 1;
};
struct EmulatedStream {
  EmulatedGraph* capture = nullptr;
  std::deque<std::function<void()>> work;
  uint64_t done = 0;  // pieces of work
  bool failed = false;
};
struct EmulatedEvent {
  EmulatedStream* stream = nullptr;
  uint64_t after = 0;  // pieces of work of that stream
  std::chrono::steady_clock::time_point time;
};

namespace {

constexpr size_t kTotal = size_t{1} << 34;

cudaError_t last = cudaSuccess;
std::string last_text;
std::unordered_map<void*, size_t> allocated;
size_t in_use = 0;

size_t limit() {
  const char* text = std::getenv("DL_EMULATED_MEMORY");
  return text ? std::strtoull(text, nullptr, 10) : kTotal;
}
int devices() {
  const char* text = std::getenv("DL_EMULATED_DEVICES");
  return text ? std::atoi(text) : 1;
}
cudaError_t set(cudaError_t e) {
  if (e != cudaSuccess) last = e;
  return e;
}
std::set<EmulatedStream*> streams;

// Runs what the stream was given, up to so many pieces since its beginning.
cudaError_t run(EmulatedStream* s, uint64_t until = ~uint64_t{0}) {
  while (!s->work.empty() && s->done < until) {
    const std::function<void()> next = std::move(s->work.front());
    s->work.pop_front();
    ++s->done;
    if (s->failed) continue;
    try {
      next();
    } catch (const std::logic_error& e) {
      last_text = e.what();
      s->failed = true;
    }
  }
  return s->failed ? set(cudaErrorLaunchFailure) : cudaSuccess;
}

}  // namespace

namespace emulation {
cudaError_t submit(cudaStream_t s, std::function<void()> work) {
  (s->capture ? s->capture->work.emplace_back() : s->work.emplace_back()) = std::move(work);
  return cudaSuccess;
}
cudaError_t launch(cudaStream_t s, std::function<void()> work) {
  static const char* const fault = std::getenv("DL_EMULATED_FAULT");
  static long launches = 0;
  if (fault && ++launches == std::atol(fault))
    work = [] { throw std::logic_error("an illegal memory access was encountered"); };
  return submit(s, std::move(work));
}
}  // namespace emulation

const char* cudaGetErrorString(cudaError_t e) {
  switch (e) {
    case cudaSuccess:
      return "no error";
    case cudaErrorMemoryAllocation:
      return "out of memory";
    case cudaErrorInsufficientDriver:
    case cudaErrorNoDevice:
      return "no CUDA-capable device is detected";
    case cudaErrorLaunchFailure:
      return last_text.c_str();
    default:
      return "invalid argument";
  }
}
cudaError_t cudaGetLastError() { return std::exchange(last, cudaSuccess); }

cudaError_t cudaGetDeviceCount(int* n) {
  *n = devices();
  return *n > 0 ? cudaSuccess : cudaErrorNoDevice;
}
cudaError_t cudaSetDevice(int device) {
  return device >= 0 && device < devices() ? cudaSuccess : set(cudaErrorInvalidDevice);
}
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* p, int) {
  *p = {"emulated device", limit(), 9, 0, 4, 227 << 10, 1 << 20};
  return cudaSuccess;
}
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr what, int) {
  *value = what == cudaDevAttrMultiProcessorCount ? 4 : what == cudaDevAttrComputeCapabilityMajor ? 9 : 0;
  return cudaSuccess;
}
cudaError_t cudaDriverGetVersion(int* version) {
  *version = 13000;
  return cudaSuccess;
}
cudaError_t cudaMemGetInfo(size_t* free, size_t* total) {
  *total = limit();
  *free = *total - std::min(in_use, *total);
  return cudaSuccess;
}
cudaError_t cudaMalloc(void** p, size_t bytes) {
  if (bytes > limit() || in_use > limit() - bytes) return set(cudaErrorMemoryAllocation);
  if (::posix_memalign(p, 256, bytes ? bytes : 1) != 0) return set(cudaErrorMemoryAllocation);
  std::memset(*p, 0xff, bytes);
  allocated[*p] = bytes;
  in_use += bytes;
  return cudaSuccess;
}
cudaError_t cudaFree(void* p) {
  if (!p) return cudaSuccess;
  for (EmulatedStream* stream : streams) run(stream);
  const auto it = allocated.find(p);
  if (it == allocated.end()) return set(cudaErrorInvalidValue);
  in_use -= it->second;
  allocated.erase(it);
  std::free(p);
  return cudaSuccess;
}
cudaError_t cudaMallocHost(void** p, size_t bytes) {
  *p = std::malloc(bytes ? bytes : 1);
  return *p ? cudaSuccess : set(cudaErrorMemoryAllocation);
}
cudaError_t cudaFreeHost(void* p) {
  std::free(p);
  return cudaSuccess;
}
cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind, cudaStream_t s) {
  return emulation::submit(s, [=] {
    if (bytes) std::memcpy(to, from, bytes);
  });
}
cudaError_t cudaMemsetAsync(void* p, int value, size_t bytes, cudaStream_t s) {
  return emulation::submit(s, [=] {
    if (bytes) std::memset(p, value, bytes);
  });
}
cudaError_t cudaStreamCreateWithFlags(cudaStream_t* s, unsigned) {
  streams.insert(*s = new EmulatedStream);
  return cudaSuccess;
}
cudaError_t cudaStreamDestroy(cudaStream_t s) {
  run(s);
  streams.erase(s);
  delete s;
  return cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t s) { return s->capture ? set(cudaErrorInvalidValue) : run(s); }
cudaError_t cudaStreamWaitEvent(cudaStream_t s, cudaEvent_t e, unsigned) {
  return emulation::submit(s, [stream = e->stream, after = e->after] {
    if (stream) run(stream, after);
  });
}
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* e, unsigned) {
  *e = new EmulatedEvent;
  return cudaSuccess;
}
cudaError_t cudaEventDestroy(cudaEvent_t e) {
  for (EmulatedStream* stream : streams) run(stream);
  delete e;
  return cudaSuccess;
}
cudaError_t cudaEventRecord(cudaEvent_t e, cudaStream_t s) {
  const cudaError_t error = emulation::submit(s, [e] { e->time = std::chrono::steady_clock::now(); });
  e->stream = s;
  e->after = s->done + s->work.size();
  return error;
}
cudaError_t cudaEventSynchronize(cudaEvent_t e) { return e->stream ? run(e->stream, e->after) : cudaSuccess; }
cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t from, cudaEvent_t to) {
  *milliseconds = std::chrono::duration<float, std::milli>(to->time - from->time).count();
  return cudaSuccess;
}
cudaError_t cudaStreamBeginCapture(cudaStream_t s, cudaStreamCaptureMode) {
  if (!s || s->capture) return set(cudaErrorInvalidValue);
  s->capture = new EmulatedGraph;
  return cudaSuccess;
}
cudaError_t cudaStreamEndCapture(cudaStream_t s, cudaGraph_t* g) {
  if (!s || !s->capture) return set(cudaErrorInvalidValue);
  *g = std::exchange(s->capture, nullptr);
  return cudaSuccess;
}
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* e, cudaGraph_t g, unsigned long long) {
  ++g->users;
  *e = g;
  return cudaSuccess;
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t e, cudaStream_t s) {
  ++e->users;
  return emulation::submit(s, [e] {
    for (const auto& work : e->work) work();
    cudaGraphDestroy(e);
  });
}
cudaError_t cudaGraphDestroy(cudaGraph_t g) {
  if (--g->users == 0) delete g;
  return cudaSuccess;
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t e) { return cudaGraphDestroy(e); }
