// Runs a call as a CUDA graph: recorded, launched once. A kernel that synchronizes or allocates
// cannot be recorded.
#include "check/driver.h"

namespace qt::check {

qt_status RunCaptured(qt_context* ctx, Call* call) {
  qt_status status = qt_record_begin(ctx);
  if (status != QT_OK) return status;
  status = call->Run(ctx);
  qt_recording* recording = nullptr;
  const qt_status ended = qt_record_end(ctx, &recording);
  if (status == QT_OK) status = ended;
  if (status == QT_OK) status = qt_recording_run(recording);
  const qt_status finished = qt_synchronize(ctx);
  qt_recording_destroy(recording);
  return status != QT_OK ? status : finished;
}

}  // namespace qt::check
