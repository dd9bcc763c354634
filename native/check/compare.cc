// Runs a case on every instruction set of this processor with one thread and with two, and on a
// device, from aligned and unaligned pointers, in place where a kernel allows it. The emulated device
// runs it in several thread orders and grid sizes. Compares with the CPU's best instruction set:
// bits, or float sums within the bound of the case; device runs among each other bit by bit; and
// that nothing beyond an output was written. A call on bf16 must leave what the same call leaves on
// its inputs widened to float, narrowed.
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <algorithm>

#include "check/driver.h"
#include "cuda_runtime.h"

namespace qt::check {
namespace {

constexpr uint8_t kUntouched = 0xa5;

// Memory of a context's device.
class DeviceMemory {
 public:
  DeviceMemory(qt_context* ctx, const std::vector<uint8_t>& contents) : ctx_(ctx) {
    bytes_ = static_cast<int64_t>(contents.size());
    if (qt_memory_alloc(ctx, &memory_, bytes_) != QT_OK) memory_ = nullptr;
    if (memory_ != nullptr) qt_memory_write(ctx, memory_, contents.data(), bytes_);
  }
  DeviceMemory(const DeviceMemory&) = delete;
  DeviceMemory(DeviceMemory&& other) noexcept
      : ctx_(other.ctx_), memory_(other.memory_), bytes_(other.bytes_) {
    other.memory_ = nullptr;
  }
  ~DeviceMemory() {
    if (memory_ != nullptr) qt_memory_free(ctx_, memory_, bytes_);
  }
  uint8_t* data() { return static_cast<uint8_t*>(memory_); }
  void Read(std::vector<uint8_t>* contents) { qt_memory_read(ctx_, contents->data(), memory_, bytes_); }

 private:
  qt_context* ctx_;
  void* memory_ = nullptr;
  int64_t bytes_;
};

// Host memory with a rim that must stay as it is. offset bytes make the pointer less aligned.
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
  int64_t offset() const { return begin_ - memory_.data(); }
  std::vector<uint8_t>& memory() { return memory_; }
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

enum class Where { kHost, kDevice, kDeviceGraph };

Outcome RunOn(qt_context* ctx, Call* call, const Placement& placement,
              Where where = Where::kHost) {
  std::vector<Field>& fields = call->fields();
  std::vector<Buffer> buffers;
  buffers.reserve(fields.size());
  for (size_t i = 0; i < fields.size(); ++i) {
    const Field& f = fields[i];
    // Less aligned by one element, for every other field, so that vectors cannot be assumed.
    const int64_t offset = placement.unaligned && i % 2 == 0 ? f.alignment : 0;
    buffers.emplace_back(static_cast<int64_t>(f.data.size()), offset);
    if (f.input) std::copy(f.data.begin(), f.data.end(), buffers[i].data());
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
  // On a device the same memory, rims included, goes there and comes back.
  std::vector<DeviceMemory> device;
  if (where != Where::kHost) {
    for (size_t i = 0; i < fields.size(); ++i) {
      device.emplace_back(ctx, buffers[i].memory());
      if (device[i].data() == nullptr) return {};
    }
    for (size_t i = 0; i < fields.size(); ++i) {
      *fields[i].slot = device[place[i]].data() + buffers[place[i]].offset();
    }
  }
  Outcome outcome;
  outcome.status = where == Where::kDeviceGraph ? RunCaptured(ctx, call) : call->Run(ctx);
  for (size_t i = 0; i < device.size(); ++i) device[i].Read(&buffers[i].memory());
  if (outcome.status != QT_OK) outcome.error = qt_last_error(ctx);
  for (size_t i = 0; i < fields.size(); ++i) {
    const Field& f = fields[i];
    outcome.rims = outcome.rims && buffers[i].RimIsUntouched();
    if (f.input && !f.output && !overwritten[i]) {
      outcome.inputs =
          outcome.inputs && std::equal(f.data.begin(), f.data.end(), buffers[i].data());
    }
    if (!f.output) continue;
    const uint8_t* data = buffers[place[i]].data();
    outcome.outputs.emplace_back(data, data + f.data.size());
  }
  return outcome;
}

template <class To, class From>
std::vector<To> Reinterpreted(const std::vector<From>& from) {
  std::vector<To> to(from.size() * sizeof(From) / sizeof(To));
  if (!to.empty()) memcpy(to.data(), from.data(), to.size() * sizeof(To));
  return to;
}

std::vector<uint8_t> Widened(const std::vector<uint8_t>& halves) {
  return Reinterpreted<uint8_t>(FromBf16(Reinterpreted<uint16_t>(halves)));
}

std::vector<uint8_t> Narrowed(const std::vector<uint8_t>& floats) {
  return Reinterpreted<uint8_t>(ToBf16(Reinterpreted<float>(floats)));
}

// The numbers that an output holds.
std::vector<float> Numbers(const Field& f, const std::vector<uint8_t>& bytes) {
  return Reinterpreted<float>(f.bf16 ? Widened(bytes) : bytes);
}

// Empty if equal; sums: within the field's bound, and where they are rounded to bf16 after that,
// within that rounding of both.
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
    const std::vector<float> wanted = Numbers(f, a), gotten = Numbers(f, b);
    for (size_t k = 0; k < wanted.size(); ++k) {
      const float x = wanted[k], y = gotten[k];
      const bool same = memcmp(&x, &y, 4) == 0 || (x != x && y != y);
      const bool rounds = f.bf16 && f.bound > 0.0;
      const double rounding = rounds ? ldexp(fmax(fabs(x), fabs(y)), -7) : 0.0;
      if (!same && !(fabs(static_cast<double>(x) - y) <= f.bound + rounding)) {
        return "field " + std::to_string(i) + ": sum " + std::to_string(k) + " is " +
               std::to_string(y) + ", CPU " + std::to_string(x) + ", bound " +
               std::to_string(f.bound);
      }
    }
  }
  return "";
}

// Against what cases expect from another computation.
std::string Unexpected(Call* call, const Outcome& got) {
  size_t output = 0;
  for (size_t i = 0; i < call->fields().size(); ++i) {
    const Field& f = call->fields()[i];
    if (!f.output) continue;
    const std::vector<uint8_t>& bytes = got.outputs[output++];
    for (size_t k = 0; k < f.expected.size(); ++k) {
      if (bytes[k] != f.expected[k]) {
        return "field " + std::to_string(i) + ": unexpected bits at byte " + std::to_string(k) +
               " of " + std::to_string(bytes.size());
      }
    }
    const std::vector<float> numbers = Numbers(f, bytes);
    for (size_t k = 0; k < f.expected_near.size(); ++k) {
      const float value = numbers[k];
      if (!(fabs(static_cast<double>(value) - f.expected_near[k]) <= f.distance)) {
        return "field " + std::to_string(i) + ": element " + std::to_string(k) + " is " +
               std::to_string(value) + ", expected " + std::to_string(f.expected_near[k]);
      }
    }
  }
  return "";
}

// What the call, which is on bf16, must leave: the same in float, its real inputs widened and its
// real outputs narrowed.
Outcome NarrowedFloat(qt_context* cpu, Call* call) {
  const std::vector<Field> fields = call->fields();
  for (Field& f : call->fields()) {
    if (f.bf16) f.data = Widened(f.data);
  }
  *call->ElementType() = QT_ELEMENT_F32;
  const int32_t own_type = call->own_type == nullptr ? QT_ELEMENT_F32 : *call->own_type;
  if (call->own_type != nullptr) *call->own_type = QT_ELEMENT_F32;
  Outcome outcome = RunOn(cpu, call, {});
  call->fields() = fields;
  *call->ElementType() = QT_ELEMENT_BF16;
  if (call->own_type != nullptr) *call->own_type = own_type;
  size_t output = 0;
  for (const Field& f : fields) {
    if (!f.output) continue;
    std::vector<uint8_t>& data = outcome.outputs[output++];
    if (f.bf16) data = Narrowed(data);
  }
  return outcome;
}

}  // namespace

