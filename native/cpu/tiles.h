// Copies that turn rows into columns, in square tiles. A tile reads and writes whole cache lines,
// and where the processor has the instructions turns in registers; large outputs go past the
// caches, where columns a power of two apart would push one another out. Tiles follow one another
// along the longer side, so that lines far apart are rather written than read: stores past the
// caches do not wait.
#ifndef QUANTRAIN_CPU_TILES_H_
#define QUANTRAIN_CPU_TILES_H_

#include "cpu/stream.h"
#include "cpu/vector.h"

namespace qt::cpu::QT_ISA {

// 16 elements of 4 bytes are a cache line.
constexpr int64_t kTile = 16;

#if defined(__AVX2__)
// to[c] = column c of 8 rows of 8.
inline void Turn(const uint32_t* x, int64_t x_row, __m256i* to) {
  __m256i row[8], pair[8], four[8];
  for (int r = 0; r < 8; ++r) {
    row[r] = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(x + r * x_row));
  }
  for (int r = 0; r < 8; r += 2) {
    pair[r] = _mm256_unpacklo_epi32(row[r], row[r + 1]);
    pair[r + 1] = _mm256_unpackhi_epi32(row[r], row[r + 1]);
  }
  for (int r = 0; r < 8; r += 4) {
    for (int k = 0; k < 2; ++k) {
      four[r + 2 * k] = _mm256_unpacklo_epi64(pair[r + k], pair[r + 2 + k]);
      four[r + 2 * k + 1] = _mm256_unpackhi_epi64(pair[r + k], pair[r + 2 + k]);
    }
  }
  for (int c = 0; c < 4; ++c) {
    to[c] = _mm256_permute2x128_si256(four[c], four[4 + c], 0x20);
    to[4 + c] = _mm256_permute2x128_si256(four[c], four[4 + c], 0x31);
  }
}

template <bool kStream>
inline void TurnTile(const uint32_t* x, int64_t x_row, uint32_t* y, int64_t y_column) {
  for (int64_t c = 0; c < kTile; c += 8) {
    __m256i upper[8], lower[8];
    Turn(x + c, x_row, upper);
    Turn(x + c + 8 * x_row, x_row, lower);
    for (int64_t k = 0; k < 8; ++k) {
      uint32_t* const to = y + (c + k) * y_column;
      if constexpr (kStream) {
        _mm256_stream_si256(reinterpret_cast<__m256i*>(to), upper[k]);
        _mm256_stream_si256(reinterpret_cast<__m256i*>(to + 8), lower[k]);
      } else {
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), upper[k]);
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + 8), lower[k]);
      }
    }
  }
}
#endif

// Whether tiles of y, whose columns are y_column apart, may be streamed.
template <class T>
inline bool StreamsTiles(const T* y, int64_t y_column, int64_t bytes) {
  return Streams(bytes) && sizeof(T) == 4 && y_column % kTile == 0 &&
         reinterpret_cast<uintptr_t>(y) % 64 == 0;
}

// A matrix that is turned in bands of tiles along its longer side.
struct Bands {
  Bands(int64_t rows, int64_t columns)
      : rows(rows),
        columns(columns),
        along_rows(columns >= rows),
        count(rows == 0 || columns == 0 ? 0 : DivUp(Min(rows, columns), kTile)) {}

  // Elements of a band, of which the last may have fewer.
  int64_t Size() const { return kTile * Max(rows, columns); }
  int64_t Rows(int64_t band) const { return along_rows ? Short(band) : rows; }
  int64_t Columns(int64_t band) const { return along_rows ? columns : Short(band); }

  int64_t rows, columns;
  bool along_rows;  // of x
  int64_t count;

 private:
  int64_t Short(int64_t band) const {
    return Min(kTile, Min(rows, columns) - band * kTile);
  }
};

// y[c * y_column + r] = x[r * x_row + c] for c below columns and r below rows, one of them at most
// kTile. stream: as StreamsTiles says, of a y a multiple of kTile elements behind.
template <class T>
inline void TurnBand(const T* x, int64_t x_row, T* y, int64_t y_column, int64_t rows,
                     int64_t columns, [[maybe_unused]] bool stream) {
  [[maybe_unused]] const int64_t ahead = rows <= kTile ? 8 * kTile : kTile * x_row;
  for (int64_t r0 = 0; r0 < rows; r0 += kTile) {
    const int64_t height = Min(kTile, rows - r0);
    for (int64_t c0 = 0; c0 < columns; c0 += kTile) {
      const int64_t width = Min(kTile, columns - c0);
      const T* const from = x + r0 * x_row + c0;
      T* const to = y + c0 * y_column + r0;
#if defined(__AVX2__)
      if constexpr (sizeof(T) == 4) {
        if (height == kTile && width == kTile) {
          for (int64_t r = 0; r < kTile; ++r) __builtin_prefetch(from + r * x_row + ahead);
          if (stream) {
            TurnTile<true>(from, x_row, to, y_column);
          } else {
            TurnTile<false>(from, x_row, to, y_column);
          }
          continue;
        }
      }
#endif
      for (int64_t c = 0; c < width; ++c) {
        for (int64_t r = 0; r < height; ++r) to[c * y_column + r] = from[r * x_row + c];
      }
    }
  }
}

}  // namespace qt::cpu::QT_ISA

#endif  // QUANTRAIN_CPU_TILES_H_
