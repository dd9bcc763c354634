// Products of two matrices of codes on the tensor cores, exact, modulo 2^32:
//   acc[m, n] = sum_k (a[m, k] - za) * (b[n, k] - zb) = sum_k a * b - za * sum_k b - zb * sum_k a + K za zb
// part by part (groups of a convolution, matrices of a batch). The tensor cores form the first sum,
// dp4a the others from the same registers, so nothing is read twice and no kernel goes before.
//
// Parallel mapping: a block takes a tile of sums, tiles of the same rows beside each other, so that
// what they share stays in the second-level cache. Shared memory holds kStages steps of kTileDepth
// codes of k: while one is multiplied, the copies of those behind it run. A warp takes
// 16 kBlocks x 32 sums: per 32 codes of k kBlocks + 2 ldmatrix for 4 kBlocks mma.
//
// A Reader fills its matrix's part of a stage, step after step. Made by
//   Reader(const Source&, part, first)     first: the first row of the tile, or its first column
//   void Read(const Source&, uint4* tile)  the next step; nothing but fill beyond the matrix
// Code, what it multiplies; kShifted, whether it has a zero-point; Source: its arguments, with
// zero_point if kShifted.
#ifndef QUANTRAIN_CUDA_DEVICE_CODE_PRODUCT_H_
#define QUANTRAIN_CUDA_DEVICE_CODE_PRODUCT_H_

#include "cuda/device/mma.h"
#include "cuda/launch.h"
#include "math/integer.h"
#include "math/window.h"

namespace qt::cuda {

constexpr int kTileDepth = 64;
constexpr int kStages = 3;
constexpr int kChunkBytes = 16;
constexpr int kChunks = kTileDepth / kChunkBytes;  // of a row
constexpr unsigned kWholeWarp = 0xffffffffu;

template <int kWarpsDown, int kWarpsAcross, int kBlocksOfWarp>
struct TileShape {
  static_assert(kWarpsDown * kWarpsAcross * kWarpSize == kThreads, "every warp has a place");
  static constexpr int kWarpRows = kWarpsDown;
  static constexpr int kBlocks = kBlocksOfWarp;
  static constexpr int kRows = kWarpsDown * kBlocks * 16;
  static constexpr int kColumns = kWarpsAcross * 32;
  // Blocks of a multiprocessor: as many as registers allow without a spill.
  static constexpr int kResident = kBlocks == 1 ? 3 : 2;
};

// Where a chunk lies. ldmatrix reads one chunk of eight rows at a time, eight lanes of a copy write
// two chunks of four rows or four of two: each touches every bank once.
__device__ inline int ChunkPlace(int row, int chunk) {
  return row * kChunks + (chunk ^ ((row & 2) | (row >> 2 & 1)));
}

// A thread holds columns 2t and 2t + 1 of each mma. Column n of a tile lies in the row that makes
// four sums of a thread neighbours in memory.
__device__ inline int RowOfColumn(int n) {
  return (n & ~15) + (n & 12) / 2 + (n & 2) * 4 + (n & 1);
}
__device__ inline int ColumnOfRow(int row) {
  return (row & ~15) + (row & 6) * 2 + (row & 8) / 4 + (row & 1);
}

// Threads that fill a tile of kRows by chunks: kAcross of them share a row, each takes every
// kAcross-th chunk. Those behind the last row have none.
template <int kRows>
struct Filling {
  static constexpr int kAcross = kThreads / kRows < kChunks ? kThreads / kRows : kChunks;
  static constexpr int kOwn = kChunks / kAcross;  // chunks of a thread
  __device__ static int Row() { return static_cast<int>(threadIdx.x) / kAcross; }
  __device__ static int Chunk() { return static_cast<int>(threadIdx.x) % kAcross; }
  __device__ static uint8_t* Place(uint4* tile, int i) {
    return reinterpret_cast<uint8_t*>(tile + ChunkPlace(Row(), Chunk() + i * kAcross));
  }
};

// kBytes at an offset that is followed only inside; elsewhere the word that padding() makes, which
// costs no register meanwhile.
template <int kBytes, class Padding>
__device__ inline void Fetch(uint8_t* to, const void* from, uint64_t offset, bool inside,
                             const Padding& padding) {
  if (inside) {
    CopyAsync<kBytes>(to, static_cast<const uint8_t*>(from) + offset);
    return;
  }
  const uint32_t word = padding();
  if constexpr (kBytes == 16) {
    *reinterpret_cast<uint4*>(to) = make_uint4(word, word, word, word);
  } else {
    *reinterpret_cast<uint32_t*>(to) = word;
  }
}

// Row m: the codes under the window of output pixel m, cell by cell. A matrix of rows is its windows
// of one cell.
struct Windows {
  const void* x;
  const int32_t* zero_point;
  qt_window window;
  int32_t dilation_h, dilation_w;
  int64_t channels;   // of a part
  int64_t part;       // from the first code of a part to that of the next
  bool zeros_beyond;  // 0 and not the zero-point stands beyond a window's last code
};

// kVector codes are copied at once: 16 or 4, where channels and addresses are multiples of it, else 1.
// Offsets are modulo 2^64, because dilations may lead them far beyond the tensor.
template <class T, int kVector, int kRows>
class WindowReader {
 public:
  using Code = T;
  using Source = Windows;
  static constexpr bool kShifted = true;

