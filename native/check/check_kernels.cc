// Compares every kernel's backends, or times them.
//
//   check_kernels                    all instruction sets and the emulated CUDA kernels
//   check_kernels --cuda [LIBRARY]   the CUDA device against the CPU (for compute-sanitizer as well)
//   check_kernels --time [--cuda]    time of each kernel, bytes and share of the copy bandwidth
//   --quick        small cases only (a build with sanitizers is slow)
//   --brief        with --cuda: one size, run once (compute-sanitizer is slower still)
//   --part I/N     every Nth case from the Ith on, from 0: N processes share the work
//   --kernel NAME  one kernel; --elements N, --threads N  for --time; --json
//
// The exit code is 0 if nothing failed.
#include <malloc.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "check/driver.h"
#include "context.h"
#include "device.h"

extern "C" qt_status qt_cuda_open(qt_context* ctx, int32_t device, void* stream);

namespace qt::check {
namespace {

// Of a timed case: 4 GB of floats.
constexpr int64_t kMostElements = int64_t{1} << 30;

struct Options {
  bool time = false, cuda = false, json = false, quick = false, brief = false;
  const char* library = nullptr;
  std::string kernel;
  int64_t elements = int64_t{1} << 24;
  int threads = 0;
  int part = 0, parts = 1;
};

// A whole number; false if the word is not one.
bool ParseNumber(const char* word, int64_t* number) {
  char* end = nullptr;
  errno = 0;
  *number = strtoll(word, &end, 10);
  return errno == 0 && end != word && *end == '\0';
}

// I/N with I < N.
bool ParsePart(const std::string& word, Options* options) {
  const size_t slash = word.find('/');
  int64_t part = 0, parts = 0;
  if (slash == std::string::npos || !ParseNumber(word.substr(0, slash).c_str(), &part) ||
      !ParseNumber(word.substr(slash + 1).c_str(), &parts) || part < 0 || part >= parts ||
      parts > 1024) {
    return false;
  }
  options->part = static_cast<int>(part);
  options->parts = static_cast<int>(parts);
  return true;
}

// False if the command line is not understood.
bool Parse(int count, char** words, Options* options) {
  for (int i = 1; i < count; ++i) {
    const std::string word = words[i];
    int64_t number = 0;
    const char* value = i + 1 < count && words[i + 1][0] != '-' ? words[i + 1] : nullptr;
    if (word == "--time") {
      options->time = true;
    } else if (word == "--quick") {
      options->quick = true;
    } else if (word == "--brief") {
      options->brief = true;
    } else if (word == "--json") {
      options->json = true;
    } else if (word == "--cuda") {
      options->cuda = true;
      options->library = value;
      i += value != nullptr;
    } else if (value != nullptr && word == "--kernel") {
      options->kernel = words[++i];
      if (options->kernel.empty()) return false;
    } else if (value != nullptr && word == "--elements" && ParseNumber(value, &number)) {
      options->elements = number;
      ++i;
    } else if (value != nullptr && word == "--threads" && ParseNumber(value, &number) &&
               number >= 1 && number <= 1024) {
      options->threads = static_cast<int>(number);
      ++i;
    } else if (value != nullptr && word == "--part" && ParsePart(value, options)) {
      ++i;
    } else {
      return false;
    }
  }
  return options->elements >= 4096 && options->elements <= kMostElements;
}

constexpr int64_t kQuickBytes = 4096;

// timed_elements: 0 for the cases that are compared.
template <class F>
void ForEachCall(const Options& options, int64_t timed_elements, F f) {
  int64_t seen = 0;
  for (int file = 0; file < CaseFiles(); ++file) {
    const auto wants = [&](const std::string& kernel, const std::string&) {
      if (!options.kernel.empty() && options.kernel != kernel) return false;
      return seen++ % options.parts == options.part;
    };
    AddCases(file, timed_elements, wants, [&](std::unique_ptr<Call> call) {
      if (options.time || !options.quick || call->Bytes() <= kQuickBytes) f(call.get());
    });
  }
}

bool Exists(const std::string& name) {
#define QT_KERNEL(kernel) \
  if (name == #kernel) return true;
#include "kernels.def"
#undef QT_KERNEL
  return false;
}

int Time(const Options& options, qt_context* ctx) {
  // As many bytes as fake_quant moves.
  const MemoryPasses memory(ctx, 4 * options.elements);
  std::vector<Timing> timings;
  const double seconds = options.cuda ? 0.15 : 0.8;
  ForEachCall(options, options.elements,
              [&](Call* call) { timings.push_back(TimeCall(ctx, call, seconds, &memory)); });
  if (!options.cuda) {
    // 256 KB of float input and output.
    constexpr int64_t kCachedElements = 32768;
    qt_context* one = nullptr;
    if (qt_context_create(&one, 1) != QT_OK) return 1;
    ForEachCall(options, kCachedElements, [&](Call* call) {
      const Timing cached = TimeCall(one, call, 0.02, nullptr);
      for (Timing& t : timings) {
        if (t.kernel != cached.kernel || t.variant != cached.variant || cached.elements == 0) continue;
        t.cached_milliseconds = cached.milliseconds * static_cast<double>(t.elements) /
                                static_cast<double>(cached.elements * qt_context_threads(ctx));
      }
    });
    qt_context_destroy(one);
  }
  const std::string backend =
      std::string(qt_context_isa(ctx)) +
      (options.cuda ? "" : ", " + std::to_string(qt_context_threads(ctx)) + " threads");
  PrintTimings(timings, backend, options.json);
  return 0;
}

int Main(int count, char** words) {
  Options options;
  if (!Parse(count, words, &options)) {
    fprintf(stderr,
            "check_kernels [--time] [--cuda [LIBRARY]] [--quick] [--brief] [--kernel NAME] "
            "[--part I/N] [--elements 4096..1073741824] [--threads 1..1024] [--json]\n");
    return 2;
  }
  if (!options.kernel.empty() && !Exists(options.kernel)) {
    fprintf(stderr, "no kernel %s: native/kernels.def has the names\n", options.kernel.c_str());
    return 2;
  }
  qt_context* ctx = nullptr;
  if (options.cuda) {
    char reason[256];
    int32_t devices = 0;
    if (qt_cuda_probe(options.library, &devices, reason, sizeof(reason)) != QT_OK ||
        qt_context_create_cuda(&ctx, options.library, 0, nullptr) != QT_OK) {
      fprintf(stderr, "no CUDA device: %s\n", reason);
      return 1;
    }
  } else if (qt_context_create(&ctx, options.threads) != QT_OK) {
    return 1;
  }
  Suite::brief = options.brief;
  Suite::on_device = options.cuda;
  int status;
  if (options.time) {
    status = Time(options, ctx);
  } else {
    Report report;
    qt_context emulated;
    if (!options.cuda && qt_cuda_open(&emulated, 0, nullptr) != QT_OK) return 1;
    ForEachCall(options, 0, [&](Call* call) {
      if (options.brief && options.cuda) {
        CompareOnceOnDevice(call, ctx, &report);
        return;
      }
      if (!options.cuda) CompareOnCpu(call, &report);
      CompareOnDevice(call, options.cuda ? ctx : &emulated, !options.cuda, &report);
    });
    if (!options.cuda) emulated.on_device->release(emulated);
    status = options.json ? report.PrintJson() : report.Print();
  }
  qt_context_destroy(ctx);
  return status;
}

}  // namespace
}  // namespace qt::check

int main(int count, char** words) {
  // Memory that was data of one case serves the next: new pages cost more than what is timed.
  mallopt(M_MMAP_MAX, 0);
  mallopt(M_TRIM_THRESHOLD, -1);
  return qt::check::Main(count, words);
}