void CompareOnCpu(Call* call, Report* report) {
  qt_context* cpu = nullptr;
  if (qt_context_create(&cpu, 1) != QT_OK) return;
  const Outcome want = RunOn(cpu, call, {});
  const int32_t* const type = call->ElementType();
  if (type != nullptr && *type == QT_ELEMENT_BF16 && !call->copies) {
    report->Add(*call, "cpu, widened",
                Difference(call, NarrowedFloat(cpu, call), want, /*exact_sums=*/true));
  }
  report->Add(*call, "cpu", Difference(call, want, want, true));
  report->Add(*call, "cpu, expected", Unexpected(call, want));
  for (const char* isa : {"baseline", "avx2", "avx512"}) {
    if (qt_context_force_isa(cpu, isa) != QT_OK) continue;
    const Placement placement = {/*unaligned=*/isa[0] == 'a', /*in_place=*/isa[3] == '2'};
    report->Add(*call, isa, Difference(call, want, RunOn(cpu, call, placement), true));
  }
  qt_context_destroy(cpu);
  if (qt_context_create(&cpu, 2) != QT_OK) return;
  report->Add(*call, "2 threads", Difference(call, want, RunOn(cpu, call, {}), true));
  qt_context_destroy(cpu);
}

void CompareOnDevice(Call* call, qt_context* device, bool emulated, Report* report) {
  qt_context* cpu = nullptr;
  if (qt_context_create(&cpu, 2) != QT_OK) return;
  const Outcome want = RunOn(cpu, call, {});
  qt_context_destroy(cpu);
  Outcome first;
  constexpr unsigned kLimits[] = {0, 1, 3};    // 0: the grid that the launch asks for
  for (uint32_t seed = 0; seed < 4; ++seed) {  // 0: threads in ascending order, with every limit
    for (const unsigned limit : kLimits) {
      if (emulated ? seed != 0 && limit != kLimits[seed % 3] : limit != 0) continue;
      emulator::SetSeed(seed);
      emulator::LimitGrid(limit);
      const Placement placement = {/*unaligned=*/seed == 1 || limit == 1, /*in_place=*/seed == 2};
      const Outcome got =
          RunOn(device, call, placement, emulated ? Where::kHost : Where::kDevice);
      std::string difference = Difference(call, want, got, false);
      if (seed == 0 && limit == 0) first = got;
      if (difference.empty()) difference = Difference(call, first, got, true);
      report->Add(*call,
                  emulated ? "emulated CUDA, seed " + std::to_string(seed) + ", grid limit " +
                                 std::to_string(limit)
                           : "CUDA, run " + std::to_string(seed),
                  difference);
    }
  }
  if (emulated) return;
  report->Add(*call, "CUDA, graph",
              Difference(call, first, RunOn(device, call, {}, Where::kDeviceGraph), true));
}

void CompareOnceOnDevice(Call* call, qt_context* device, Report* report) {
  qt_context* cpu = nullptr;
  if (qt_context_create(&cpu, 1) != QT_OK) return;
  const Outcome want = RunOn(cpu, call, {});
  qt_context_destroy(cpu);
  const Placement placement = {/*unaligned=*/true, /*in_place=*/false};
  report->Add(*call, "CUDA",
              Difference(call, want, RunOn(device, call, placement, Where::kDevice), false));
}

}  // namespace qt::check
