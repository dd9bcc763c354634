// Runs every case on every instruction set of this processor with one thread and with two, and on
// the emulated CUDA kernels in several thread orders and grid sizes, from aligned and unaligned
// pointers, in place where a kernel allows it. Compares with the CPU's best instruction set: bits,
// or float sums within the bound of the case; and that nothing beyond an output was written. Prints
// one line per kernel, then "N passed, M failed"; the exit code is 0 if nothing failed.
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <map>

#include "check/case.h"
#include "context.h"
#include "cuda_runtime.h"

extern "C" qt_status qt_cuda_open(qt_context* ctx, int32_t device, void* stream);

namespace qt::check {
namespace {

constexpr uint8_t kUntouched = 0xa5;

// Memory with a rim that must stay as it is. offset bytes make the pointer less aligned.
class Buffer {
 public:
  static constexpr int64_t kRim = 192;
  Buffer(int64_t bytes, int64_t offset)
      : bytes_(bytes), memory_(bytes + offset + 2 * kRim, kUntouched) {
    const uintptr_t at = reinterpret_cast<uintptr_t>(memory_.data()) + kRim / 2;
    begin_ = memory_.data() + kRim / 2 + (64 - at % 64) % 64 + offset;
  }
  Buffer(Buffer&&) = default;
  uint8_t* data() { return begin_; }
  int64_t bytes() const { return bytes_; }
  bool RimIsUntouched() const {
    for (const uint8_t* p = memory_.data(); p < memory_.data() + memory_.size(); ++p) {
      if ((p < begin_ || p >= begin_ + bytes_) && *p != kUntouched) return false;
    }
    return true;
  }

 private:
  int64_t bytes_;
  std::vector<uint8_t> memory_;
  uint8_t* begin_;
};

// What a call left behind.
struct Outcome {
  qt_status status = QT_INTERNAL;
  std::string error;
  bool rims = true, inputs = true;
  std::vector<std::vector<uint8_t>> outputs;  // of the fields that are outputs
};

struct Placement {
  bool unaligned = false, in_place = false;
};

Outcome RunOn(qt_context* ctx, Call* call, const Placement& placement) {
  std::vector<Field>& fields = call->fields();
  std::vector<Buffer> buffers;
  buffers.reserve(fields.size());
  for (size_t i = 0; i < fields.size(); ++i) {
    const Field& f = fields[i];
    // Less aligned by one element, for every other field, so that vectors cannot be assumed.
    const int64_t offset = placement.unaligned && i % 2 == 0 ? f.alignment : 0;
    buffers.emplace_back(static_cast<int64_t>(f.data.size()), offset);
    if (f.input) memcpy(buffers[i].data(), f.data.data(), f.data.size());
    *f.slot = buffers[i].data();
  }
  std::vector<int64_t> place(fields.size());
  std::vector<bool> overwritten(fields.size(), false);
  for (size_t i = 0; i < fields.size(); ++i) {
    place[i] = static_cast<int64_t>(i);
    if (!placement.in_place || fields[i].alias < 0) continue;
    place[i] = fields[i].alias;
    overwritten[place[i]] = true;
    *fields[i].slot = buffers[place[i]].data();
  }
  Outcome outcome;
  outcome.status = call->Run(ctx);
  if (outcome.status != QT_OK) outcome.error = qt_last_error(ctx);
  for (size_t i = 0; i < fields.size(); ++i) {
    const Field& f = fields[i];
    outcome.rims = outcome.rims && buffers[i].RimIsUntouched();
    if (f.input && !f.output && !overwritten[i]) {
      outcome.inputs =
          outcome.inputs && memcmp(buffers[i].data(), f.data.data(), f.data.size()) == 0;
    }
    if (!f.output) continue;
    const uint8_t* data = buffers[place[i]].data();
    outcome.outputs.emplace_back(data, data + f.data.size());
  }
  return outcome;
}

// Empty if equal; sums: within the field's bound.
std::string Difference(Call* call, const Outcome& want, const Outcome& got, bool exact_sums) {
  if (got.status != QT_OK) return "status " + std::to_string(got.status) + " " + got.error;
  if (!got.rims) return "wrote beyond an output";
  if (!got.inputs) return "changed an input";
  size_t output = 0;
  for (size_t i = 0; i < call->fields().size(); ++i) {
    const Field& f = call->fields()[i];
    if (!f.output) continue;
    const std::vector<uint8_t>& a = want.outputs[output];
    const std::vector<uint8_t>& b = got.outputs[output++];
    if (!f.is_sum || exact_sums) {
      for (size_t k = 0; k < a.size(); ++k) {
        if (a[k] != b[k]) {
          return "field " + std::to_string(i) + ": other bits at byte " + std::to_string(k) +
                 " of " + std::to_string(a.size());
        }
      }
      continue;
    }
    for (size_t k = 0; k + 4 <= a.size(); k += 4) {
      float x, y;
      memcpy(&x, &a[k], 4);
      memcpy(&y, &b[k], 4);
      const bool same = memcmp(&x, &y, 4) == 0 || (x != x && y != y);
      if (!same && !(fabs(static_cast<double>(x) - y) <= f.bound)) {
        return "field " + std::to_string(i) + ": sum " + std::to_string(k / 4) + " is " +
               std::to_string(y) + ", CPU " + std::to_string(x) + ", bound " +
               std::to_string(f.bound);
      }
    }
  }
  return "";
}

struct Counts {
  int64_t passed = 0, failed = 0, elements = 0;
};

class Report {
 public:
  void Add(Call* call, const std::string& where, const std::string& difference) {
    Counts& counts = rows_[call->kernel()];
    if (!difference.empty() && counts.failed < 3) {
      fprintf(stderr, "%s (%s) on %s: %s\n", call->kernel().c_str(), call->variant().c_str(),
              where.c_str(), difference.c_str());
    }
    (difference.empty() ? counts.passed : counts.failed) += 1;
    counts.elements += call->elements;
  }
  int Print() const {
    int64_t passed = 0, failed = 0;
    printf("%-34s %6s %9s %7s\n", "kernel", "checks", "elements", "failed");
    for (const auto& [name, c] : rows_) {
      printf("%-34s %6lld %9lld %7lld\n", name.c_str(), static_cast<long long>(c.passed + c.failed),
             static_cast<long long>(c.elements), static_cast<long long>(c.failed));
      passed += c.passed;
      failed += c.failed;
    }
    printf("%lld passed, %lld failed\n", static_cast<long long>(passed),
           static_cast<long long>(failed));
    return failed == 0 && passed > 0 ? 0 : 1;
  }

