// quantrain_collective.h: checks of arguments, and the library that does the work.
#include "collective.h"

#include <dlfcn.h>

namespace {

constexpr int64_t kMaxElements = int64_t{1} << 48;

qt_status Refuse(qt_collective& collective, const char* field, long long got) {
  snprintf(collective.error, sizeof(collective.error), "[all_reduce] %s: got %lld", field, got);
  return QT_INVALID_ARGUMENT;
}

}  // namespace

qt_status qt_collective_open(qt_collective** collective, const char* library, const char* folder,
                             int32_t rank, int32_t size, int32_t timeout_ms, char* message,
                             int64_t message_bytes) {
  if (collective == nullptr || message == nullptr || message_bytes < 1) return QT_INVALID_ARGUMENT;
  *collective = nullptr;
  if (folder == nullptr || size < 1 || rank < 0 || rank >= size || timeout_ms < 1) {
    snprintf(message, message_bytes,
             "expected a folder, 0 <= rank < size and a time above 0, got %s, %d of %d, %d ms",
             folder == nullptr ? "null" : folder, rank, size, timeout_ms);
    return QT_INVALID_ARGUMENT;
  }
  // It stays open: a thread of the transport may still be in it when a handle is closed.
  void* const opened =
      dlopen(library == nullptr ? "libquantrain_gloo.so" : library, RTLD_NOW | RTLD_LOCAL);
  void* const symbol = opened == nullptr ? nullptr : dlsym(opened, "qt_gloo_open");
  if (symbol == nullptr) {
    const char* reason = dlerror();
    snprintf(message, message_bytes, "%s", reason == nullptr ? "dlopen failed" : reason);
    return QT_UNAVAILABLE;
  }
  *collective = reinterpret_cast<qt_gloo_open_function*>(symbol)(folder, rank, size, timeout_ms,
                                                                 message, message_bytes);
  return *collective == nullptr ? QT_INTERNAL : QT_OK;
}

qt_status qt_collective_all_reduce(qt_collective* collective, void* data, int64_t n,
                                   int32_t number, int32_t kind) {
  if (collective == nullptr) return QT_INVALID_ARGUMENT;
  if (data == nullptr) return Refuse(*collective, "data: expected a pointer", 0);
  if (n < 0 || n > kMaxElements) return Refuse(*collective, "n: expected 0..2^48", n);
  if (number < QT_NUMBER_F32 || number > QT_NUMBER_U128) {
    return Refuse(*collective, "number: expected a qt_number", number);
  }
  const bool is_float = number == QT_NUMBER_F32 || number == QT_NUMBER_F64;
  if (kind < QT_REDUCE_SUM || kind > QT_REDUCE_MIN || (kind == QT_REDUCE_MEAN && !is_float) ||
      (kind > QT_REDUCE_MEAN && number == QT_NUMBER_U128)) {
    return Refuse(*collective, "kind: expected a qt_reduce_kind that the number has", kind);
  }
  if (n == 0) return QT_OK;
  return collective->AllReduce(data, n, static_cast<qt_number>(number),
                               static_cast<qt_reduce_kind>(kind))
             ? QT_OK
             : QT_INTERNAL;
}

const char* qt_collective_last_error(const qt_collective* collective) {
  return collective == nullptr ? "no collective" : collective->error;
}

void qt_collective_close(qt_collective* collective) { delete collective; }
