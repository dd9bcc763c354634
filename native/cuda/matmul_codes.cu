// matmul_codes: products of two activations, matrix by matrix, on the tensor cores
// (device/code_product.h). b comes as [k, n] and the tensor cores want k beside k, so blocks of four
// by four codes are turned in registers on the way to shared memory. The same bits as the loops of
// cpu/reference.cc.
#include "cuda/device/code_product.h"

namespace qt::cuda {
namespace {

using Shape = TileShape<4, 2, 2>;  // 128 x 64

struct Matrices {
  const void* b;  // [parts, depth, columns]
  const int32_t* zero_point;
  int64_t columns, depth;
};

// kWords: the codes of four columns are read at once.
template <class T, bool kWords>
class MatrixReader {
 public:
  using Code = T;
  using Source = Matrices;
  static constexpr bool kShifted = true;

  __device__ MatrixReader(const Matrices& b, int64_t part, int64_t first) {
    // A thread's block: of the 16 columns that a warp takes, four; eight such quads of k.
    const int lane = static_cast<int>(threadIdx.x) % kWarpSize;
    const int warp = static_cast<int>(threadIdx.x) / kWarpSize;
    constexpr int kAcross = Shape::kColumns / 16;
    column_ = warp % kAcross * 16 + lane % 4 * 4;
    k_ = warp / kAcross * 32 + lane / 4 * 4;
    depth_ = k_;
    n_ = first + column_;
    from_ = static_cast<const uint8_t*>(b.b) + part * b.depth * b.columns;
  }

  __device__ void Read(const Matrices& b, uint4* tile) {
    uint32_t words[4];
#pragma unroll
    for (int i = 0; i < 4; ++i) words[i] = depth_ + i < b.depth ? Row(b, depth_ + i) : 0;
    TransposeBytes(words);
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const int row = RowOfColumn(column_ + i);
      uint32_t* const chunk =
          reinterpret_cast<uint32_t*>(tile + ChunkPlace(row, k_ / kChunkBytes));
      chunk[k_ % kChunkBytes / 4] = words[i];
    }
    depth_ += kTileDepth;
  }

 private:
  static_assert(Shape::kColumns * kTileDepth == kThreads * 16, "one block for each thread");

  // The codes of the thread's four columns, 0 beyond the last.
  __device__ uint32_t Row(const Matrices& b, int64_t k) const {
    const uint8_t* const row = from_ + k * b.columns;
    if (kWords) return n_ < b.columns ? *reinterpret_cast<const uint32_t*>(row + n_) : 0;
    uint32_t word = 0;
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      if (n_ + i < b.columns) word |= static_cast<uint32_t>(row[n_ + i]) << 8 * i;
    }
    return word;
  }

  const uint8_t* from_;  // of the part
  int column_, k_;       // in the tile
  int64_t n_, depth_;    // in the matrix
};

template <class T, int kVector, bool kWords>
cudaError_t Multiply(const Stream& stream, const qt_matmul_codes_args& m) {
  Windows rows = {};
  rows.x = m.a;
  rows.zero_point = m.a_zero_point;
  rows.window = {m.rows, 1, 1, m.in, 1, 1, 1, 1, 1, 1, 0, 0};
  rows.dilation_h = rows.dilation_w = 1;
  rows.channels = m.in;
  rows.part = m.rows * m.in;
  rows.zeros_beyond = true;
  const Matrices columns = {m.b, m.b_zero_point, m.out, m.in};
  return LaunchProduct<WindowReader<T, kVector, Shape::kRows>, MatrixReader<T, kWords>, Shape>(
      stream, rows, columns, AccumulatorsAt(m.acc, m.out, m.rows * m.out),
      {m.pairs, m.rows, m.out, m.in});
}

template <class T>
cudaError_t Matmul(const Stream& stream, const qt_matmul_codes_args& m) {
  if (m.pairs * m.rows * m.out == 0) return cudaSuccess;
  const bool chunks = m.in % 16 == 0 && Aligned16(m.a, m.a);
  const bool words = m.out % 4 == 0 && reinterpret_cast<uintptr_t>(m.b) % 4 == 0;
  if (chunks && words) return Multiply<T, 16, true>(stream, m);
  return Multiply<T, 1, false>(stream, m);
}

}  // namespace

cudaError_t matmul_codes(const Stream& stream, const qt_matmul_codes_args& m) {
  return m.code_type == QT_U8 ? Matmul<uint8_t>(stream, m) : Matmul<int8_t>(stream, m);
}

}  // namespace qt::cuda