 private:
  std::map<std::string, Counts> rows_;
};

void CheckCall(Call* call, Report* report, qt_context* device) {
  qt_context* cpu = nullptr;
  if (qt_context_create(&cpu, 1) != QT_OK) return;
  const Outcome want = RunOn(cpu, call, {});
  report->Add(call, "cpu", Difference(call, want, want, true));
  for (const char* isa : {"baseline", "avx2", "avx512"}) {
    if (qt_context_force_isa(cpu, isa) != QT_OK) continue;
    const Placement placement = {/*unaligned=*/isa[0] == 'a', /*in_place=*/isa[3] == '2'};
    report->Add(call, isa, Difference(call, want, RunOn(cpu, call, placement), true));
  }
  qt_context_destroy(cpu);
  if (qt_context_create(&cpu, 2) != QT_OK) return;
  report->Add(call, "2 threads", Difference(call, want, RunOn(cpu, call, {}), true));
  qt_context_destroy(cpu);
  Outcome first;
  for (uint32_t seed = 0; seed < 4; ++seed) {  // 0: threads in ascending order
    for (const unsigned limit : {0u, 1u, 3u}) {  // 0: the grid that the launch asks for
      if (seed != 0 && limit != seed % 3) continue;
      emulator::SetSeed(seed);
      emulator::LimitGrid(limit);
      const Placement placement = {/*unaligned=*/seed == 1 || limit == 1, /*in_place=*/seed == 2};
      const Outcome got = RunOn(device, call, placement);
      std::string difference = Difference(call, want, got, false);
      if (first.outputs.empty()) first = got;
      if (difference.empty()) difference = Difference(call, first, got, true);
      report->Add(call,
                  "emulated CUDA, seed " + std::to_string(seed) + ", grid limit " +
                      std::to_string(limit),
                  difference);
    }
  }
}

}  // namespace

int Main() {
  qt_context device;
  if (qt_cuda_open(&device, 0, nullptr) != QT_OK) return 1;
  Report report;
#define QT_CASES(name)                                          \
  {                                                             \
    Suite suite(/*timed=*/false);                               \
    name##Cases(suite);                                         \
    for (; !suite.calls().empty(); suite.calls().pop_front()) { \
      CheckCall(suite.calls().front().get(), &report, &device); \
    }                                                           \
  }
#include "check/cases.def"
#undef QT_CASES
  device.release(device);
  return report.Print();
}

}  // namespace qt::check

int main() { return qt::check::Main(); }
