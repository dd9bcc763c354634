// concat_codes: a map of codes to codes, row by row.
#include <string.h>

#include "cpu/code_map.h"
#include "cpu/kernel.h"
#include "cpu/stream.h"
#include "cpu/vector.h"
#include "math/types.h"

namespace qt::cpu::QT_ISA {
namespace {

constexpr int64_t kChunk = 1024;

CodeMap MapOf(const qt_concat_codes_args& a) {
  const CodeGrid from = {*a.x_scale, static_cast<float>(*a.x_zero_point)};
  const CodeGrid to = {*a.y_scale, static_cast<float>(*a.y_zero_point)};
  return math::WithCode8(a.code_type, [&](auto* x) {
    return math::WithCode8(a.y_code_type, [&](auto* y) {
      return MakeCodeMap<math::Pointed<decltype(x)>, math::Pointed<decltype(y)>>(from, to, a.qmin,
                                                                                 a.qmax);
    });
  });
}

}  // namespace

qt_status concat_codes(qt_context& ctx, const qt_concat_codes_args& a) {
  const CodeMap map = MapOf(a);
  const uint8_t* x = static_cast<const uint8_t*>(a.x);
  uint8_t* y = static_cast<uint8_t*>(a.y) + a.offset;
  const bool stream = Streams(2 * a.outer * a.width);
  ParallelBlocks(ctx, a.outer * a.width, kBlock, [&](int64_t, int64_t begin, int64_t end) {
    alignas(64) uint8_t buffer[kChunk];
    for (int64_t first = begin; first < end; first += kChunk) {
      const int64_t n = Min(kChunk, end - first);
      Prefetch(x + first + kAhead, kChunk);
      if (a.mask != nullptr) PackKept(map, x + first, n, a.mask + first / 8);
      Lookup(map.codes, x + first, n, buffer);
      // The pieces of the chunk's rows.
      int64_t row = first / a.width, column = first % a.width;
      for (int64_t i = 0; i < n; ++row, column = 0) {
        const int64_t length = Min(a.width - column, n - i);
        uint8_t* const to = y + row * a.y_width + column;
        if (stream) {
          StreamCopy(buffer + i, to, length);
        } else {
          memcpy(to, buffer + i, length);
        }
        i += length;
      }
    }
  });
  return QT_OK;
}

}  // namespace qt::cpu::QT_ISA
