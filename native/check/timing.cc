// Times calls on buffers that were allocated before, the way a plan allocates them: huge pages on
// the CPU. A call's bytes are the sizes of its buffers.
#include <omp.h>
#include <stdio.h>
#if defined(__x86_64__)
#include <emmintrin.h>
#endif

#include <algorithm>
#include <chrono>
#include <functional>

#include "check/driver.h"

namespace qt::check {
namespace {

double Now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// Median seconds of one run of each of what takes turns, so that all of them saw the machine's same
// moments. A sample holds enough runs to be above the clock's grain, and ends with a synchronization.
std::vector<double> MedianSeconds(qt_context* ctx, double seconds,
                                  const std::vector<std::function<void()>>& turns) {
  std::vector<int> runs;
  double round = 0.0;
  for (const auto& f : turns) {
    f();
    qt_synchronize(ctx);
    const double start = Now();
    f();
    qt_synchronize(ctx);
    const double once = std::max(Now() - start, 1e-7);
    runs.push_back(static_cast<int>(std::max(1.0, std::min(1000.0, 2e-3 / once))));
    round += once * runs.back();
  }
  const int samples = static_cast<int>(std::max(5.0, std::min(101.0, seconds / round)));
  std::vector<std::vector<double>> times(turns.size(), std::vector<double>(samples));
  for (int sample = 0; sample < samples; ++sample) {
    for (size_t turn = 0; turn < turns.size(); ++turn) {
      const double start = Now();
      for (int i = 0; i < runs[turn]; ++i) turns[turn]();
      qt_synchronize(ctx);
      times[turn][sample] = (Now() - start) / runs[turn];
    }
  }
  std::vector<double> medians;
  for (std::vector<double>& t : times) {
    std::nth_element(t.begin(), t.begin() + samples / 2, t.end());
    medians.push_back(t[samples / 2]);
  }
  return medians;
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

MemoryPasses::MemoryPasses(qt_context* ctx, int64_t bytes) : ctx_(ctx), bytes_(bytes / 4096 * 4096) {
  if (qt_memory_alloc(ctx, &to_, bytes_) != QT_OK || qt_memory_alloc(ctx, &from_, bytes_) != QT_OK) {
    return;
  }
  // Untouched memory would be read from one page of zeros.
  qt_memory_write(ctx, from_, std::vector<uint8_t>(bytes_, 1).data(), bytes_);
  if (std::string(qt_context_isa(ctx)) == "cuda") {
    turns_.push_back([this] { qt_memory_copy(ctx_, to_, from_, bytes_); });
    return;
  }
  std::vector<Pass> passes = {Pass::kCopy};
#if defined(__x86_64__)
  passes.push_back(Pass::kStreamingCopy);
  if (bytes_ >= int64_t{64} << 20) passes.insert(passes.end(), {Pass::kAheadCopy, Pass::kRead});
#endif
  for (const Pass pass : passes) {
    turns_.push_back([this, pass] {
      PassOnCpu(qt_context_threads(ctx_), static_cast<uint8_t*>(to_),
                static_cast<const uint8_t*>(from_), bytes_, pass);
    });
  }
}

MemoryPasses::~MemoryPasses() {
  qt_memory_free(ctx_, to_, bytes_);
  qt_memory_free(ctx_, from_, bytes_);
}

Bandwidths MemoryPasses::Of(const double* seconds) const {
  const double moved = 2.0 * static_cast<double>(bytes_);
  Bandwidths memory;
  for (int i = 0; i < Copies(); ++i) {
    memory.copy = std::max(memory.copy, moved / seconds[i]);
  }
  if (turns_.size() == 4) {
    memory.ahead_copy = std::max(memory.copy, moved / seconds[2]);
    memory.read = moved / 2.0 / seconds[3];
  }
  return memory;
}

double FloorMilliseconds(const Timing& t) {
  if (t.memory.read <= 0.0) return t.cached_milliseconds;
  const double read = 1e3 / t.memory.read;
  const double written = std::max(0.0, 2e3 / t.memory.ahead_copy - read);
  return std::max(t.cached_milliseconds, t.bytes_read * read + t.bytes_written * written);
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

Timing TimeCall(qt_context* ctx, Call* call, double seconds, const MemoryPasses* beside) {
  if (!Place(ctx, call)) return {};
  qt_status status = QT_OK;
  std::vector<std::function<void()>> turns = {[&] {
    const qt_status now = call->Run(ctx);
    if (now != QT_OK) status = now;
  }};
  if (beside != nullptr) {
    turns.insert(turns.end(), beside->turns().begin(), beside->turns().end());
  }
  const std::vector<double> medians = MedianSeconds(ctx, seconds, turns);
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
  Timing t{call->kernel(), call->variant(), call->elements, read, written};
  if (status == QT_OK) t.milliseconds = medians[0] * 1e3;
  if (beside != nullptr) t.memory = beside->Of(medians.data() + 1);
  return t;
}

namespace {

// The median over the rows, in GB/s.
double Median(const std::vector<Timing>& timings, double Bandwidths::*rate) {
  if (timings.empty()) return 0.0;
  std::vector<double> rates;
  for (const Timing& t : timings) rates.push_back(t.memory.*rate * 1e-9);
  std::nth_element(rates.begin(), rates.begin() + rates.size() / 2, rates.end());
  return rates[rates.size() / 2];
}

}  // namespace

void PrintTimings(const std::vector<Timing>& timings, const std::string& backend, bool json) {
  const double copy = Median(timings, &Bandwidths::copy);
  const double ahead_copy = Median(timings, &Bandwidths::ahead_copy);
  const double read = Median(timings, &Bandwidths::read);
  if (json) {
    printf("{\"backend\": \"%s\", \"copyGbPerSecond\": %.2f, \"aheadCopyGbPerSecond\": %.2f, "
           "\"readGbPerSecond\": %.2f, \"rows\": [",
           backend.c_str(), copy, ahead_copy, read);
  } else {
    printf("%s; beside the rows, in the median: copy %.1f GB/s", backend.c_str(), copy);
    if (read > 0.0) {
      printf("; fetched ahead: copy %.1f GB/s, read %.1f GB/s", ahead_copy, read);
    }
    printf("\n%-30s %-34s %10s %7s %9s %7s %8s %10s %9s\n", "kernel", "variant", "elements",
           "B/elem", "ms", "GB/s", "of copy", "cached ms", "of floor");
  }
  const char* separator = "\n";
  for (const Timing& t : timings) {
    const double each = t.Bytes() / static_cast<double>(std::max<int64_t>(1, t.elements));
    const double rate = t.milliseconds > 0.0 ? t.Bytes() / t.milliseconds * 1e-6 : 0.0;
    const double of_copy = t.memory.copy > 0.0 ? rate / (t.memory.copy * 1e-9) : 0.0;
    const double of_floor = t.milliseconds > 0.0 ? FloorMilliseconds(t) / t.milliseconds : 0.0;
    if (json) {
      printf("%s{\"name\": \"%s\", \"variant\": \"%s\", \"backend\": \"%s\", \"elements\": %lld, "
             "\"bytesPerElement\": %.3f, \"milliseconds\": %.4f, \"gbPerSecond\": %.2f, "
             "\"fractionOfCopy\": %.3f, \"cachedMilliseconds\": %.4f, \"fractionOfFloor\": %.3f}",
             separator, t.kernel.c_str(), Escaped(t.variant).c_str(), backend.c_str(),
             static_cast<long long>(t.elements), each, t.milliseconds, rate, of_copy,
             t.cached_milliseconds, of_floor);
      separator = ",\n";
    } else {
      printf("%-30s %-34s %10lld %7.3f %9.4f %7.2f %8.2f %10.4f %9.2f\n", t.kernel.c_str(),
             t.variant.c_str(), static_cast<long long>(t.elements), each, t.milliseconds, rate,
             of_copy, t.cached_milliseconds, of_floor);
    }
  }
  if (json) printf("]}\n");
}

}  // namespace qt::check
