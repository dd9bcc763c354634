// Memory of a context's device, and the roads between it and the host.
#include <string.h>

#include <new>

#include "context.h"
#include "device.h"

// Both buffers of either side; on a CPU context only the tensor.
struct qt_feed {
  qt_context* ctx;
  void* tensor;
  int64_t bytes;
  void* host[2] = {};
  void* device[2] = {};
  void* arrived[2] = {};  // the transfer to device[i] is done
  void* taken[2] = {};    // device[i] was copied to the tensor
  int turn = 0;
};

// On a CPU context the buffers are ordinary memory and there are no events.
struct qt_fetch {
  qt_context* ctx;
  const void* tensor;
  int64_t bytes;
  void* host[2] = {};
  void* arrived[2] = {};
  int64_t pulled = 0, given = 0;
};

struct qt_recording {
  qt_context* ctx;
  void* graph;
};

namespace qt {
namespace {

// Stops at the first failure.
struct All {
  qt_status status = QT_OK;
  template <class Call>
  All& Then(Call call) {
    if (status == QT_OK) status = call();
    return *this;
  }
};

qt_status CheckTensor(qt_context& ctx, const char* what, const void* handle, const void* tensor,
                      int64_t bytes) {
  if (handle != nullptr && tensor != nullptr && bytes > 0) return QT_OK;
  return Fail(ctx, QT_INVALID_ARGUMENT,
              "[%s] handle, tensor, bytes: expected two pointers and bytes > 0, got %p, %p, %lld",
              what, handle, tensor, static_cast<long long>(bytes));
}

qt_status NoMemory(qt_context& ctx, const char* what) {
  return Fail(ctx, QT_OUT_OF_MEMORY, "[%s] expected memory, got none", what);
}

qt_status NeedsDevice(qt_context& ctx) {
  return Fail(ctx, QT_UNAVAILABLE, "[record] context: expected one of a CUDA device, got the CPU's");
}

}  // namespace
}  // namespace qt