  __device__ WindowReader(const Windows& a, int64_t part, int64_t first) {
    const qt_window& w = a.window;
    const int64_t m = first + Fill::Row();
    const int64_t line = m / w.q, q = m - line * w.q;
    const int64_t image = line / w.p, p = line - image * w.p;
    const math::Span rs =
        math::CellsInside(p, w.stride_h, w.pad_top, w.kernel_h, w.h, a.dilation_h);
    const math::Span ss =
        math::CellsInside(q, w.stride_w, w.pad_left, w.kernel_w, w.w, a.dilation_w);
    first_r_ = static_cast<uint32_t>(rs.first);
    first_s_ = static_cast<uint32_t>(ss.first);
    height_ = image < w.n ? static_cast<uint32_t>(math::SpanLength(rs)) : 0;
    width_ = static_cast<uint32_t>(math::SpanLength(ss));
    const uint64_t v = static_cast<uint64_t>(image * w.h + p * w.stride_h - w.pad_top);
    const uint64_t u = static_cast<uint64_t>(q * w.stride_w - w.pad_left);
    const uint64_t pixels = v * static_cast<uint64_t>(w.w) + u;
    at_ = static_cast<uint64_t>(part * a.part) + pixels * static_cast<uint64_t>(w.c);
    Advance(a, Fill::Chunk() * kChunkBytes);
  }

  __device__ void Read(const Windows& a, uint4* tile) {
#pragma unroll
    for (int i = 0; i < Fill::kOwn; ++i) {
      uint8_t* const to = Fill::Place(tile, i);
      if constexpr (kVector == 1) {
#pragma unroll
        for (int at = 0; at < kChunkBytes; at += 4) {
          *reinterpret_cast<uint32_t*>(to + at) = FourCodes(a);
        }
      } else {
#pragma unroll
        for (int at = 0; at < kChunkBytes; at += kVector) {
          Fetch<kVector>(to + at, a.x, at_, Inside(), [&] { return Padding(a); });
          Advance(a, kVector);
        }
      }
      Advance(a, (Fill::kAcross - 1) * kChunkBytes);
    }
  }

 private:
  using Fill = Filling<kRows>;

  __device__ bool Inside() const {
    return r_ - first_r_ < height_ && s_ - first_s_ < width_;
  }

  __device__ static uint32_t Padding(const Windows& a) {
    return a.zeros_beyond ? 0 : kOnes * (static_cast<uint32_t>(*a.zero_point) & 255u);
  }

  __device__ uint32_t FourCodes(const Windows& a) {
    uint32_t word = 0;
#pragma unroll
    for (int shift = 0; shift < 32; shift += 8) {
      const uint32_t code = Inside() ? static_cast<const uint8_t*>(a.x)[at_] : Padding(a) & 255u;
      word |= code << shift;
      Advance(a, 1);
    }
    return word;
  }

  __device__ void Advance(const Windows& a, uint32_t codes) {
    const uint64_t pixel = static_cast<uint64_t>(a.window.c);
    const uint64_t cell = pixel * static_cast<uint32_t>(a.dilation_w);
    const uint32_t channels = static_cast<uint32_t>(a.channels);
    const uint32_t width = static_cast<uint32_t>(a.window.kernel_w);
    c_ += codes;
    at_ += codes;
    while (c_ >= channels) {
      c_ -= channels;
      at_ += cell - channels;
      if (++s_ < width) continue;
      s_ = 0;
      ++r_;
      at_ += pixel * static_cast<uint64_t>(a.window.w) * static_cast<uint32_t>(a.dilation_h) -
             cell * width;
    }
  }

  uint32_t first_r_, first_s_, height_, width_;  // of the cells inside
  uint32_t r_ = 0, s_ = 0, c_ = 0;               // cell and channel of the next code
  uint64_t at_;                                  // its offset from x
};

// Column n: the weights of output channel n, [parts, columns, depth]. kVector as above.
struct Weights {
  const int8_t* w;
  int64_t columns, depth;
};

template <int kVector, int kColumns>
class WeightReader {
 public:
  using Code = int8_t;
  using Source = Weights;
  static constexpr bool kShifted = false;

