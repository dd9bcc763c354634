// Contexts, host memory, diagnostics and the way to the CUDA library.
#include "context.h"

#include <dlfcn.h>
#include <omp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include <algorithm>
#include <new>

#include "device.h"

#ifndef QT_VERSION
#define QT_VERSION "0.1.0"
#endif

namespace qt {
namespace {

constexpr int64_t kHugePage = int64_t{2} << 20;
constexpr int64_t kAlignment = 64;

int64_t RoundUp(int64_t value, int64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

// Zeroed pages that begin at a huge page, not touched: the threads that use them first decide where
// they live.
void* MapHuge(int64_t bytes) {
  const int64_t size = RoundUp(bytes, kHugePage);
  void* raw =
      mmap(nullptr, size + kHugePage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (raw == MAP_FAILED) return nullptr;
  const int64_t head =
      RoundUp(reinterpret_cast<intptr_t>(raw), kHugePage) - reinterpret_cast<intptr_t>(raw);
  char* memory = static_cast<char*>(raw) + head;
  if (head > 0) munmap(raw, head);
  if (kHugePage - head > 0) munmap(memory + size, kHugePage - head);
#ifdef MADV_HUGEPAGE
  madvise(memory, size, MADV_HUGEPAGE);  // a hint: small pages work as well
#endif
  return memory;
}

void* Allocate(int64_t bytes) {
  // The limit keeps every rounding below from overflowing.
  if (bytes < 0 || bytes > (int64_t{1} << 56)) return nullptr;
  if (bytes >= kHugePage) return MapHuge(bytes);
  const int64_t size = RoundUp(bytes > 0 ? bytes : 1, kAlignment);
  void* memory = aligned_alloc(kAlignment, size);
  if (memory != nullptr) memset(memory, 0, size);
  return memory;
}

void Release(void* memory, int64_t bytes) {
  if (memory == nullptr) return;
  if (bytes >= kHugePage) {
    munmap(memory, RoundUp(bytes, kHugePage));
  } else {
    free(memory);
  }
}

struct Features {
  char text[128] = {0};
  Features() {
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2")) Add("avx2");
    if (__builtin_cpu_supports("fma")) Add("fma");
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")) {
      Add("avx512");
    }
    if (__builtin_cpu_supports("avx512vnni")) Add("avx512_vnni");
    unsigned a = 0, b = 0, c = 0, d = 0;
    if (__builtin_cpu_supports("avx2") && __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a >> 4 & 1)) {
      Add("avx_vnni");
    }
    // AMX: the processor's tile and int8 bits, and the system's state bits 17 and 18.
    if (__get_cpuid_count(7, 0, &a, &b, &c, &d) && (d >> 24 & 1) && (d >> 25 & 1) && SavesTiles()) {
      Add("amx_int8");
    }
#endif
  }

 private:
  void Add(const char* name) {
    if (text[0] != 0) strncat(text, " ", sizeof(text) - strlen(text) - 1);
    strncat(text, name, sizeof(text) - strlen(text) - 1);
  }

#if defined(__x86_64__)
  static bool SavesTiles() {
    unsigned a = 0, b = 0, c = 0, d = 0;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c >> 27 & 1)) return false;  // OSXSAVE
    unsigned low = 0, high = 0;
    __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (low >> 17 & 3) == 3;
  }
#endif
};

// Folder of the library that this function is in, with the trailing slash.
bool OwnFolder(char* folder, size_t size) {
  Dl_info info;
  if (dladdr(reinterpret_cast<void*>(&OwnFolder), &info) == 0 || info.dli_fname == nullptr)
    return false;
  const char* slash = strrchr(info.dli_fname, '/');
  const size_t length = slash == nullptr ? 0 : slash - info.dli_fname + 1;
  if (length >= size) return false;
  memcpy(folder, info.dli_fname, length);
  folder[length] = 0;
  return true;
}

// A function of the CUDA library (path null: the one beside this library), or null with the reason
// in message. The library stays open: the CUDA runtime does not survive being unloaded.
void* CudaSymbol(const char* path, const char* name, char* message, int64_t message_bytes) {
  char own[4096];
  if (path == nullptr) {
    constexpr char kName[] = "libquantrain_cuda.so";
    if (!OwnFolder(own, sizeof(own) - sizeof(kName))) {
      snprintf(message, message_bytes, "the folder of the native library is not known");
      return nullptr;
    }
    strcat(own, kName);
    path = own;
  }
  void* library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const char* reason = dlerror();
    snprintf(message, message_bytes, "%s", reason == nullptr ? "dlopen failed" : reason);
    return nullptr;
  }
  void* symbol = dlsym(library, name);
  if (symbol == nullptr) snprintf(message, message_bytes, "%s: no %s in it", path, name);
  return symbol;
}

}  // namespace

qt_status Fail(qt_context& ctx, qt_status status, const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(ctx.error, sizeof(ctx.error), format, arguments);
  va_end(arguments);
  return status;
}

void* Scratch(qt_context& ctx, int64_t bytes) {
  if (bytes <= ctx.scratch_bytes) return ctx.scratch;
  // Half more than asked: a network's layers settle after a few steps.
  const int64_t size = RoundUp(bytes + bytes / 2, 4096);
  void* memory = Allocate(size);
  if (memory == nullptr) {
    Fail(ctx, QT_OUT_OF_MEMORY, "[scratch] expected %lld bytes of memory, got none",
         static_cast<long long>(size));
    return nullptr;
  }
  Release(ctx.scratch, ctx.scratch_bytes);
  ctx.scratch = memory;
  ctx.scratch_bytes = size;
  return memory;
}

}  // namespace qt

// More are a mistake, which would end at a limit of the system and there in a crash.
static constexpr int32_t kMostThreads = 1024;

