// Runs a call as a CUDA graph: captured, instantiated, launched once. A kernel that synchronizes or
// allocates cannot be captured. The driver's functions are looked up at run time, so that the
// program starts without a driver.
#include <dlfcn.h>

#include "check/driver.h"
#include "context.h"

namespace qt::check {
namespace {

// Of cuda.h; every function returns 0 on success.
struct Driver {
  int (*stream_create)(void** stream, unsigned flags);
  int (*begin)(void* stream, int mode);
  int (*end)(void* stream, void** graph);
  int (*instantiate)(void** exec, void* graph, unsigned long long flags);
  int (*launch)(void* exec, void* stream);
  int (*destroy_exec)(void* exec);
  int (*destroy_graph)(void* graph);

  bool Load() {
    void* library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
    const auto find = [&](const char* name, auto* function) {
      if (library != nullptr) *reinterpret_cast<void**>(function) = dlsym(library, name);
      return library != nullptr && *function != nullptr;
    };
    return find("cuStreamCreate", &stream_create) && find("cuStreamBeginCapture_v2", &begin) &&
           find("cuStreamEndCapture", &end) && find("cuGraphInstantiateWithFlags", &instantiate) &&
           find("cuGraphLaunch", &launch) && find("cuGraphExecDestroy", &destroy_exec) &&
           find("cuGraphDestroy", &destroy_graph);
  }
};

const Driver* TheDriver() {
  static Driver driver;
  static const bool loaded = driver.Load();
  return loaded ? &driver : nullptr;
}

}  // namespace

void* NewStream() {
  constexpr unsigned kNonBlocking = 1;
  void* stream = nullptr;
  const Driver* driver = TheDriver();
  if (driver == nullptr || driver->stream_create(&stream, kNonBlocking) != 0) return nullptr;
  return stream;
}

qt_status RunCaptured(qt_context* ctx, Call* call) {
  constexpr int kGlobal = 0;  // no unsafe call from any thread
  const Driver* driver = TheDriver();
  if (driver == nullptr || driver->begin(ctx->stream, kGlobal) != 0) return QT_UNAVAILABLE;
  qt_status status = call->Run(ctx);
  void *graph = nullptr, *exec = nullptr;
  if (driver->end(ctx->stream, &graph) != 0 || graph == nullptr) {
    return status != QT_OK ? status : QT_INTERNAL;
  }
  if (status == QT_OK && (driver->instantiate(&exec, graph, 0) != 0 ||
                          driver->launch(exec, ctx->stream) != 0)) {
    status = QT_INTERNAL;
  }
  const qt_status finished = qt_synchronize(ctx);
  if (exec != nullptr) driver->destroy_exec(exec);
  driver->destroy_graph(graph);
  return status != QT_OK ? status : finished;
}

}  // namespace qt::check
