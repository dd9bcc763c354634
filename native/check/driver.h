// The parts of the driver: comparing, timing, and the table that each prints.
#ifndef QUANTRAIN_CHECK_DRIVER_H_
#define QUANTRAIN_CHECK_DRIVER_H_

#include <map>
#include <string>

#include "check/case.h"

namespace qt::check {

// Passed and failed comparisons per kernel. The first failures of a kernel go to standard error.
class Report {
 public:
  // difference: empty if the comparison passed.
  void Add(const Call& call, const std::string& where, const std::string& difference);
  // The table, then "N passed, M failed"; 0 if nothing failed.
  int Print() const;
  // {"checks": [{"name", "passed", "failed"}], "passed", "failed"}
  int PrintJson() const;

 private:
  struct Counts {
    int64_t passed = 0, failed = 0, elements = 0;
  };
  std::map<std::string, Counts> rows_;
};

void CompareOnCpu(Call* call, Report* report);
// emulated: pointers of the device are the host's, and thread orders and grid sizes vary.
void CompareOnDevice(Call* call, qt_context* device, bool emulated, Report* report);
// Once, from unaligned pointers, and nothing else.
void CompareOnceOnDevice(Call* call, qt_context* device, Report* report);

// A stream of the current CUDA device, or null where the driver lacks one.
void* NewStream();
// Runs the call on ctx's stream (not the default one) as a captured graph, and waits.
qt_status RunCaptured(qt_context* ctx, Call* call);

// One timed call.
struct Timing {
  std::string kernel, variant;
  int64_t elements;
  double bytes_per_element, milliseconds, gigabytes_per_second;
};

// Bytes per second of a copy of `bytes` (read and write counted), the better of what this machine
// offers: on the CPU regular and streaming stores.
double CopyBandwidth(qt_context* ctx, int64_t bytes);
// Allocates and fills the buffers of a call in the memory of ctx, and points its arguments there.
bool Place(qt_context* ctx, Call* call);
void Release(qt_context* ctx, Call* call);
// The median over repetitions that fill about `seconds`.
Timing TimeCall(qt_context* ctx, Call* call, double seconds);

void PrintTimings(const std::vector<Timing>& timings, double copy, const std::string& backend,
                  bool json);

}  // namespace qt::check

#endif  // QUANTRAIN_CHECK_DRIVER_H_