  __device__ WeightReader(const Weights& b, int64_t part, int64_t first) {
    const int64_t n = first + ColumnOfRow(Fill::Row());
    const int64_t column = (part * b.columns + n) * b.depth;
    at_ = static_cast<uint64_t>(column + Fill::Chunk() * kChunkBytes);
    left_ = n < b.columns ? b.depth - Fill::Chunk() * kChunkBytes : 0;
  }

  __device__ void Read(const Weights& b, uint4* tile) {
    if (Fill::Row() >= kColumns) return;
#pragma unroll
    for (int i = 0; i < Fill::kOwn; ++i) {
      uint8_t* const to = Fill::Place(tile, i);
      if constexpr (kVector == 1) {
#pragma unroll
        for (int at = 0; at < kChunkBytes; at += 4) {
          uint32_t word = 0;
#pragma unroll
          for (int j = 0; j < 4; ++j) {
            if (at + j >= left_) continue;
            word |= static_cast<uint32_t>(static_cast<uint8_t>(b.w[at_ + at + j])) << 8 * j;
          }
          *reinterpret_cast<uint32_t*>(to + at) = word;
        }
      } else {
#pragma unroll
        for (int at = 0; at < kChunkBytes; at += kVector) {
          Fetch<kVector>(to + at, b.w, at_ + at, at < left_, [] { return 0u; });
        }
      }
      at_ += Fill::kAcross * kChunkBytes;
      left_ -= Fill::kAcross * kChunkBytes;
    }
  }

 private:
  using Fill = Filling<kColumns>;

  uint64_t at_;   // offset of the next code
  int64_t left_;  // codes of the column from there on, or none
};

// Where sums go, and whether four at once may.
struct Accumulators {
  int32_t* acc;
  int64_t row, part;  // from a sum to that of the next row, of the next part
  bool vector;

  __device__ void Store(int64_t p, int64_t m, int64_t n, int64_t columns,
                        const int32_t (&sums)[4]) const {
    int32_t* const to = acc + p * part + m * row + n;
    if (vector && n + 4 <= columns) {
      StoreSums(to, sums);
      return;
    }
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      if (n + i < columns) to[i] = sums[i];
    }
  }
};

inline Accumulators AccumulatorsAt(int32_t* acc, int64_t row, int64_t part) {
  return {acc, row, part, row % 4 == 0 && part % 4 == 0 && Aligned16(acc, acc)};
}

struct Extent {
  int64_t parts, rows, columns, depth;
};

// The sum over the four lanes that share rows and columns of a fragment.
__device__ inline int32_t SumOverQuad(int32_t sum) {
  sum = math::AddInt(sum, __shfl_xor_sync(kWholeWarp, sum, 1));
  return math::AddInt(sum, __shfl_xor_sync(kWholeWarp, sum, 2));
}

// A warp's sums of a tile, in the fragments of mma, and those of the codes alone.
template <class A, class B, class Shape>
struct WarpSums {
  int32_t products[Shape::kBlocks][4][4] = {};
  int32_t columns[4] = {};              // of b, this lane's share
  int32_t rows[Shape::kBlocks][2] = {};  // of a, likewise; if b is shifted

  // tile: a stage. One step of k.
  __device__ void Multiply(const uint4* tile) {
    const int lane = static_cast<int>(threadIdx.x) % kWarpSize;
    const uint4* const a_tile = tile;
    const uint4* const b_tile = tile + Shape::kRows * kChunks;
#pragma unroll
    for (int half = 0; half < kTileDepth / 32; ++half) {
      uint32_t b[4][2];
#pragma unroll
      for (int j = 0; j < 4; j += 2) {
        uint32_t words[4];
        const int row = FirstColumn() + 8 * j + lane / 16 * 8 + lane % 8;
        LoadMatrices(words, b_tile + ChunkPlace(row, 2 * half + lane / 8 % 2));
#pragma unroll
        for (int k = 0; k < 2; ++k) {
          b[j][k] = words[k];
          b[j + 1][k] = words[2 + k];
        }
      }
#pragma unroll
      for (int i = 0; i < Shape::kBlocks; ++i) {
        uint32_t a[4];
        LoadMatrices(a, a_tile + ChunkPlace(FirstRow() + 16 * i + lane % 16, 2 * half + lane / 16));
#pragma unroll
        for (int j = 0; j < 4; ++j) Mma<typename A::Code, typename B::Code>(products[i][j], a, b[j]);
        if constexpr (B::kShifted) {
#pragma unroll
          for (int k = 0; k < 4; ++k) {
            rows[i][k % 2] = Dot4<typename A::Code, uint8_t>(a[k], kOnes, rows[i][k % 2]);
          }
        }
      }
#pragma unroll
      for (int j = 0; j < 4; ++j) {
#pragma unroll
        for (int k = 0; k < 2; ++k) {
          columns[j] = Dot4<typename B::Code, uint8_t>(b[j][k], kOnes, columns[j]);
        }
      }
    }
  }

