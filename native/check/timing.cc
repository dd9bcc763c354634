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

enum class Pass { kCopy, kStreamingCopy, kAheadCopy, kRead };

// What was read is used here, so that no compiler skips the reading.
volatile int64_t any_byte;

// from and to are whole pages.
void PassOnCpu(int threads, uint8_t* to, const uint8_t* from, int64_t bytes, Pass pass) {
  int64_t any = 0;
#pragma omp parallel for num_threads(threads) schedule(static) reduction(| : any)
  for (int64_t block = 0; block < bytes / 4096; ++block) {
    uint8_t* t = to + block * 4096;
    const uint8_t* f = from + block * 4096;
    if (pass == Pass::kCopy) {
      memcpy(t, f, 4096);
      continue;
    }
#if defined(__x86_64__)
    __m128i seen = _mm_setzero_si128();
    for (int64_t line = 0; line < 4096; line += 64) {
      if (pass != Pass::kStreamingCopy) {
        _mm_prefetch(reinterpret_cast<const char*>(f + line + 2048), _MM_HINT_T0);
      }
      for (int64_t i = line; i < line + 64; i += 16) {
        const __m128i value = _mm_load_si128(reinterpret_cast<const __m128i*>(f + i));
        if (pass == Pass::kRead) {
          seen = _mm_or_si128(seen, value);
        } else {
          _mm_stream_si128(reinterpret_cast<__m128i*>(t + i), value);
        }
      }
    }
    any |= _mm_cvtsi128_si64(_mm_or_si128(seen, _mm_unpackhi_epi64(seen, seen)));
#endif
  }
  any_byte = any;
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

Bandwidths MeasureBandwidths(qt_context* ctx, int64_t bytes) {
  void *to = nullptr, *from = nullptr;
  bytes = bytes / 4096 * 4096;
  if (qt_memory_alloc(ctx, &to, bytes) != QT_OK) return {0.0};
  Bandwidths memory{0.0};
  if (qt_memory_alloc(ctx, &from, bytes) == QT_OK) {
    const double moved = 2.0 * static_cast<double>(bytes);
    // Untouched memory would be read from one page of zeros.
    qt_memory_write(ctx, from, std::vector<uint8_t>(bytes, 1).data(), bytes);
    if (std::string(qt_context_isa(ctx)) == "cuda") {
      memory.copy = moved / MedianSeconds(ctx, 0.5, [&] { qt_memory_copy(ctx, to, from, bytes); });
    } else {
      const auto seconds = [&](Pass pass) {
        return MedianSeconds(ctx, 1.0, [&] {
          PassOnCpu(qt_context_threads(ctx), static_cast<uint8_t*>(to),
                    static_cast<const uint8_t*>(from), bytes, pass);
        });
      };
      memory.copy = moved / seconds(Pass::kCopy);
#if defined(__x86_64__)
      memory.copy = std::max(memory.copy, moved / seconds(Pass::kStreamingCopy));
      if (bytes >= int64_t{64} << 20) {
        memory.ahead_copy = std::max(memory.copy, moved / seconds(Pass::kAheadCopy));
        memory.read = moved / 2.0 / seconds(Pass::kRead);
      }
#endif
    }
  }
  qt_memory_free(ctx, to, bytes);
  qt_memory_free(ctx, from, bytes);
  return memory;
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
  double read = 0.0, written = 0.0;
  for (const Field& f : call->fields()) {
    const double bytes = static_cast<double>(f.data.size());
    if (f.input) read += bytes;
    if (f.output) written += bytes;
  }
  return {call->kernel(), call->variant(),          call->elements, read,
          written,        status == QT_OK ? t * 1e3 : 0.0};
}

void PrintTimings(const std::vector<Timing>& timings, const Bandwidths& memory,
                  const std::string& backend, bool json) {
  const double copy = memory.copy * 1e-9;
  if (json) {
    printf("{\"backend\": \"%s\", \"copyGbPerSecond\": %.2f, \"aheadCopyGbPerSecond\": %.2f, "
           "\"readGbPerSecond\": %.2f, \"rows\": [",
           backend.c_str(), copy, memory.ahead_copy * 1e-9, memory.read * 1e-9);
  } else {
    printf("%s, copy %.1f GB/s", backend.c_str(), copy);
    if (memory.read > 0.0) {
      printf("; fetched ahead: copy %.1f GB/s, read %.1f GB/s", memory.ahead_copy * 1e-9,
             memory.read * 1e-9);
    }
    printf("\n%-30s %-34s %10s %7s %9s %7s %8s %10s %9s\n", "kernel", "variant", "elements",
           "B/elem", "ms", "GB/s", "of copy", "cached ms", "of floor");
  }
  const char* separator = "\n";
  for (const Timing& t : timings) {
    const double each = t.Bytes() / static_cast<double>(std::max<int64_t>(1, t.elements));
    const double rate = t.milliseconds > 0.0 ? t.Bytes() / t.milliseconds * 1e-6 : 0.0;
    double floor = t.cached_milliseconds;
    if (memory.read > 0.0) {
      floor = std::max({floor, t.bytes_read / memory.read * 1e3, t.Bytes() / memory.ahead_copy * 1e3});
    }
    const double of_floor = t.milliseconds > 0.0 ? floor / t.milliseconds : 0.0;
    if (json) {
      printf("%s{\"name\": \"%s\", \"variant\": \"%s\", \"backend\": \"%s\", \"elements\": %lld, "
             "\"bytesPerElement\": %.3f, \"milliseconds\": %.4f, \"gbPerSecond\": %.2f, "
             "\"fractionOfCopy\": %.3f, \"cachedMilliseconds\": %.4f, \"fractionOfFloor\": %.3f}",
             separator, t.kernel.c_str(), Escaped(t.variant).c_str(), backend.c_str(),
             static_cast<long long>(t.elements), each, t.milliseconds, rate, rate / copy,
             t.cached_milliseconds, of_floor);
      separator = ",\n";
    } else {
      printf("%-30s %-34s %10lld %7.3f %9.4f %7.2f %8.2f %10.4f %9.2f\n", t.kernel.c_str(),
             t.variant.c_str(), static_cast<long long>(t.elements), each, t.milliseconds, rate,
             rate / copy, t.cached_milliseconds, of_floor);
    }
  }
  if (json) printf("]}\n");
}

}  // namespace qt::check
