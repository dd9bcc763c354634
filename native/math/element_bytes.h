// From the bytes of an element that is only moved to an integer of that size: f is called with a null
// pointer of that type.
#ifndef QUANTRAIN_MATH_ELEMENT_BYTES_H_
#define QUANTRAIN_MATH_ELEMENT_BYTES_H_

#include <stdint.h>

namespace qt::math {

// Checked arguments have 1, 2 or 4.
template <class F>
static inline auto WithElementBytes(int32_t bytes, F f) {
  if (bytes == 4) return f(static_cast<uint32_t*>(nullptr));
  return bytes == 2 ? f(static_cast<uint16_t*>(nullptr)) : f(static_cast<uint8_t*>(nullptr));
}

}  // namespace qt::math

#endif  // QUANTRAIN_MATH_ELEMENT_BYTES_H_
