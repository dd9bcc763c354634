// fuzz_arguments [COUNT [SEED]]: calls every kernel with damaged arguments, on the CPU and on the
// emulated device, and expects QT_OK or an error whose text names the kernel and one of its fields.
// Build with QT_SANITIZE=address,undefined: every buffer is exactly as large as its case says, so
// whatever a kernel touches beyond is found.
//
// A damaged call starts from a case that is valid. Pointers become null, misaligned, or point into
// another buffer; words of the plain fields become other numbers of every kind (sizes, floats and
// enums are not told apart); values that inputs hold become garbage. A size can be valid and yet too
// large for the buffer, which no kernel can know: qt_context::holds tells the argument checks, so
// such a call is refused. What a check forgot to ask for is not refused, and touches memory.
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "check/case.h"
#include "context.h"
#include "device.h"

extern "C" qt_status qt_cuda_open(qt_context* ctx, int32_t device, void* stream);
// For the sanitizers, where this is built with them: report, then abort, which is caught below.
extern "C" const char* __asan_default_options() { return "abort_on_error=1"; }
extern "C" const char* __ubsan_default_options() { return "abort_on_error=1:print_stacktrace=1"; }

namespace qt::check {
namespace {

constexpr const char* kKernels[] = {
#define QT_KERNEL(name) #name,
#include "kernels.def"
#undef QT_KERNEL
};

// The call that runs, for the message of a crash or a hang.
char running[512];
const uint8_t* arguments = nullptr;
int64_t argument_bytes = 0;

void Crashed(int signal) {
  fprintf(stderr, "fuzz_arguments: %s %s\narguments:", running,
          signal == SIGALRM ? "still runs after 20 seconds" : "crashed");
  for (int64_t i = 0; i + 8 <= argument_bytes; i += 8) {
    uint64_t word = 0;
    memcpy(&word, arguments + i, 8);
    fprintf(stderr, " %llx", static_cast<unsigned long long>(word));
  }
  fprintf(stderr, "\n");
  _exit(1);
}

struct Memory {
  uint8_t* begin;
  int64_t bytes;
};

// The buffers of the running call.
std::vector<Memory> memory;

bool Holds(const void* p, int64_t bytes) {
  const uint8_t* at = static_cast<const uint8_t*>(p);
  for (const Memory& m : memory) {
    if (at >= m.begin && at <= m.begin + m.bytes) return bytes <= m.begin + m.bytes - at;
  }
  return false;
}

// A case whose arguments point to buffers of its own.
class Subject {
 public:
  explicit Subject(std::unique_ptr<Call> call) : call_(std::move(call)) {
    for (Field& f : call_->fields()) {
      storage_.emplace_back(new uint8_t[f.data.size()]);
      buffers_.push_back({storage_.back().get(), static_cast<int64_t>(f.data.size())});
      *f.slot = buffers_.back().begin;
    }
    valid_.assign(call_->Arguments(), call_->Arguments() + call_->ArgumentBytes());
  }
  Subject(Subject&&) = default;
  Subject& operator=(Subject&&) = default;

  Call& call() { return *call_; }
  std::vector<Memory>& buffers() { return buffers_; }
  // Offset of a field's pointer in the arguments.
  int64_t Offset(const Field& f) const {
    return reinterpret_cast<uint8_t*>(f.slot) - call_->Arguments();
  }
  uint8_t* Word(int64_t offset) { return call_->Arguments() + offset; }

  void Restore() {
    memcpy(call_->Arguments(), valid_.data(), valid_.size());
    for (size_t i = 0; i < buffers_.size(); ++i) {
      const std::vector<uint8_t>& data = call_->fields()[i].data;
      if (!data.empty()) memcpy(buffers_[i].begin, data.data(), data.size());
    }
  }

 private:
  std::unique_ptr<Call> call_;
  std::vector<std::unique_ptr<uint8_t[]>> storage_;
  std::vector<Memory> buffers_;
  std::vector<uint8_t> valid_;
};

// A kernel: some of its cases, and where its arguments hold pointers.
struct Target {
  std::vector<Subject> subjects;
  std::set<int64_t> pointers;
  std::string fields;  // the text of its struct in the header
};

class Fuzzer {
 public:
  Fuzzer(uint32_t seed, qt_context* cpu, qt_context* device)
      : random_(seed), cpu_(cpu), device_(device) {}

