// CUDA's runtime on the CPU. Streams are in order and never late: what is submitted runs at once, except during a capture.
// DL_EMULATED_MEMORY (bytes) bounds what can be allocated; DL_EMULATED_DEVICES (default 1) says how many devices there are.
#include <chrono>
#include <cstdlib>
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
};
struct EmulatedEvent {
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
cudaError_t run(const std::function<void()>& work) {
  try {
    work();
    return cudaSuccess;
  } catch (const std::logic_error& e) {
    last_text = e.what();
    return set(cudaErrorLaunchFailure);
  }
}

}  // namespace

namespace emulation {
cudaError_t submit(cudaStream_t s, std::function<void()> work) {
  if (s && s->capture) {
    s->capture->work.push_back(std::move(work));
    return cudaSuccess;
  }
  return run(work);
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
  *s = new EmulatedStream;
  return cudaSuccess;
}
cudaError_t cudaStreamDestroy(cudaStream_t s) {
  delete s;
  return cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t s) {
  return s && s->capture ? set(cudaErrorInvalidValue) : cudaSuccess;
}
cudaError_t cudaStreamWaitEvent(cudaStream_t, cudaEvent_t, unsigned) { return cudaSuccess; }
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* e, unsigned) {
  *e = new EmulatedEvent;
  return cudaSuccess;
}
cudaError_t cudaEventDestroy(cudaEvent_t e) {
  delete e;
  return cudaSuccess;
}
cudaError_t cudaEventRecord(cudaEvent_t e, cudaStream_t s) {
  return emulation::submit(s, [=] { e->time = std::chrono::steady_clock::now(); });
}
cudaError_t cudaEventSynchronize(cudaEvent_t) { return cudaSuccess; }
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
cudaError_t cudaGraphLaunch(cudaGraphExec_t e, cudaStream_t) {
  for (const auto& work : e->work)
    if (const cudaError_t error = run(work); error != cudaSuccess) return error;
  return cudaSuccess;
}
cudaError_t cudaGraphDestroy(cudaGraph_t g) {
  if (--g->users == 0) delete g;
  return cudaSuccess;
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t e) { return cudaGraphDestroy(e); }