extern "C" {

qt_status qt_context_create(qt_context** ctx, int32_t threads) {
  if (ctx == nullptr || threads > kMostThreads) return QT_INVALID_ARGUMENT;
  *ctx = new (std::nothrow) qt_context;
  if (*ctx == nullptr) return QT_OUT_OF_MEMORY;
  static const int default_threads = omp_get_max_threads();  // before any context changed it
  (*ctx)->threads = std::min(threads > 0 ? threads : default_threads, kMostThreads);
  (*ctx)->kernels = qt::BestKernels();
  if (qt::Scratch(**ctx, int64_t{256} << 10) == nullptr) {
    delete *ctx;
    *ctx = nullptr;
    return QT_OUT_OF_MEMORY;
  }
  return QT_OK;
}

void qt_context_enter(const qt_context* ctx) {
  if (ctx == nullptr) return;
  if (ctx->on_device != nullptr) {
    ctx->on_device->enter(*ctx);
  } else {
    omp_set_num_threads(ctx->threads);
  }
}

void qt_context_destroy(qt_context* ctx) {
  if (ctx == nullptr) return;
  if (ctx->on_device != nullptr) ctx->on_device->release(*ctx);
  qt::Release(ctx->scratch, ctx->scratch_bytes);
  delete ctx;
}

int32_t qt_context_threads(const qt_context* ctx) { return ctx == nullptr ? 0 : ctx->threads; }

const char* qt_context_isa(const qt_context* ctx) {
  return ctx == nullptr ? "" : ctx->kernels->isa;
}

qt_status qt_context_force_isa(qt_context* ctx, const char* isa) {
  if (ctx == nullptr) return QT_INVALID_ARGUMENT;
  if (isa == nullptr)
    return qt::Fail(*ctx, QT_INVALID_ARGUMENT, "[context] isa: expected a name, got null");
  if (ctx->on_device != nullptr)
    return qt::Fail(*ctx, QT_UNAVAILABLE, "[context] isa: a CUDA context has no instruction set");
  const qt::KernelTable* table = qt::FindKernels(isa);
  if (table == nullptr) {
    return qt::Fail(*ctx, QT_UNAVAILABLE,
                    "[context] isa: expected one of this processor and build, got %.32s", isa);
  }
  ctx->kernels = table;
  return QT_OK;
}

const char* qt_last_error(const qt_context* ctx) { return ctx == nullptr ? "" : ctx->error; }

const char* qt_version(void) { return QT_VERSION; }

const char* qt_cpu_features(void) {
  static const qt::Features features;
  return features.text;
}

void* qt_alloc(int64_t bytes) { return qt::Allocate(bytes); }

void qt_free(void* memory, int64_t bytes) { qt::Release(memory, bytes); }

qt_status qt_cuda_probe(const char* path, int32_t* devices, char* message, int64_t message_bytes) {
  char none[1];
  if (message == nullptr || message_bytes <= 0) {
    message = none;
    message_bytes = 1;
  }
  message[0] = 0;
  if (devices == nullptr) {
    snprintf(message, message_bytes, "[cuda_probe] devices: expected a pointer, got null");
    return QT_INVALID_ARGUMENT;
  }
  *devices = 0;
  using DeviceCount = int32_t (*)(char*, int64_t);
  const auto count = reinterpret_cast<DeviceCount>(
      qt::CudaSymbol(path, "qt_cuda_device_count", message, message_bytes));
  if (count == nullptr) return QT_UNAVAILABLE;
  const int32_t found = count(message, message_bytes);
  if (found <= 0) return QT_UNAVAILABLE;
  *devices = found;
  return QT_OK;
}

qt_status qt_cuda_device_info(const char* path, int32_t device, qt_device_info* info, char* message,
                              int64_t message_bytes) {
  char none[1];
  if (message == nullptr || message_bytes <= 0) {
    message = none;
    message_bytes = 1;
  }
  int32_t devices = 0;
  const qt_status status = qt_cuda_probe(path, &devices, message, message_bytes);
  if (status != QT_OK) return status;
  if (info == nullptr || device < 0 || device >= devices) {
    snprintf(message, message_bytes,
             "[cuda_device_info] device: expected 0 to %d and somewhere to write to, got %d",
             devices - 1, device);
    return QT_INVALID_ARGUMENT;
  }
  using DeviceInfo = qt_status (*)(int32_t, qt_device_info*, char*, int64_t);
  const auto ask = reinterpret_cast<DeviceInfo>(
      qt::CudaSymbol(path, "qt_cuda_info", message, message_bytes));
  return ask == nullptr ? QT_UNAVAILABLE : ask(device, info, message, message_bytes);
}

qt_status qt_context_create_cuda(qt_context** ctx, const char* path, int32_t device, void* stream) {
  int32_t devices = 0;
  const qt_status status = qt_context_create(ctx, 1);
  if (status != QT_OK) return status;
  const auto fail = [&](qt_status reason) {
    qt_context_destroy(*ctx);
    *ctx = nullptr;
    return reason;
  };
  if (qt_cuda_probe(path, &devices, nullptr, 0) != QT_OK) return fail(QT_UNAVAILABLE);
  if (device < 0 || device >= devices) return fail(QT_INVALID_ARGUMENT);
  char message[256];
  using Open = qt_status (*)(qt_context*, int32_t, void*);
  const auto open =
      reinterpret_cast<Open>(qt::CudaSymbol(path, "qt_cuda_open", message, sizeof(message)));
  if (open == nullptr) return fail(QT_UNAVAILABLE);
  const qt_status opened = open(*ctx, device, stream);
  return opened == QT_OK ? QT_OK : fail(opened);
}

}  // extern "C"
