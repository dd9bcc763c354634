// What the CUDA library does for a context beside its kernels. Events and recordings are the
// runtime's handles; everything is enqueued on the context's stream or, "beside" it, on the one of
// its transfers.
#ifndef QUANTRAIN_DEVICE_H_
#define QUANTRAIN_DEVICE_H_

#include "context.h"

namespace qt {

struct DeviceFunctions {
  void (*enter)(const qt_context&);
  void (*release)(qt_context&);
  qt_status (*alloc)(qt_context&, void** memory, int64_t bytes);
  qt_status (*free)(qt_context&, void* memory);
  qt_status (*host_alloc)(qt_context&, void** memory, int64_t bytes);  // page-locked
  qt_status (*host_free)(qt_context&, void* memory);
  qt_status (*copy)(qt_context&, void* to, const void* from, int64_t bytes, bool beside);
  qt_status (*zero)(qt_context&, void* memory, int64_t bytes);
  qt_status (*synchronize)(qt_context&);

  qt_status (*event_create)(qt_context&, void** event);
  qt_status (*event_destroy)(qt_context&, void* event);
  qt_status (*event_record)(qt_context&, void* event, bool beside);
  // What is enqueued later waits for the event; for one never recorded, nothing waits.
  qt_status (*event_await)(qt_context&, void* event, bool beside);
  qt_status (*event_finish)(qt_context&, void* event);  // the host waits

  qt_status (*record_begin)(qt_context&);
  qt_status (*record_end)(qt_context&, void** recording);
  qt_status (*recording_run)(qt_context&, void* recording);
  qt_status (*recording_destroy)(qt_context&, void* recording);
};

}  // namespace qt

#endif  // QUANTRAIN_DEVICE_H_
