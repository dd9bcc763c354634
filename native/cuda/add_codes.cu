// add_codes, add_codes_fixed and add_codes_range, the same bits as cpu/add_codes.cc.
#include "cuda/device/binary_codes.h"
#include "cuda/device/reduce.h"
#include "math/range.h"

namespace qt::cuda {
namespace {

struct Add {
  qt_add_codes_args args;
  __device__ math::FloatAdd Constants() const {
    return math::MakeFloatAdd(*args.a_scale, *args.a_zero_point, *args.b_scale, *args.b_zero_point,
                              *args.y_scale, *args.y_zero_point);
  }
  __device__ math::Ends<float> Ends() const {
    return math::MakeEnds<float>(args.qmin, args.qmax, *args.y_zero_point, args.relu != 0);
  }
};

struct AddTflite {
  qt_add_codes_fixed_args args;
  __device__ math::TfliteAdd Constants() const {
    return math::MakeTfliteAdd(*args.a_scale, *args.a_zero_point, *args.b_scale,
                               *args.b_zero_point, *args.y_scale, *args.y_zero_point);
  }
  __device__ math::Ends<int32_t> Ends() const {
    return math::MakeEnds<int32_t>(args.qmin, args.qmax, *args.y_zero_point, args.relu != 0);
  }
};

struct AddXnnpack {
  qt_add_codes_fixed_args args;
  __device__ math::XnnpackAdd Constants() const {
    return math::MakeXnnpackAdd(*args.a_scale, *args.a_zero_point, *args.b_scale,
                                *args.b_zero_point, *args.y_scale, *args.y_zero_point);
  }
  __device__ math::Ends<int32_t> Ends() const {
    return math::MakeEnds<int32_t>(args.qmin, args.qmax, *args.y_zero_point, args.relu != 0);
  }
};

template <class T>
struct AddRange {
  struct Total {
    float min, max;
  };
  qt_add_codes_range_args args;

  __device__ Total Zero() const { return {HUGE_VALF, -HUGE_VALF}; }
  __device__ void Add(Total* total, int64_t i, int64_t) const {
    const float a = static_cast<float>(static_cast<const T*>(args.a)[i]);
    const float b = static_cast<float>(static_cast<const T*>(args.b)[i]);
    const float sum =
        math::Dequantize(a, *args.a_scale, static_cast<float>(*args.a_zero_point)) +
        math::Dequantize(b, *args.b_scale, static_cast<float>(*args.b_zero_point));
    total->min = sum < total->min ? sum : total->min;
    total->max = sum > total->max ? sum : total->max;
  }
  __device__ Total Combine(Total a, Total b) const {
    return {b.min < a.min ? b.min : a.min, b.max > a.max ? b.max : a.max};
  }
  __device__ void Store(int64_t, Total total) const {
    math::StoreActivatedRange(args.n == 0 ? 0.0f : total.min, args.n == 0 ? 0.0f : total.max,
                              args.relu != 0, args.upper, args.min, args.max);
  }
};

}  // namespace

cudaError_t add_codes(const Stream& stream, const qt_add_codes_args& args) {
  return BinaryCodes(stream, Add{args});
}

cudaError_t add_codes_fixed(const Stream& stream, const qt_add_codes_fixed_args& args) {
  return args.contract == QT_ADD_TFLITE ? BinaryCodes(stream, AddTflite{args})
                                        : BinaryCodes(stream, AddXnnpack{args});
}

cudaError_t add_codes_range(const Stream& stream, const qt_add_codes_range_args& args) {
  return args.code_type == QT_U8 ? ReduceChannels(stream, AddRange<uint8_t>{args}, 1, 1, args.n)
                                 : ReduceChannels(stream, AddRange<int8_t>{args}, 1, 1, args.n);
}

}  // namespace qt::cuda
