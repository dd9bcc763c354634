// The parts of the driver: comparing, timing, and the table that each prints.
#ifndef QUANTRAIN_CHECK_DRIVER_H_
#define QUANTRAIN_CHECK_DRIVER_H_

#include <algorithm>
#include <functional>
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

// Runs the call as a CUDA graph, and waits.
qt_status RunCaptured(qt_context* ctx, Call* call);

// Bytes per second that the memory gives to all threads.
struct Bandwidths {
  // A copy, read and write counted: the better of what this machine offers, on the CPU regular and
  // streaming stores.
  double copy = 0.0;
  // With each line fetched ahead of its use: a copy by streaming stores, and reading alone. An input
  // that the last-level cache still holds is read faster. 0 where the instructions lack, and for
  // less than 64 MB.
  double ahead_copy = 0.0, read = 0.0;
};

// What is timed in turns with the calls: passes over memory that nothing else uses, `bytes` read and
// as many written. A machine with neighbours changes from second to second, and a call with it.
class MemoryPasses {
 public:
  MemoryPasses(qt_context* ctx, int64_t bytes);
  ~MemoryPasses();
  MemoryPasses(const MemoryPasses&) = delete;
  MemoryPasses& operator=(const MemoryPasses&) = delete;
  const std::vector<std::function<void()>>& turns() const { return turns_; }
  // The first turns: ways to copy. None without memory.
  int Copies() const { return static_cast<int>(std::min<size_t>(2, turns_.size())); }
  // From the seconds of each turn.
  Bandwidths Of(const double* seconds) const;

 private:
  qt_context* ctx_;
  int64_t bytes_;
  void *to_ = nullptr, *from_ = nullptr;
  std::vector<std::function<void()>> turns_;
};

// One timed call. cached_milliseconds: the same kernel on data that stays in a core's cache, scaled to
// this size and spread over the threads, so what the arithmetic takes; 0 on a device, and where
// the variant's name has another size.
struct Timing {
  std::string kernel, variant;
  int64_t elements;
  double bytes_read, bytes_written, milliseconds = 0.0;
  Bandwidths memory{};
  double cached_milliseconds = 0.0;
  double Bytes() const { return bytes_read + bytes_written; }
};

// The longer of the arithmetic and of the memory. That one reads at the rate of reading alone, and
// writes in what a copy takes beyond its reading.
double FloorMilliseconds(const Timing& timing);

// Allocates and fills the buffers of a call in the memory of ctx, and points its arguments there.
bool Place(qt_context* ctx, Call* call);
void Release(qt_context* ctx, Call* call);
// The median over repetitions that fill about `seconds`; `beside` takes turns with the call, or is null.
Timing TimeCall(qt_context* ctx, Call* call, double seconds, const MemoryPasses* beside);

// Beside the times: the bandwidth as a fraction of a copy, and the floor as a fraction of the time.
void PrintTimings(const std::vector<Timing>& timings, const std::string& backend, bool json);

}  // namespace qt::check

#endif  // QUANTRAIN_CHECK_DRIVER_H_
