// concat_codes: a code's place on the other grid depends on the code alone, so it is computed once
// per code and looked up.
#include <string.h>

#include "cpu/kernel.h"
#include "cpu/lookup.h"
#include "cpu/mask.h"
#include "cpu/stream.h"
#include "math/quantize.h"

namespace qt::cpu::QT_ISA {
namespace {

constexpr int64_t kChunk = 1024;

struct Tables {
  uint8_t codes[256];
  uint8_t flags[256];
};

template <class From, class To>
void FillTables(const qt_concat_codes_args& a, Tables* tables) {
  const float x_zero_point = static_cast<float>(*a.x_zero_point);
  const float y_zero_point = static_cast<float>(*a.y_zero_point);
  const float qmin = static_cast<float>(a.qmin), qmax = static_cast<float>(a.qmax);
  for (int i = 0; i < 256; ++i) {
    const float code = static_cast<float>(static_cast<From>(i));
    const float level =
        math::Level(math::Dequantize(code, *a.x_scale, x_zero_point), *a.y_scale, y_zero_point);
    const int32_t to = static_cast<int32_t>(math::Clamp(level, qmin, qmax));
    tables->codes[i] = static_cast<uint8_t>(static_cast<To>(to));
    tables->flags[i] = math::InRange(level, qmin, qmax) ? 1 : 0;
  }
}

}  // namespace

qt_status concat_codes(qt_context& ctx, const qt_concat_codes_args& a) {
  Tables tables;
  if (a.code_type == QT_U8) {
    a.y_code_type == QT_U8 ? FillTables<uint8_t, uint8_t>(a, &tables)
                           : FillTables<uint8_t, int8_t>(a, &tables);
  } else {
    a.y_code_type == QT_U8 ? FillTables<int8_t, uint8_t>(a, &tables)
                           : FillTables<int8_t, int8_t>(a, &tables);
  }
  const uint8_t* x = static_cast<const uint8_t*>(a.x);
  uint8_t* y = static_cast<uint8_t*>(a.y) + a.offset;
  const bool stream = Streams(2 * a.outer * a.width);
  ParallelBlocks(ctx, a.outer * a.width, kBlock, [&](int64_t, int64_t begin, int64_t end) {
    alignas(64) uint8_t buffer[kChunk];
    for (int64_t first = begin; first < end; first += kChunk) {
      const int64_t n = Min(kChunk, end - first);
      if (a.mask != nullptr) {
        Lookup(tables.flags, x + first, n, buffer);
        PackMask(buffer, n, a.mask + first / 8);
      }
      Lookup(tables.codes, x + first, n, buffer);
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
