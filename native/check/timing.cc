// Times calls on buffers that were allocated before, the way a plan allocates them: huge pages on
// the CPU. A call's bytes are the sizes of its buffers.
#include <omp.h>
#include <stdio.h>
#if defined(__x86_64__)
#include <emmintrin.h>
#endif

#include <algorithm>
#include <chrono>

#include "check/driver.h"

namespace qt::check {
namespace {

double Now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// Median seconds of one run of f; each sample holds enough runs to be above the clock's grain, and
// ends with a synchronization.
template <class F>
double MedianSeconds(qt_context* ctx, double seconds, F f) {
  f();
  qt_synchronize(ctx);
  double start = Now();
  f();
  qt_synchronize(ctx);
  const double once = std::max(Now() - start, 1e-7);
  const int runs = static_cast<int>(std::max(1.0, std::min(1000.0, 2e-3 / once)));
  const int samples =
      static_cast<int>(std::max(5.0, std::min(101.0, seconds / (once * static_cast<double>(runs)))));
  std::vector<double> times(samples);
  for (double& t : times) {
    start = Now();
    for (int i = 0; i < runs; ++i) f();
    qt_synchronize(ctx);
    t = (Now() - start) / runs;
  }
  std::nth_element(times.begin(), times.begin() + samples / 2, times.end());
  return times[samples / 2];
}

// from and to are whole pages.
void CopyOnCpu(int threads, uint8_t* to, const uint8_t* from, int64_t bytes, bool streaming) {
#pragma omp parallel for num_threads(threads) schedule(static)
  for (int64_t block = 0; block < bytes / 4096; ++block) {
    uint8_t* t = to + block * 4096;
    const uint8_t* f = from + block * 4096;
#if defined(__x86_64__)
    if (streaming) {
      for (int64_t i = 0; i < 4096; i += 16) {
        _mm_stream_si128(reinterpret_cast<__m128i*>(t + i),
                         _mm_load_si128(reinterpret_cast<const __m128i*>(f + i)));
      }
      continue;
    }
#endif
    memcpy(t, f, 4096);
  }
#if defined(__x86_64__)
  _mm_sfence();
#endif
}

std::string Escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

}  // namespace

double CopyBandwidth(qt_context* ctx, int64_t bytes) {
  void *to = nullptr, *from = nullptr;
  bytes = bytes / 4096 * 4096;
  if (qt_memory_alloc(ctx, &to, bytes) != QT_OK) return 0.0;
  double seconds = 0.0;
  if (qt_memory_alloc(ctx, &from, bytes) == QT_OK) {
    // Untouched memory would be read from one page of zeros.
    qt_memory_write(ctx, from, std::vector<uint8_t>(bytes, 1).data(), bytes);
    if (std::string(qt_context_isa(ctx)) == "cuda") {
      seconds = MedianSeconds(ctx, 0.5, [&] { qt_memory_copy(ctx, to, from, bytes); });
    } else {
      const int threads = qt_context_threads(ctx);
      for (const bool streaming : {false, true}) {
        const double t = MedianSeconds(ctx, 1.0, [&] {
          CopyOnCpu(threads, static_cast<uint8_t*>(to), static_cast<const uint8_t*>(from), bytes,
                    streaming);
        });
        if (seconds == 0.0 || t < seconds) seconds = t;
      }
    }
  }
  qt_memory_free(ctx, to, bytes);
  qt_memory_free(ctx, from, bytes);
  return 2.0 * static_cast<double>(bytes) / seconds;
}

bool Place(qt_context* ctx, Call* call) {
  for (Field& f : call->fields()) {
    const int64_t bytes = static_cast<int64_t>(f.data.size());
    if (qt_memory_alloc(ctx, f.slot, bytes) != QT_OK) return false;
    qt_memory_write(ctx, *f.slot, f.data.data(), bytes);
  }
  return true;
}

void Release(qt_context* ctx, Call* call) {
  for (Field& f : call->fields()) {
    qt_memory_free(ctx, *f.slot, static_cast<int64_t>(f.data.size()));
  }
}

Timing TimeCall(qt_context* ctx, Call* call, double seconds) {
  if (!Place(ctx, call)) return {};
  qt_status status = QT_OK;
  const double t = MedianSeconds(ctx, seconds, [&] {
    const qt_status now = call->Run(ctx);
    if (now != QT_OK) status = now;
  });
  if (status != QT_OK) {
    fprintf(stderr, "%s (%s): %s\n", call->kernel().c_str(), call->variant().c_str(),
            qt_last_error(ctx));
  }
  Release(ctx, call);
  const double bytes = static_cast<double>(call->Bytes());
  return {call->kernel(),
          call->variant(),
          call->elements,
          bytes / static_cast<double>(std::max<int64_t>(1, call->elements)),
          status == QT_OK ? t * 1e3 : 0.0,
          status == QT_OK ? bytes / t * 1e-9 : 0.0};
}

void PrintTimings(const std::vector<Timing>& timings, double copy, const std::string& backend,
                  bool json) {
  copy *= 1e-9;
  if (json) {
    printf("{\"backend\": \"%s\", \"copyGbPerSecond\": %.2f, \"rows\": [", backend.c_str(), copy);
    const char* separator = "\n";
    for (const Timing& t : timings) {
      printf("%s{\"name\": \"%s\", \"variant\": \"%s\", \"backend\": \"%s\", \"elements\": %lld, "
             "\"bytesPerElement\": %.3f, \"milliseconds\": %.4f, \"gbPerSecond\": %.2f, "
             "\"fractionOfCopy\": %.3f}",
             separator, t.kernel.c_str(), Escaped(t.variant).c_str(), backend.c_str(),
             static_cast<long long>(t.elements), t.bytes_per_element, t.milliseconds,
             t.gigabytes_per_second, t.gigabytes_per_second / copy);
      separator = ",\n";
    }
    printf("]}\n");
    return;
  }
  printf("%s, copy %.1f GB/s\n", backend.c_str(), copy);
  printf("%-30s %-34s %10s %7s %9s %7s %8s\n", "kernel", "variant", "elements", "B/elem", "ms",
         "GB/s", "of copy");
  for (const Timing& t : timings) {
    printf("%-30s %-34s %10lld %7.3f %9.4f %7.2f %8.2f\n", t.kernel.c_str(), t.variant.c_str(),
           static_cast<long long>(t.elements), t.bytes_per_element, t.milliseconds,
           t.gigabytes_per_second, t.gigabytes_per_second / copy);
  }
}

}  // namespace qt::check
