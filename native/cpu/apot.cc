// Additive powers of two: the table of levels is made once per call, an element looks up one entry.
#include "math/apot.h"

#include "cpu/learned.h"  // after its formulas

namespace qt::cpu::QT_ISA {
namespace {

struct Table {
  float entries[math::kApotMostEntries];
};

template <class Args>
void Fill(const Args& a, Table* table) {
  const int32_t bits = math::ApotMagnitudeBits(a.bits, a.is_signed);
  const int32_t most = math::ApotMost(bits);
  for (int32_t i = 0; i <= 2 * most; ++i) table->entries[i] = math::ApotEntry(bits, i);
}

}  // namespace

qt_status apot(qt_context& ctx, const qt_apot_args& a) {
  Table table;
  Fill(a, &table);
  return LearnedKernel(ctx, math::ApotForward{a, table.entries}, nullptr, a.y);
}

qt_status apot_backward(qt_context& ctx, const qt_apot_backward_args& a) {
  Table table;
  Fill(a, &table);
  return LearnedKernel(ctx, math::ApotBackward{a, table.entries}, a.dy, a.dx);
}

}  // namespace qt::cpu::QT_ISA