  // Of the warp, in the tile.
  __device__ static int FirstRow() {
    return static_cast<int>(threadIdx.x) / kWarpSize % Shape::kWarpRows * Shape::kBlocks * 16;
  }
  __device__ static int FirstColumn() {
    return static_cast<int>(threadIdx.x) / kWarpSize / Shape::kWarpRows * 32;
  }
};

template <class A, class B, class Shape, class Output>
__global__ void __launch_bounds__(kThreads, Shape::kResident)
    CodeProductKernel(typename A::Source a, typename B::Source b, Output output, Extent extent) {
  __shared__ uint4 stages[kStages][(Shape::kRows + Shape::kColumns) * kChunks];
  using Sums = WarpSums<A, B, Shape>;
  const int64_t across = (extent.columns + Shape::kColumns - 1) / Shape::kColumns;
  const int64_t down = (extent.rows + Shape::kRows - 1) / Shape::kRows;
  const int64_t steps = (extent.depth + kTileDepth - 1) / kTileDepth;
  for (int64_t tile = blockIdx.x; tile < extent.parts * down * across; tile += gridDim.x) {
    const int64_t line = tile / across, first_column = (tile - line * across) * Shape::kColumns;
    const int64_t part = line / down, first_row = (line - part * down) * Shape::kRows;
    Sums sums;
    if (steps > 0) {
      A rows(a, part, first_row);
      B columns(b, part, first_column);
      const auto read = [&](int stage) {
        rows.Read(a, stages[stage]);
        columns.Read(b, stages[stage] + Shape::kRows * kChunks);
      };
      __syncthreads();  // the tile before has been read
#pragma unroll
      for (int stage = 0; stage < kStages - 1; ++stage) {
        if (stage < steps) read(stage);
        CommitCopies();
      }
      int stage = 0;
      for (int64_t left = steps; left > 0; --left) {
        WaitForCopies<kStages - 2>();
        __syncthreads();  // this step is there for all, and the one before has been multiplied
        if (left >= kStages) read(stage == 0 ? kStages - 1 : stage - 1);
        CommitCopies();
        sums.Multiply(stages[stage]);
        stage = stage + 1 == kStages ? 0 : stage + 1;
      }
    }

    const int lane = static_cast<int>(threadIdx.x) % kWarpSize, place = lane % 4;
    const int32_t za = *a.zero_point;
    int32_t column_terms[4][2];
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      const int32_t of_group = math::MultiplyInt(za, SumOverQuad(sums.columns[j]));
#pragma unroll
      for (int k = 0; k < 2; ++k) {
        column_terms[j][k] = __shfl_sync(kWholeWarp, of_group, 4 * (2 * place + k));
      }
    }
#pragma unroll
    for (int i = 0; i < Shape::kBlocks; ++i) {
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        int32_t row_term = 0;
        if constexpr (B::kShifted) {
          const int32_t zb = *b.zero_point;
          const int32_t of_za = math::MultiplyInt(static_cast<int32_t>(extent.depth), za);
          row_term = math::MultiplyInt(zb, math::SubtractInt(SumOverQuad(sums.rows[i][half]), of_za));
        }
        const int64_t m = first_row + Sums::FirstRow() + 16 * i + 8 * half + lane / 4;
#pragma unroll
        for (int j = 0; j < 4; j += 2) {
          int32_t neighbours[4];
#pragma unroll
          for (int k = 0; k < 4; ++k) {
            const int32_t product = sums.products[i][j + k / 2][2 * half + k % 2];
            neighbours[k] = math::SubtractInt(math::SubtractInt(product, row_term),
                                              column_terms[j + k / 2][k % 2]);
          }
          const int64_t n = first_column + Sums::FirstColumn() + 8 * j + 4 * place;
          if (m < extent.rows) output.Store(part, m, n, extent.columns, neighbours);
        }
      }
    }
  }
}

template <class Shape>
int64_t Tiles(const Extent& e) {
  return e.parts * ((e.rows + Shape::kRows - 1) / Shape::kRows) *
         ((e.columns + Shape::kColumns - 1) / Shape::kColumns);
}

template <class A, class B, class Shape, class Output>
cudaError_t LaunchProduct(const Stream& stream, const typename A::Source& a,
                          const typename B::Source& b, const Output& output, const Extent& extent) {
  const int64_t tiles = Tiles<Shape>(extent);
  return Launch(stream, static_cast<unsigned>(tiles < kMaxBlocks ? tiles : kMaxBlocks),
                CodeProductKernel<A, B, Shape, Output>, a, b, output, extent);
}

}  // namespace qt::cuda

#endif  // QUANTRAIN_CUDA_DEVICE_CODE_PRODUCT_H_
