// The devices behind kernels/device.h, by CUDA's runtime. A context keeps one compute and one copy stream.
#include "kernels/cuda/blas.h"
#include "kernels/cuda/launch.h"
#include "kernels/cuda/table.h"

namespace dl {

struct DeviceContext {
  static constexpr int kMarks = 2;
  int device = 0;
  DL_ISA::Queue queue;
  cudaStream_t copies = nullptr;
  cudaEvent_t ordered = nullptr;
  cudaEvent_t marks[kMarks] = {};
  cudaStream_t stream(DeviceStream s) const { return s == DeviceStream::compute ? queue.stream : copies; }
};

namespace DL_ISA {
namespace {

const char* text(cudaError_t e) { return e == cudaSuccess ? nullptr : cudaGetErrorString(e); }

const char* count(int* n) {
  *n = 0;
  int driver = 0;  // its version
  if (cudaDriverGetVersion(&driver) == cudaSuccess && driver == 0) return "there is no CUDA driver";
  return text(cudaGetDeviceCount(n));
}

const char* describe(int device, DeviceInfo* info) {
  cudaDeviceProp p;
  if (const char* e = text(cudaGetDeviceProperties(&p, device))) return e;
  static_assert(sizeof info->name == sizeof p.name);
  for (unsigned long i = 0; i < sizeof p.name; ++i) info->name[i] = p.name[i];
  info->memory = static_cast<int64_t>(p.totalGlobalMem);
  info->processors = p.multiProcessorCount;
  info->major = p.major;
  info->minor = p.minor;
  return nullptr;
}

void close(DeviceContext* c) {
  for (cudaEvent_t e : c->marks)
    if (e) cudaEventDestroy(e);
  if (c->ordered) cudaEventDestroy(c->ordered);
  if (c->queue.blas) blas_destroy(c->queue.blas);
  if (c->copies) cudaStreamDestroy(c->copies);
  if (c->queue.stream) cudaStreamDestroy(c->queue.stream);
  delete c;
}

const char* open(int device, DeviceContext** context) {
  auto* c = new DeviceContext;
  c->device = device;
  cudaError_t e = cudaSetDevice(device);
  if (e == cudaSuccess)
    e = cudaDeviceGetAttribute(&c->queue.processors, cudaDevAttrMultiProcessorCount, device);
  if (e == cudaSuccess) e = cudaStreamCreateWithFlags(&c->queue.stream, cudaStreamNonBlocking);
  if (e == cudaSuccess) e = cudaStreamCreateWithFlags(&c->copies, cudaStreamNonBlocking);
  if (e == cudaSuccess) e = cudaEventCreateWithFlags(&c->ordered, cudaEventDisableTiming);
  for (cudaEvent_t& m : c->marks)
    if (e == cudaSuccess) e = cudaEventCreateWithFlags(&m, cudaEventDefault);
  if (e == cudaSuccess) {
    c->queue.blas = blas_create();
    *context = c;
    return nullptr;
  }
  close(c);
  return text(e);
}

void allow_tf32(DeviceContext* c, bool allowed) { c->queue.tf32 = allowed; }
void* queue(DeviceContext* c) { return &c->queue; }

const char* free_memory(DeviceContext*, int64_t* bytes) {
  size_t free = 0, total = 0;
  const char* e = text(cudaMemGetInfo(&free, &total));
  *bytes = static_cast<int64_t>(free);
  return e;
}

// Of an allocation: too little memory is no error but a null pointer.
const char* allocated(cudaError_t e, void** p) {
  if (e == cudaSuccess) return nullptr;
  *p = nullptr;
  if (e != cudaErrorMemoryAllocation) return text(e);
  cudaGetLastError();
  return nullptr;
}

const char* allocate(DeviceContext*, size_t bytes, void** p) { return allocated(cudaMalloc(p, bytes), p); }
void release(DeviceContext*, void* p) { cudaFree(p); }
const char* allocate_host(DeviceContext*, size_t bytes, void** p) {
  return allocated(cudaMallocHost(p, bytes), p);
}
void release_host(DeviceContext*, void* p) { cudaFreeHost(p); }

const char* copy(DeviceContext* c, DeviceStream s, void* to, const void* from, size_t bytes) {
  return text(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDefault, c->stream(s)));
}

const char* order(DeviceContext* c, DeviceStream first, DeviceStream then) {
  if (const char* e = text(cudaEventRecord(c->ordered, c->stream(first)))) return e;
  return text(cudaStreamWaitEvent(c->stream(then), c->ordered, 0));
}

const char* error(DeviceContext*) { return text(cudaGetLastError()); }

const char* wait(DeviceContext* c, DeviceStream s) {
  if (const char* e = text(cudaStreamSynchronize(c->stream(s)))) return e;
  return error(c);
}

const char* begin_graph(DeviceContext* c) {
  return text(cudaStreamBeginCapture(c->queue.stream, cudaStreamCaptureModeThreadLocal));
}
const char* end_graph(DeviceContext* c, void** graph) {
  cudaGraph_t recorded = nullptr;
  cudaGraphExec_t ready = nullptr;
  cudaError_t e = cudaStreamEndCapture(c->queue.stream, &recorded);
  if (e == cudaSuccess) e = cudaGraphInstantiate(&ready, recorded, 0);
  if (recorded) cudaGraphDestroy(recorded);
  *graph = ready;
  return text(e);
}
const char* launch_graph(DeviceContext* c, void* graph) {
  return text(cudaGraphLaunch(static_cast<cudaGraphExec_t>(graph), c->queue.stream));
}
void release_graph(DeviceContext*, void* graph) { cudaGraphExecDestroy(static_cast<cudaGraphExec_t>(graph)); }

const char* mark(DeviceContext* c, int slot) {
  return text(cudaEventRecord(c->marks[slot], c->queue.stream));
}
const char* elapsed(DeviceContext* c, int from, int to, float* seconds) {
  if (const char* e = text(cudaEventSynchronize(c->marks[to]))) return e;
  float milliseconds = 0;
  const char* e = text(cudaEventElapsedTime(&milliseconds, c->marks[from], c->marks[to]));
  *seconds = milliseconds * 1e-3f;
  return e;
}

const DeviceTable device_table = {DeviceTable::kVersion,
                                  table,
                                  count,
                                  describe,
                                  open,
                                  close,
                                  allow_tf32,
                                  queue,
                                  free_memory,
                                  allocate,
                                  release,
                                  allocate_host,
                                  release_host,
                                  copy,
                                  order,
                                  wait,
                                  error,
                                  begin_graph,
                                  end_graph,
                                  launch_graph,
                                  release_graph,
                                  mark,
                                  elapsed};

}  // namespace
}  // namespace DL_ISA
}  // namespace dl

extern "C" __attribute__((visibility("default"))) const dl::DeviceTable* dl_device_table() {
  return &dl::DL_ISA::device_table;
}
