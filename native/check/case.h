// A kernel call with its data, described once: the driver runs it on the CPU (each instruction set,
// one thread and several) and on a device (emulated in several thread orders, or real), compares
// the outputs, and times it; the bytes it must move are the sizes of its buffers.
//
//   auto& c = suite.Add("fake_quant", "per tensor", qt_fake_quant);
//   c.In(&c.args.x, values);          copied to the device, must stay as it is
//   c.Out(&c.args.y, n);              compared bit by bit
//   c.InOut(&c.args.state, values);   both
//   c.OutSum(&c.args.sum, n, bound);  float sums: |a - b| <= bound
// Plain fields are set as c.args.n = n.
#ifndef QUANTRAIN_CHECK_CASE_H_
#define QUANTRAIN_CHECK_CASE_H_

#include <stdint.h>
#include <string.h>

#include <functional>
#include <memory>
#include <random>
#include <string>
#include <type_traits>
#include <vector>

#include "quantrain.h"

namespace qt::check {

// The values rounded to bf16.
std::vector<uint16_t> ToBf16(const std::vector<float>& values);
// bf16 widened.
std::vector<float> FromBf16(const std::vector<uint16_t>& values);

// The types of a real tensor, what a variant's name says of one, and the name in it.
constexpr int32_t kReals[] = {QT_ELEMENT_F32, QT_ELEMENT_BF16};
inline const char* TypeName(int32_t element_type) {
  return element_type == QT_ELEMENT_BF16 ? ", bf16" : "";
}
inline std::string InType(const std::string& variant, int32_t element_type) {
  if (!variant.empty()) return variant + TypeName(element_type);
  return element_type == QT_ELEMENT_BF16 ? "bf16" : "";
}

// Values that are made when they are used: an input of a call that nobody wants never is, and large
// ones take longer to make than a kernel to run.
template <class T>
class Data {
 public:
  template <class Make>
  Data(Make make) : make_(std::move(make)) {}  // NOLINT: a conversion
  operator std::vector<T>() const { return make_(); }  // NOLINT

 private:
  std::function<std::vector<T>()> make_;
};

// A pointer field of the arguments and what it points to.
struct Field {
  void** slot;
  std::vector<uint8_t> data;  // what an input holds before the call
  bool input, output;
  int64_t alias = -1;  // the field that this output shares its memory with in the in-place variant
  double bound = 0.0;  // of a float sum; 0: bit by bit
  bool is_sum = false;
  bool bf16 = false;  // a real tensor of a call on bf16
  int64_t alignment = 4;
  // What an output must hold, from another computation: bits, or floats within a distance. Or empty.
  std::vector<uint8_t> expected;
  std::vector<float> expected_near;
  double distance = 0.0;
};

class Call {
 public:
  Call(std::string kernel, std::string variant)
      : kernel_(std::move(kernel)), variant_(std::move(variant)) {}
  virtual ~Call() = default;
  virtual qt_status Run(qt_context* ctx) = 0;
  // The arguments as they lie in memory.
  virtual uint8_t* Arguments() = 0;
  virtual int64_t ArgumentBytes() const = 0;
  // Of the arguments; null where they have none.
  virtual int32_t* ElementType() = 0;
  // Of a tensor that has a type of its own; null where none has.
  int32_t* own_type = nullptr;

  const std::string& kernel() const { return kernel_; }
  const std::string& variant() const { return variant_; }
  std::vector<Field>& fields() { return fields_; }
  // Bytes that one call must move: what it reads once and what it writes once.
  int64_t Bytes() const {
    int64_t bytes = 0;
    for (const Field& f : fields_) {
      bytes += static_cast<int64_t>(f.data.size()) * (f.input + f.output);
    }
    return bytes;
  }
  // Elements that bytes per element refer to; set for timed cases.
  int64_t elements = 0;
  // Whether somebody will run it; its buffers are empty otherwise.
  bool wanted = true;
  // On bf16 it copies bits, also those of a NaN that widening and narrowing make quiet.
  bool copies = false;

 protected:
  std::vector<Field> fields_;

 private:
  std::string kernel_, variant_;
};

template <class Args, class = void>
struct ElementTypeOf {
  static int32_t* In(Args*) { return nullptr; }
};
template <class Args>
struct ElementTypeOf<Args, std::void_t<decltype(Args::element_type)>> {
  static int32_t* In(Args* args) { return &args->element_type; }
};

template <class Args>
class CallOf : public Call {
 public:
  using Kernel = qt_status (*)(qt_context*, const Args*);
  CallOf(std::string kernel, std::string variant, Kernel function)
      : Call(std::move(kernel), std::move(variant)), function_(function) {
    memset(&args, 0, sizeof(args));
  }
  qt_status Run(qt_context* ctx) override { return function_(ctx, &args); }
  uint8_t* Arguments() override { return reinterpret_cast<uint8_t*>(&args); }
  int64_t ArgumentBytes() const override { return sizeof(Args); }
  int32_t* ElementType() override { return ElementTypeOf<Args>::In(&args); }