  // False if the outcome is not what it must be.
  bool Run(const std::string& kernel, Target* target, int64_t number) {
    Subject& subject = target->subjects[Below(target->subjects.size())];
    subject.Restore();
    memory = subject.buffers();
    const uint64_t mutations = 1 + Below(3);
    for (uint64_t i = 0; i < mutations; ++i) Damage(&subject, target->pointers);
    qt_context* ctx = Below(10) == 0 ? device_ : cpu_;
    snprintf(running, sizeof(running), "set %lld: %s (%s) on the %s",
             static_cast<long long>(number), kernel.c_str(), subject.call().variant().c_str(),
             ctx == cpu_ ? "CPU" : "device");
    arguments = subject.call().Arguments();
    argument_bytes = subject.call().ArgumentBytes();
    ctx->error[0] = 0;
    alarm(20);
    const qt_status status = subject.call().Run(ctx);
    alarm(0);
    if (status == QT_OK) {
      ++accepted;
      return true;
    }
    const std::string problem = Problem(status, ctx->error, kernel, target->fields);
    if (problem.empty()) return true;
    fprintf(stderr, "%s: %s: status %d \"%s\"\n", running, problem.c_str(), status, ctx->error);
    return false;
  }

  int64_t accepted = 0;

 private:
  uint64_t Below(uint64_t limit) { return limit == 0 ? 0 : random_() % limit; }

  void Damage(Subject* subject, const std::set<int64_t>& pointers) {
    std::vector<int64_t> slots(pointers.begin(), pointers.end());
    const uint64_t kind = Below(10);
    if (kind < 4 && !slots.empty()) {
      DamagePointer(subject, slots[Below(slots.size())], kind);
    } else if (kind < 9) {
      DamageWord(subject, pointers);
    } else {
      DamageData(subject);
    }
  }

  void DamagePointer(Subject* subject, int64_t slot, uint64_t kind) {
    uint8_t* p = nullptr;
    memcpy(&p, subject->Word(slot), sizeof(p));
    if (kind == 0) {
      p = nullptr;
    } else if (kind == 1) {
      p = p == nullptr ? p : p + 1 + Below(7);
    } else if (!memory.empty()) {
      const Memory& other = memory[Below(memory.size())];
      // Often its beginning: an overlap that is in full, or allowed.
      p = other.begin + (kind == 2 ? 0 : Below(other.bytes + 1));
    }
    memcpy(subject->Word(slot), &p, sizeof(p));
  }

  void DamageWord(Subject* subject, const std::set<int64_t>& pointers) {
    const int64_t words = subject->call().ArgumentBytes() / 4;
    const int64_t offset = 4 * static_cast<int64_t>(Below(words));
    if (pointers.count(offset) != 0 || pointers.count(offset - 4) != 0) return;
    if (offset % 8 == 0 && offset / 4 + 1 < words && Below(2) == 0) {
      int64_t value = 0;
      memcpy(&value, subject->Word(offset), 8);
      value = Number(value);
      memcpy(subject->Word(offset), &value, 8);
    } else {
      int32_t value = 0;
      memcpy(&value, subject->Word(offset), 4);
      value = Below(3) == 0 ? FloatWord() : static_cast<int32_t>(Number(value));
      memcpy(subject->Word(offset), &value, 4);
    }
  }

  void DamageData(Subject* subject) {
    const Memory& m = subject->buffers()[Below(subject->buffers().size())];
    if (m.bytes < 4) return;
    const int32_t value = Below(2) == 0 ? FloatWord() : static_cast<int32_t>(Number(1));
    memcpy(m.begin + 4 * Below(m.bytes / 4), &value, 4);
  }

  int64_t Number(int64_t valid) {
    switch (Below(14)) {
      case 0: return 0;
      case 1: return -1;
      case 2: return static_cast<int64_t>(-static_cast<uint64_t>(valid));
      case 3: return INT64_MIN;
      case 4: return INT64_MAX;
      case 5: return INT32_MIN;
      case 6: return INT32_MAX;
      case 7: return int64_t{1} << (16 + Below(47));
      case 8: return static_cast<int64_t>(static_cast<uint64_t>(valid) + 1);
      case 9: return static_cast<int64_t>(static_cast<uint64_t>(valid) - 1);
      case 10: return static_cast<int64_t>(static_cast<uint64_t>(valid) * 2);
      case 11: return 17;
      case 12: return static_cast<int64_t>(Below(400)) - 50;
      default: return static_cast<int64_t>(random_());
    }
  }

  int32_t FloatWord() {
    const float values[] = {NAN,  INFINITY, -INFINITY, 0.0f, -0.0f, -1.0f,
                            1e-45f, 1e-38f, 1e38f, 1.0f, 1.5f, -1e-30f};
    const float value = values[Below(12)];
    int32_t bits;
    memcpy(&bits, &value, 4);
    return bits;
  }

