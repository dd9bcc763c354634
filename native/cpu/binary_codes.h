// The loop over two tensors of codes, with the formulas of math/binary_codes.h.
#ifndef QUANTRAIN_CPU_BINARY_CODES_H_
#define QUANTRAIN_CPU_BINARY_CODES_H_

#include "cpu/points.h"
#include "math/binary_codes.h"

namespace qt::cpu::QT_ISA {

// Codes as the numbers of type Number that a contract computes with.
template <class Number, class T, class Code>
QT_HD auto LoadCodesAs(const Code* x) {
  if constexpr (std::is_same_v<Number, float>) {
    return LoadAs<T>(x);
  } else {
    return LoadIntAs<T>(x);
  }
}

template <class Code, class Constants, class L>
struct BinaryOfCodes {
  const Code* a;
  const Code* b;
  Constants constants;
  math::Ends<L> ends;

  static constexpr int64_t kLine = 64;
  void Fetch(int64_t i) const {
    FetchAhead(a + i);
    FetchAhead(b + i);
  }
  template <class T>
  auto At(int64_t i, int64_t) const {
    using Number = typename Constants::Number;
    const auto level = math::Level(constants, LoadCodesAs<Number, T>(a + i),
                                   LoadCodesAs<Number, T>(b + i));
    return SpotOf(math::LevelCode(level, ends), math::Passes(level, ends));
  }
  void Finish(int64_t) const {}
};

template <class Code, class Args, class Constants, class L>
void BinaryCodesOf(qt_context& ctx, const Args& args, const Constants& k,
                   const math::Ends<L>& ends) {
  const BinaryOfCodes<Code, Constants, L> op = {static_cast<const Code*>(args.a),
                                                static_cast<const Code*>(args.b), k, ends};
  Code* const y = static_cast<Code*>(args.y);
  const bool in_place = args.y == args.a || args.y == args.b;
  if (args.mask != nullptr) {
    ForEachPoint<true>(ctx, args.n, 1, y, args.mask, 3 * args.n, in_place, op);
  } else {
    ForEachPoint<false>(ctx, args.n, 1, y, nullptr, 3 * args.n, in_place, op);
  }
}

// y = code of Level(k, a, b) for every element, and the mask where one is asked for.
template <class Args, class Constants, class L>
void BinaryCodes(qt_context& ctx, const Args& args, const Constants& k,
                 const math::Ends<L>& ends) {
  if (args.code_type == QT_U8) {
    BinaryCodesOf<uint8_t>(ctx, args, k, ends);
  } else {
    BinaryCodesOf<int8_t>(ctx, args, k, ends);
  }
}

}  // namespace qt::cpu::QT_ISA

#endif  // QUANTRAIN_CPU_BINARY_CODES_H_