  Args args;

  template <class P, class T>
  void In(P* slot, const std::vector<T>& values) {
    Add(slot, values, /*input=*/true, /*output=*/false);
  }
  template <class P, class T>
  void In(P* slot, const Data<T>& values) {
    In(slot, wanted ? std::vector<T>(values) : std::vector<T>());
  }
  template <class P, class T>
  void InOut(P* slot, const std::vector<T>& values) {
    Add(slot, values, /*input=*/true, /*output=*/true);
  }
  template <class P, class T>
  void InOut(P* slot, const Data<T>& values) {
    InOut(slot, wanted ? std::vector<T>(values) : std::vector<T>());
  }
  // count objects of what the field points to.
  template <class T>
  void Out(T** slot, int64_t count) {
    OutBytes(slot, count * static_cast<int64_t>(sizeof(T)), alignof(T));
  }
  // For void* fields.
  template <class P>
  void OutBytes(P* slot, int64_t bytes, int64_t alignment) {
    Add(slot, std::vector<uint8_t>(wanted ? bytes : 0), /*input=*/false, /*output=*/true);
    fields_.back().alignment = alignment;
  }
  // "real" tensors: float, or the values rounded to bf16. All of them, so that a call on bf16 can be
  // compared with the same call in float.
  template <class P>
  void RealIn(P* slot, int32_t element_type, const std::vector<float>& values) {
    if (element_type == QT_ELEMENT_BF16) {
      In(slot, ToBf16(values));
      fields_.back().bf16 = true;
    } else {
      In(slot, values);
    }
  }
  template <class P>
  void RealIn(P* slot, int32_t element_type, const Data<float>& values) {
    RealIn(slot, element_type, wanted ? std::vector<float>(values) : std::vector<float>());
  }
  template <class P>
  void RealOut(P* slot, int32_t element_type, int64_t count) {
    const int64_t bytes = element_type == QT_ELEMENT_BF16 ? 2 : 4;
    OutBytes(slot, count * bytes, bytes);
    fields_.back().bf16 = element_type == QT_ELEMENT_BF16;
  }
  // bound: before it is rounded to bf16.
  template <class P>
  void RealOutSum(P* slot, int32_t element_type, int64_t count, double bound) {
    RealOut(slot, element_type, count);
    fields_.back().bound = bound;
    fields_.back().is_sum = true;
  }
  void OutSum(float** slot, int64_t count, double bound) {
    Out(slot, count);
    fields_.back().bound = bound;
    fields_.back().is_sum = true;
  }
  void InOutSum(float** slot, const std::vector<float>& values, double bound) {
    InOut(slot, values);
    fields_.back().bound = bound;
    fields_.back().is_sum = true;
  }
  // The bits that the output added last must have.
  template <class T>
  void Expect(const std::vector<T>& values) {
    std::vector<uint8_t>& expected = fields_.back().expected;
    expected.resize(values.size() * sizeof(T));
    if (!values.empty()) memcpy(expected.data(), values.data(), expected.size());
  }
  // The floats that the output added last must be near.
  void ExpectNear(const std::vector<float>& values, double distance) {
    fields_.back().expected_near = values;
    fields_.back().distance = distance;
  }
  // The output added last may be this input.
  template <class P>
  void MayBe(P* input) {
    for (size_t i = 0; i + 1 < fields_.size(); ++i) {
      if (static_cast<void*>(fields_[i].slot) == static_cast<void*>(input)) {
        fields_.back().alias = static_cast<int64_t>(i);
      }
    }
  }

 private:
  template <class P, class T>
  void Add(P* slot, const std::vector<T>& values, bool input, bool output) {
    Field f;
    f.slot = const_cast<void**>(reinterpret_cast<const void* const*>(slot));
    f.data.resize(values.size() * sizeof(T));
    if (!values.empty()) memcpy(f.data.data(), values.data(), f.data.size());
    f.input = input;
    f.output = output;
    f.alignment = alignof(T);
    fields_.push_back(std::move(f));
  }

  Kernel function_;
};

// Runs what a fused kernel stands for, on the CPU.
template <class Args>
inline void Run(qt_status (*kernel)(qt_context*, const Args*), const Args& args) {
  qt_context* ctx = nullptr;
  if (qt_context_create(&ctx, 1) != QT_OK) return;
  kernel(ctx, &args);
  qt_context_destroy(ctx);
}

// Where case functions add their calls. Data of large calls fills the memory, so there is one call at
// a time: the next Add hands the one before to the driver.
class Suite {
 public:
  using Consumer = std::function<void(std::unique_ptr<Call>)>;
  // Whether the consumer wants this call of this kernel.
  using Filter = std::function<bool(const std::string& kernel, const std::string& variant)>;
  // timed_elements > 0: cases of this size that are timed, instead of the small ones that are
  // compared.
  Suite(int64_t timed_elements, Filter wants, Consumer consumer)
      : timed_elements_(timed_elements), wants_(std::move(wants)), consumer_(std::move(consumer)) {}
  ~Suite() { Finish(); }
  bool timed() const { return timed_elements_ > 0; }
  // One size of each case that is compared.
  static inline bool brief = false;
  // Timed on a device, where kernels are fast that are plain loops on a CPU.
  static inline bool on_device = false;