extern "C" {

qt_status qt_memory_alloc(qt_context* ctx, void** memory, int64_t bytes) {
  if (ctx == nullptr) return QT_INVALID_ARGUMENT;
  if (memory == nullptr || bytes < 0) {
    return qt::Fail(*ctx, QT_INVALID_ARGUMENT,
                    "[memory_alloc] memory, bytes: expected a pointer and bytes >= 0, got %p, %lld",
                    static_cast<void*>(memory), static_cast<long long>(bytes));
  }
  if (ctx->on_device != nullptr) return ctx->on_device->alloc(*ctx, memory, bytes);
  *memory = qt_alloc(bytes);
  if (*memory != nullptr) return QT_OK;
  return qt::Fail(*ctx, QT_OUT_OF_MEMORY, "[memory_alloc] bytes: expected %lld of memory, got none",
                  static_cast<long long>(bytes));
}

qt_status qt_memory_free(qt_context* ctx, void* memory, int64_t bytes) {
  if (ctx == nullptr) return QT_INVALID_ARGUMENT;
  if (ctx->on_device != nullptr) return ctx->on_device->free(*ctx, memory);
  qt_free(memory, bytes);
  return QT_OK;
}

qt_status qt_memory_copy(qt_context* ctx, void* to, const void* from, int64_t bytes) {
  if (ctx == nullptr) return QT_INVALID_ARGUMENT;
  if (to == nullptr || from == nullptr || bytes < 0) {
    return qt::Fail(*ctx, QT_INVALID_ARGUMENT,
                    "[memory] to, from, bytes: expected two pointers and bytes >= 0, got %p, %p, %lld",
                    to, from, static_cast<long long>(bytes));
  }
  if (ctx->on_device != nullptr) return ctx->on_device->copy(*ctx, to, from, bytes, false);
  memcpy(to, from, bytes);
  return QT_OK;
}

qt_status qt_memory_zero(qt_context* ctx, void* memory, int64_t bytes) {
  if (ctx == nullptr) return QT_INVALID_ARGUMENT;
  if (memory == nullptr || bytes < 0) {
    return qt::Fail(*ctx, QT_INVALID_ARGUMENT,
                    "[memory_zero] memory, bytes: expected a pointer and bytes >= 0, got %p, %lld",
                    memory, static_cast<long long>(bytes));
  }
  if (ctx->on_device != nullptr) return ctx->on_device->zero(*ctx, memory, bytes);
  memset(memory, 0, bytes);
  return QT_OK;
}

qt_status qt_memory_write(qt_context* ctx, void* memory, const void* host, int64_t bytes) {
  const qt_status status = qt_memory_copy(ctx, memory, host, bytes);
  return status == QT_OK ? qt_synchronize(ctx) : status;
}

qt_status qt_memory_read(qt_context* ctx, void* host, const void* memory, int64_t bytes) {
  const qt_status status = qt_memory_copy(ctx, host, memory, bytes);
  return status == QT_OK ? qt_synchronize(ctx) : status;
}

qt_status qt_synchronize(qt_context* ctx) {
  if (ctx == nullptr) return QT_INVALID_ARGUMENT;
  return ctx->on_device != nullptr ? ctx->on_device->synchronize(*ctx) : QT_OK;
}

qt_status qt_feed_create(qt_context* ctx, qt_feed** feed, void* tensor, int64_t bytes) {
  if (ctx == nullptr) return QT_INVALID_ARGUMENT;
  const qt_status checked = qt::CheckTensor(*ctx, "feed", feed, tensor, bytes);
  if (checked != QT_OK) return checked;
  auto* made = new (std::nothrow) qt_feed{ctx, tensor, bytes};
  *feed = nullptr;
  if (made == nullptr) return qt::NoMemory(*ctx, "feed");
  if (const qt::DeviceFunctions* device = ctx->on_device) {
    qt::All all;
    for (int i = 0; i < 2; ++i) {
      all.Then([&] { return device->host_alloc(*ctx, &made->host[i], bytes); })
          .Then([&] { return device->alloc(*ctx, &made->device[i], bytes); })
          .Then([&] { return device->event_create(*ctx, &made->arrived[i]); })
          .Then([&] { return device->event_create(*ctx, &made->taken[i]); });
    }
    if (all.status != QT_OK) {
      qt_feed_destroy(made);
      return all.status;
    }
  }
  *feed = made;
  return QT_OK;
}

void* qt_feed_next(qt_feed* feed) {
  if (feed == nullptr) return nullptr;
  qt_context& ctx = *feed->ctx;
  if (ctx.on_device == nullptr) return feed->tensor;
  const int i = feed->turn;
  return ctx.on_device->event_finish(ctx, feed->arrived[i]) == QT_OK ? feed->host[i] : nullptr;
}

qt_status qt_feed_push(qt_feed* feed) {
  if (feed == nullptr) return QT_INVALID_ARGUMENT;
  qt_context& ctx = *feed->ctx;
  const qt::DeviceFunctions* device = ctx.on_device;
  if (device == nullptr) return QT_OK;
  const int i = feed->turn;
  feed->turn = 1 - i;
  return qt::All()
      .Then([&] { return device->event_await(ctx, feed->taken[i], true); })
      .Then([&] { return device->copy(ctx, feed->device[i], feed->host[i], feed->bytes, true); })
      .Then([&] { return device->event_record(ctx, feed->arrived[i], true); })
      .Then([&] { return device->event_await(ctx, feed->arrived[i], false); })
      .Then([&] { return device->copy(ctx, feed->tensor, feed->device[i], feed->bytes, false); })
      .Then([&] { return device->event_record(ctx, feed->taken[i], false); })
      .status;
}

void qt_feed_destroy(qt_feed* feed) {
  if (feed == nullptr) return;
  qt_context& ctx = *feed->ctx;
  if (const qt::DeviceFunctions* device = ctx.on_device) {
    device->synchronize(ctx);
    for (int i = 0; i < 2; ++i) {
      if (feed->arrived[i] != nullptr) device->event_finish(ctx, feed->arrived[i]);
      if (feed->arrived[i] != nullptr) device->event_destroy(ctx, feed->arrived[i]);
      if (feed->taken[i] != nullptr) device->event_destroy(ctx, feed->taken[i]);
      if (feed->device[i] != nullptr) device->free(ctx, feed->device[i]);
      if (feed->host[i] != nullptr) device->host_free(ctx, feed->host[i]);
    }
  }
  delete feed;
}

qt_status qt_fetch_create(qt_context* ctx, qt_fetch** fetch, const void* tensor, int64_t bytes) {
  if (ctx == nullptr) return QT_INVALID_ARGUMENT;
  const qt_status checked = qt::CheckTensor(*ctx, "fetch", fetch, tensor, bytes);
  if (checked != QT_OK) return checked;
  auto* made = new (std::nothrow) qt_fetch{ctx, tensor, bytes};
  *fetch = nullptr;
  if (made == nullptr) return qt::NoMemory(*ctx, "fetch");
  qt::All all;
  for (int i = 0; i < 2; ++i) {
    if (const qt::DeviceFunctions* device = ctx->on_device) {
      all.Then([&] { return device->host_alloc(*ctx, &made->host[i], bytes); }).Then([&] {
        return device->event_create(*ctx, &made->arrived[i]);
      });
    } else {
      made->host[i] = qt_alloc(bytes);
      all.Then([&] { return made->host[i] != nullptr ? QT_OK : qt::NoMemory(*ctx, "fetch"); });
    }
  }
  if (all.status != QT_OK) {
    qt_fetch_destroy(made);
    return all.status;
  }
  *fetch = made;
  return QT_OK;
}

qt_status qt_fetch_pull(qt_fetch* fetch) {
  if (fetch == nullptr) return QT_INVALID_ARGUMENT;
  qt_context& ctx = *fetch->ctx;
  if (fetch->pulled - fetch->given == 2)
    return qt::Fail(ctx, QT_INVALID_ARGUMENT, "[fetch] expected two copies to wait at most, got three");
  const int i = static_cast<int>(fetch->pulled % 2);
  qt::All all;
  all.Then([&] { return qt_memory_copy(&ctx, fetch->host[i], fetch->tensor, fetch->bytes); });
  if (const qt::DeviceFunctions* device = ctx.on_device)
    all.Then([&] { return device->event_record(ctx, fetch->arrived[i], false); });
  if (all.status == QT_OK) ++fetch->pulled;
  return all.status;
}

const void* qt_fetch_take(qt_fetch* fetch) {
  if (fetch == nullptr) return nullptr;
  qt_context& ctx = *fetch->ctx;
  if (fetch->pulled == fetch->given) {
    qt::Fail(ctx, QT_INVALID_ARGUMENT, "[fetch] expected a copy to take, got none");
    return nullptr;
  }
  const int i = static_cast<int>(fetch->given % 2);
  if (ctx.on_device != nullptr && ctx.on_device->event_finish(ctx, fetch->arrived[i]) != QT_OK)
    return nullptr;
  ++fetch->given;
  return fetch->host[i];
}

void qt_fetch_destroy(qt_fetch* fetch) {
  if (fetch == nullptr) return;
  qt_context& ctx = *fetch->ctx;
  if (ctx.on_device != nullptr) ctx.on_device->synchronize(ctx);
  for (int i = 0; i < 2; ++i) {
    if (ctx.on_device == nullptr) {
      qt_free(fetch->host[i], fetch->bytes);
      continue;
    }
    if (fetch->arrived[i] != nullptr) ctx.on_device->event_destroy(ctx, fetch->arrived[i]);
    if (fetch->host[i] != nullptr) ctx.on_device->host_free(ctx, fetch->host[i]);
  }
  delete fetch;
}

qt_status qt_record_begin(qt_context* ctx) {
  if (ctx == nullptr) return QT_INVALID_ARGUMENT;
  return ctx->on_device == nullptr ? qt::NeedsDevice(*ctx) : ctx->on_device->record_begin(*ctx);
}

qt_status qt_record_end(qt_context* ctx, qt_recording** recording) {
  if (ctx == nullptr) return QT_INVALID_ARGUMENT;
  if (ctx->on_device == nullptr) return qt::NeedsDevice(*ctx);
  if (recording == nullptr)
    return qt::Fail(*ctx, QT_INVALID_ARGUMENT, "[record] recording: expected a pointer, got null");
  *recording = nullptr;
  void* graph = nullptr;
  const qt_status status = ctx->on_device->record_end(*ctx, &graph);
  if (status != QT_OK) return status;
  *recording = new (std::nothrow) qt_recording{ctx, graph};
  if (*recording != nullptr) return QT_OK;
  ctx->on_device->recording_destroy(*ctx, graph);
  return qt::NoMemory(*ctx, "record");
}

qt_status qt_recording_run(qt_recording* recording) {
  if (recording == nullptr) return QT_INVALID_ARGUMENT;
  return recording->ctx->on_device->recording_run(*recording->ctx, recording->graph);
}

void qt_recording_destroy(qt_recording* recording) {
  if (recording == nullptr) return;
  recording->ctx->on_device->synchronize(*recording->ctx);
  recording->ctx->on_device->recording_destroy(*recording->ctx, recording->graph);
  delete recording;
}

void* qt_context_stream(qt_context* ctx) { return ctx == nullptr ? nullptr : ctx->stream; }

void qt_context_counters(const qt_context* ctx, qt_counters* counters) {
  if (counters != nullptr) *counters = ctx == nullptr ? qt_counters{} : ctx->counters;
}

}  // extern "C"