  // What is wrong with an error, or empty.
  static std::string Problem(qt_status status, const std::string& text, const std::string& kernel,
                             const std::string& fields) {
    if (status != QT_INVALID_ARGUMENT) return "not QT_INVALID_ARGUMENT";
    const std::string begin = "[" + kernel + "] ";
    if (text.compare(0, begin.size(), begin) != 0) return "the text does not name the kernel";
    // The field's name: letters, digits and _ up to what else there is.
    size_t end = begin.size();
    while (isalnum(text[end]) || text[end] == '_') ++end;
    const std::string field = text.substr(begin.size(), end - begin.size());
    if (field.empty()) return "the text does not name a field";
    for (size_t at = fields.find(field); at != std::string::npos; at = fields.find(field, at + 1)) {
      const char before = fields[at - 1], after = fields[at + field.size()];
      const bool whole = !isalnum(before) && before != '_' && !isalnum(after) && after != '_';
      if (whole) return "";
    }
    return "the text names no field of the arguments";
  }

  std::mt19937_64 random_;
  qt_context* cpu_;
  qt_context* device_;
};

// The text of a kernel's struct in the header.
std::string StructText(const std::string& header, const std::string& kernel) {
  const size_t begin = header.find("typedef struct qt_" + kernel + "_args {");
  return begin == std::string::npos
             ? ""
             : header.substr(begin, header.find("} qt_" + kernel + "_args;", begin) - begin);
}

std::map<std::string, Target> Targets() {
  constexpr int64_t kMostBytes = 16 << 10;
  constexpr size_t kMostSubjects = 24;
  std::ifstream file(QT_HEADER);
  std::stringstream header;
  header << file.rdbuf();
  std::map<std::string, Target> targets;
  std::mt19937 random(1);
  std::map<std::string, size_t> seen;
  for (int i = 0; i < CaseFiles(); ++i) {
    const auto all = [](const std::string&, const std::string&) { return true; };
    AddCases(i, 0, all, [&](std::unique_ptr<Call> call) {
      Target& target = targets[call->kernel()];
      if (target.fields.empty()) target.fields = StructText(header.str(), call->kernel());
      for (const Field& f : call->fields()) {
        target.pointers.insert(reinterpret_cast<uint8_t*>(f.slot) - call->Arguments());
      }
      if (call->Bytes() > kMostBytes) return;
      // Each of the small cases is kept with the same probability.
      const size_t place = seen[call->kernel()]++;
      if (place < kMostSubjects) {
        target.subjects.emplace_back(std::move(call));
        return;
      }
      const size_t replaced = random() % (place + 1);
      if (replaced >= kMostSubjects) return;
      target.subjects[replaced] = Subject(std::move(call));
    });
  }
  return targets;
}

int Main(int64_t count, uint32_t seed) {
  for (const int signal_number : {SIGALRM, SIGABRT, SIGSEGV, SIGFPE, SIGILL}) {
    signal(signal_number, Crashed);
  }
  std::map<std::string, Target> targets = Targets();
  bool complete = true;
  for (const char* name : kKernels) {
    if (!targets[name].subjects.empty() && !targets[name].fields.empty()) continue;
    fprintf(stderr, "%s: no small case, or no arguments in %s\n", name, QT_HEADER);
    complete = false;
  }
  if (!complete) return 1;
  qt_context* cpu = nullptr;
  qt_context device;
  if (qt_context_create(&cpu, 1) != QT_OK || qt_cuda_open(&device, 0, nullptr) != QT_OK) return 1;
  cpu->holds = device.holds = Holds;
  Fuzzer fuzzer(seed, cpu, &device);
  int64_t wrong = 0;
  for (int64_t i = 0; i < count; ++i) {
    const char* kernel = kKernels[i % (sizeof(kKernels) / sizeof(kKernels[0]))];
    wrong += fuzzer.Run(kernel, &targets[kernel], i) ? 0 : 1;
  }
  device.on_device->release(device);
  qt_context_destroy(cpu);
  printf("%lld argument sets of %lld kernels: %lld accepted, %lld refused, %lld wrong\n",
         static_cast<long long>(count),
         static_cast<long long>(sizeof(kKernels) / sizeof(kKernels[0])),
         static_cast<long long>(fuzzer.accepted),
         static_cast<long long>(count - fuzzer.accepted - wrong), static_cast<long long>(wrong));
  return wrong == 0 ? 0 : 1;
}

}  // namespace
}  // namespace qt::check

int main(int count, char** words) {
  return qt::check::Main(count > 1 ? atoll(words[1]) : 100000,
                         count > 2 ? static_cast<uint32_t>(atoll(words[2])) : 1);
}