  template <class Args>
  CallOf<Args>& Add(const std::string& kernel, const std::string& variant,
                    qt_status (*function)(qt_context*, const Args*)) {
    Finish();
    auto call = std::make_unique<CallOf<Args>>(kernel, variant, function);
    call->wanted = wants_(kernel, variant);
    CallOf<Args>& added = *call;
    call_ = std::move(call);
    return added;
  }

  // Sizes that a case function walks: odd and even, below and above vectors and blocks; or the one
  // that is timed.
  std::vector<int64_t> Sizes() const {
    if (timed()) return {timed_elements_};
    if (brief) return {1021};
    return {1, 3, 31, 33, 207, 1021, 4098};
  }

 private:
  void Finish() {
    if (call_ != nullptr && call_->wanted) consumer_(std::move(call_));
    call_ = nullptr;
  }

  int64_t timed_elements_;
  Filter wants_;
  Consumer consumer_;
  std::unique_ptr<Call> call_;
};

// The files of cases/, and the calls of one of them.
int CaseFiles();
void AddCases(int file, int64_t timed_elements, const Suite::Filter& wants,
              const Suite::Consumer& consumer);

// n values of next(), which repeat after a while: data of timed cases is made at the speed of memory.
template <class T, class Next>
std::vector<T> Repeated(int64_t n, Next next) {
  constexpr int64_t kPeriod = 65537;
  std::vector<T> values(n);
  for (int64_t i = 0; i < n && i < kPeriod; ++i) values[i] = next();
  for (int64_t i = kPeriod; i < n; i += kPeriod) {
    memcpy(&values[i], values.data(), sizeof(T) * static_cast<size_t>(n - i < kPeriod ? n - i : kPeriod));
  }
  return values;
}

// Values where rounding, clamping and special numbers happen for a grid of this scale, between
// random ones; finite: without Inf, NaN and 1e30. Of timed cases only random ones, as a network has
// them: one denormal in a vector can cost a processor more than the vector.
Data<float> Values(int64_t n, float scale, int32_t qmin, int32_t qmax, int32_t zero_point,
                   uint32_t seed, bool finite = false);
Data<float> Uniform(int64_t n, float least, float most, uint32_t seed);
template <class T>
Data<T> Integers(int64_t n, int64_t least, int64_t most, uint32_t seed) {
  return [=] {
    std::mt19937 random(seed);
    std::uniform_int_distribution<int64_t> spread(least, most);
    return Repeated<T>(n, [&] { return static_cast<T>(spread(random)); });
  };
}
// (n + 7) / 8 bytes with the unused bits 0.
Data<uint8_t> RandomMask(int64_t n, uint32_t seed);

// How the gradient of batch norm is asked for: all at once, or the sums alone, or what follows from
// sums over more rows than its own.
enum class Sums { kOwn, kAlone, kGiven };
constexpr const char* kSumsNames[] = {"", ", sums alone", ", sums given"};

// [outer, channels, inner] of about n elements in every layout that a per-channel kernel knows.
struct Layout {
  std::string name;
  int64_t outer, channels, inner;
  int64_t elements() const { return outer * channels * inner; }
};
std::vector<Layout> Layouts(const Suite& suite, int64_t n);

// A window that goes over images.
struct Geometry {
  const char* name;
  int32_t kernel_h, kernel_w, stride_h, stride_w, pad_top, pad_left, pad_bottom, pad_right;
};
inline qt_window WindowOf(const Geometry& g, int64_t n, int64_t h, int64_t w, int64_t c) {
  qt_window window = {};
  window.n = n;
  window.h = h;
  window.w = w;
  window.c = c;
  window.p = (h + g.pad_top + g.pad_bottom - g.kernel_h) / g.stride_h + 1;
  window.q = (w + g.pad_left + g.pad_right - g.kernel_w) / g.stride_w + 1;
  window.kernel_h = g.kernel_h;
  window.kernel_w = g.kernel_w;
  window.stride_h = g.stride_h;
  window.stride_w = g.stride_w;
  window.pad_top = g.pad_top;
  window.pad_left = g.pad_left;
  return window;
}

}  // namespace qt::check

#endif  // QUANTRAIN_CHECK_CASE_H_
