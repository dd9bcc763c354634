// Several tensors walked together, each with strides of its own: broadcasting, transposition, slices.
#ifndef QUANTRAIN_MATH_STRIDED_H_
#define QUANTRAIN_MATH_STRIDED_H_

#include "math/hd.h"

namespace qt::math {

constexpr int kDims = 6;

// Dimensions of size 1 are gone, and neighbours that every tensor walks in one stride are one.
template <int kTensors>
struct Strided {
  int dims;                      // at least 1
  int64_t size[kDims];           // innermost first, 1 from dims on
  int64_t stride[kTensors][kDims];

  int64_t elements() const {
    int64_t n = 1;
    for (int d = 0; d < dims; ++d) n *= size[d];
    return n;
  }
};

// size and strides as in the arguments, outermost first. order: the dimensions from the innermost on,
// null for the order of the arguments.
template <int kTensors>
static inline Strided<kTensors> Collapsed(const int64_t* size,
                                          const int64_t* const (&strides)[kTensors],
                                          const int* order = nullptr) {
  Strided<kTensors> s = {};
  for (int d = 0; d < kDims; ++d) s.size[d] = 1;
  for (int i = 0; i < kDims; ++i) {
    const int from = order == nullptr ? kDims - 1 - i : order[i];
    if (size[from] == 1) continue;
    bool merges = s.dims > 0;
    for (int t = 0; merges && t < kTensors; ++t) {
      merges = strides[t][from] == s.stride[t][s.dims - 1] * s.size[s.dims - 1];
    }
    if (merges) {
      s.size[s.dims - 1] *= size[from];
      continue;
    }
    s.size[s.dims] = size[from];
    for (int t = 0; t < kTensors; ++t) s.stride[t][s.dims] = strides[t][from];
    ++s.dims;
  }
  if (s.dims == 0) s.dims = 1;
  return s;
}

// Whether tensor t is the walk itself: element i of the walk is element i of the tensor.
template <int kTensors>
static inline bool IsDense(const Strided<kTensors>& s, int t) {
  int64_t stride = 1;
  for (int d = 0; d < s.dims; ++d) {
    if (s.size[d] != 1 && s.stride[t][d] != stride) return false;
    stride *= s.size[d];
  }
  return true;
}

// Dimensions from the smallest stride on, in the order of the arguments where strides are equal.
static inline void OrderByStride(const int64_t* stride, int (&order)[kDims]) {
  for (int d = 0; d < kDims; ++d) order[d] = kDims - 1 - d;
  for (int i = 1; i < kDims; ++i) {
    for (int k = i; k > 0 && stride[order[k]] < stride[order[k - 1]]; --k) {
      const int moved = order[k];
      order[k] = order[k - 1];
      order[k - 1] = moved;
    }
  }
}

// Of a copy from tensor 0 to tensor 1: the dimension along which the input's elements are neighbours where
// the output's are along the innermost; 0 where there is no such other dimension.
static inline int TransposedDim(const Strided<2>& s) {
  if (s.stride[0][0] == 1 || s.stride[1][0] != 1) return 0;
  for (int d = 1; d < s.dims; ++d) {
    if (s.stride[0][d] == 1) return d;
  }
  return 0;
}

// The walk of a strided_copy: tensor 0 is x, tensor 1 is y, innermost where y's elements are neighbours.
template <class Args>
static inline Strided<2> CopyWalk(const Args& a) {
  const int64_t nowhere[kDims] = {};
  int order[kDims];
  OrderByStride(a.y_stride, order);
  return Collapsed<2>(a.size, {a.x == nullptr ? nowhere : a.x_stride, a.y_stride}, order);
}

}  // namespace qt::math

#endif  // QUANTRAIN_MATH_STRIDED_H_
