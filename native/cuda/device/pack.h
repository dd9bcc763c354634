// Neighbouring elements that move in one access.
#ifndef QUANTRAIN_CUDA_DEVICE_PACK_H_
#define QUANTRAIN_CUDA_DEVICE_PACK_H_

#include <cuda_runtime.h>
#include <stdint.h>

namespace qt::cuda {

template <class T, int kWidth>
struct alignas(sizeof(T) * kWidth) Pack {
  T v[kWidth];
};

template <int kWidth, class T>
__device__ inline Pack<T, kWidth> LoadPack(const T* from) {
  return *reinterpret_cast<const Pack<T, kWidth>*>(from);
}

template <int kWidth, class T>
__device__ inline void StorePack(T* to, const Pack<T, kWidth>& values) {
  *reinterpret_cast<Pack<T, kWidth>*>(to) = values;
}

// Whether a pointer (null: not used) allows accesses of kWidth elements.
template <int kWidth, class T>
inline bool AlignedForPack(const T* p) {
  return reinterpret_cast<uintptr_t>(p) % sizeof(Pack<T, kWidth>) == 0;
}

}  // namespace qt::cuda

#endif  // QUANTRAIN_CUDA_DEVICE_PACK_H_
