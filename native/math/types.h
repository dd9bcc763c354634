// From a type in the arguments to a C++ type: f is called with a null pointer of that type.
#ifndef QUANTRAIN_MATH_TYPES_H_
#define QUANTRAIN_MATH_TYPES_H_

#include <type_traits>

#include "include/quantrain.h"
#include "math/bf16.h"

namespace qt::math {

// The T of a T* that f was called with.
template <class Pointer>
using Pointed = std::remove_pointer_t<Pointer>;

// "real" tensors: float or Bf16.
template <class F>
static inline auto WithReal(int32_t element_type, F f) {
  return element_type == QT_ELEMENT_BF16 ? f(static_cast<Bf16*>(nullptr))
                                         : f(static_cast<float*>(nullptr));
}

// Codes in containers of 8 bits.
template <class F>
static inline auto WithCode8(int32_t code_type, F f) {
  return code_type == QT_U8 ? f(static_cast<uint8_t*>(nullptr))
                            : f(static_cast<int8_t*>(nullptr));
}

// Codes in containers of 8 or 16 bits.
template <class F>
static inline auto WithCode(int32_t code_type, F f) {
  switch (code_type) {
    case QT_U16:
      return f(static_cast<uint16_t*>(nullptr));
    case QT_S16:
      return f(static_cast<int16_t*>(nullptr));
    default:
      return WithCode8(code_type, f);
  }
}

}  // namespace qt::math

#endif  // QUANTRAIN_MATH_TYPES_H_
