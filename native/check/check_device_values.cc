// check_device_values: scales and zero-points that the CPU refuses, where a device cannot look: the
// emulated device must compute, in every thread order the same codes, all of them on the grid, and
// those that quantrain.h promises. Prints the number of combinations; 1 and a line for each failure.
#include <cuda_runtime.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <vector>

#include "context.h"
#include "device.h"

extern "C" qt_status qt_cuda_open(qt_context* ctx, int32_t device, void* stream);

namespace {

constexpr int32_t kLeast = -7, kMost = 7;
constexpr float kScales[] = {0.0f, -0.0f, -1.0f, NAN, INFINITY, -INFINITY, 1e-45f, 1.0f};
constexpr int32_t kZeroPoints[] = {INT32_MIN, kLeast - 1, 0, kMost + 1, INT32_MAX};

int failures = 0;

void Expect(bool holds, const char* what, float scale, int32_t zero_point) {
  if (holds) return;
  ++failures;
  fprintf(stderr, "scale %g, zero-point %d: %s\n", static_cast<double>(scale), zero_point, what);
}

void Check(qt_context* cpu, qt_context* device, float scale, int32_t zero_point) {
  const std::vector<float> x = {-1e30f, -3.0f, -0.4f, 0.0f, 0.4f, 3.0f, 1e30f, INFINITY, NAN};
  std::vector<int8_t> codes(x.size());
  qt_quantize_args args;
  memset(&args, 0, sizeof(args));
  args.x = x.data();
  args.scale = &scale;
  args.zero_point = &zero_point;
  args.codes = codes.data();
  args.outer = args.channels = 1;
  args.inner = static_cast<int64_t>(x.size());
  args.qmin = kLeast;
  args.qmax = kMost;
  args.code_type = QT_S8;
  const bool valid = scale > 0.0f && scale <= 3.4e38f && zero_point >= -128 && zero_point <= 127;
  Expect((qt_quantize(cpu, &args) == QT_OK) == valid, "the CPU judges otherwise", scale, zero_point);

  std::vector<int8_t> first;
  for (uint32_t seed = 0; seed < 4; ++seed) {
    emulator::SetSeed(seed);
    codes.assign(x.size(), 100);
    Expect(qt_quantize(device, &args) == QT_OK, "the device refuses", scale, zero_point);
    if (seed == 0) first = codes;
    Expect(codes == first, "another result in another thread order", scale, zero_point);
  }
  for (size_t i = 0; i < x.size(); ++i) {
    Expect(codes[i] >= kLeast && codes[i] <= kMost, "a code outside of the grid", scale, zero_point);
    if (isnan(scale) || isnan(x[i])) Expect(codes[i] == kLeast, "NaN is not qmin", scale, zero_point);
    // Of 0 / 0 nothing but the range is promised.
    if (scale == 0.0f && x[i] != 0.0f && !isnan(x[i])) {
      const bool up = (x[i] > 0.0f) != (signbit(scale) != 0);
      Expect(codes[i] == (up ? kMost : kLeast), "no saturation", scale, zero_point);
    }
  }
}

}  // namespace

int main() {
  qt_context* cpu = nullptr;
  qt_context device;
  if (qt_context_create(&cpu, 1) != QT_OK || qt_cuda_open(&device, 0, nullptr) != QT_OK) return 1;
  int count = 0;
  for (const float scale : kScales) {
    for (const int32_t zero_point : kZeroPoints) {
      Check(cpu, &device, scale, zero_point);
      ++count;
    }
  }
  device.on_device->release(device);
  qt_context_destroy(cpu);
  printf("%d scales and zero-points, %d failures\n", count, failures);
  return failures == 0 ? 0 : 1;
}
