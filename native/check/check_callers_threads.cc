// Kernels called in a parallel region of the caller, a context of one thread for each of its threads:
// those that need a buffer per thread, on calls so large that a buffer beyond the context's own would
// be another's memory.
#include <omp.h>
#include <stdint.h>
#include <stdio.h>

#include <vector>

#include "quantrain.h"

namespace {

constexpr int kThreads = 4;
constexpr int64_t kElements = int64_t{1} << 20;
constexpr uint16_t kOne = 0x3f80, kPowerMinus20 = 0x3580;  // bf16

// Equal logits of bf16: every probability is 2^-20.
bool Softmax(qt_context* ctx) {
  const std::vector<uint16_t> x(kElements, kOne);
  std::vector<uint16_t> y(kElements);
  qt_softmax_args args = {};
  args.x = x.data();
  args.y = y.data();
  args.rows = 1;
  args.n = kElements;
  args.element_type = QT_ELEMENT_BF16;
  if (qt_softmax(ctx, &args) != QT_OK) return false;
  for (const uint16_t v : y) {
    if (v != kPowerMinus20) return false;
  }
  return true;
}

// Under a mask of ones.
bool ChannelSum(qt_context* ctx) {
  const std::vector<float> x(kElements, 1.0f);
  const std::vector<uint8_t> mask(kElements / 8, 0xff);
  std::vector<float> sum(kElements);
  qt_channel_sum_args args = {};
  args.x = x.data();
  args.mask = mask.data();
  args.sum = sum.data();
  args.rows = 1;
  args.channels = kElements;
  args.element_type = QT_ELEMENT_F32;
  if (qt_channel_sum(ctx, &args) != QT_OK) return false;
  for (const float v : sum) {
    if (v != 1.0f) return false;
  }
  return true;
}

// The loss alone, whose exponentials are in a buffer.
bool CrossEntropy(qt_context* ctx) {
  const std::vector<float> logits(kElements, 1.0f);
  const int32_t label = 0;
  float loss = 0.0f;
  int32_t correct = 0;
  qt_softmax_cross_entropy_args args = {};
  args.logits = logits.data();
  args.labels = &label;
  args.loss = &loss;
  args.correct = &correct;
  args.rows = 1;
  args.classes = kElements;
  args.temperature = 1.0f;
  args.element_type = QT_ELEMENT_F32;
  return qt_softmax_cross_entropy(ctx, &args) == QT_OK && correct == 1 && loss > 13.86f &&
         loss < 13.87f;  // 20 log 2
}

}  // namespace

int main() {
  int failures = 0;
#pragma omp parallel num_threads(kThreads) reduction(+ : failures)
  {
    qt_context* ctx = nullptr;
    if (qt_context_create(&ctx, 1) != QT_OK) {
      failures += 1;
    } else {
      for (bool (*const kernel)(qt_context*) : {Softmax, ChannelSum, CrossEntropy}) {
        failures += kernel(ctx) ? 0 : 1;
      }
    }
    qt_context_destroy(ctx);
  }
  printf("3 kernels in %d threads of a caller, %d failures\n", kThreads, failures);
  return failures == 0 ? 0 : 1;
}
