package org.quantrain.backend.cuda;

import org.quantrain.backend.shared.At;
import org.quantrain.backend.shared.NativeContext;
import org.quantrain.backend.shared.Scratch;
import org.quantrain.backend.shared.Steps;
import org.quantrain.internal.bind.QuantrainNative;
import org.quantrain.internal.bind.qt_merge_histograms_args;
import org.quantrain.internal.bind.qt_strided_copy_args;

/**
 * Sums of integers of 128 bits where only those of 64 bits can be summed: in four limbs of 32 bits,
 * each in an int64 of its own, whose sums over up to 2^31 processes are exact. Then the carries:
 * three times the high half of each limb is added to the low half of the next, all at once.
 * The first time leaves carries of at most 1, the second ends those into the third limb, the third
 * those into the fourth; what leaves that is beyond 2^128.
 */
final class WideSums {
  private static final int LIMBS = 4;
  private static final int CARRIES = LIMBS - 1;

  /** Words of 32 bits in an int64, low half first. */
  private static final int HALVES = 2;

  private static final long WORD = Integer.BYTES;

  /** For a pair: limbs, carries, three counters and two exponents, which are as they must be: 0. */
  private static final int WORDS = 2 * LIMBS * HALVES + 3 * HALVES + 2;

  private WideSums() {}

  /** Makes the step that replaces int64 by their sums over the processes. */
  @FunctionalInterface
  interface LongSums {
    Steps.Step of(Scratch.Region place, long elements);
  }

  /**
   * @param address of the pairs of int64, low half first
   */
  static Steps steps(NativeContext context, long address, long pairs, LongSums sums) {
    Steps steps = new Steps(null);
    Scratch.Region wide = Scratch.Region.fixed(address);
    Scratch.Region limbs = steps.scratch().region(WORD * WORDS * pairs);
    long words = LIMBS * pairs;
    long carries = HALVES * words;
    steps.add(copy(context, null, 0, limbs, 1, 1, WORDS * pairs));
    steps.add(copy(context, wide, 1, limbs, HALVES, 1, words));
    steps.add(sums.of(limbs, words));
    for (int i = 0; i < CARRIES; i++) {
      Scratch.Region next = behind(limbs, carries + HALVES);
      steps.add(copy(context, behind(limbs, 1), HALVES, next, HALVES, pairs, CARRIES));
      steps.add(copy(context, null, 0, behind(limbs, 1), HALVES, 1, words));
      steps.add(plus(context, limbs, carries, pairs));
    }
    return steps.add(copy(context, limbs, HALVES, wide, 1, 1, words));
  }

  private static Scratch.Region behind(Scratch.Region place, long words) {
    return user -> place.whenKnown(address -> user.accept(address + WORD * words));
  }

  /** A step that copies words between rows which are a pair's limbs apart; from null: zeros. */
  private static Steps.Step copy(
      NativeContext context,
      Scratch.Region from,
      int fromStride,
      Scratch.Region to,
      int toStride,
      long rows,
      long n) {
    qt_strided_copy_args args = new qt_strided_copy_args().element_bytes(Integer.BYTES).x(null);
    if (from != null) {
      from.whenKnown(address -> args.x(At.any(address)));
    }
    to.whenKnown(address -> args.y(At.any(address)));
    for (int i = 0; i < 4; i++) {
      args.size(i, 1);
    }
    long row = LIMBS * HALVES;
    args.size(4, rows).x_stride(4, from == null ? 0 : row).y_stride(4, row);
    args.size(5, n).x_stride(5, fromStride).y_stride(5, toStride);
    return context.call(null, args, QuantrainNative::qt_strided_copy);
  }

  /** Histograms of a bin for each limb, and of one range, are added bin by bin. */
  private static Steps.Step plus(
      NativeContext context, Scratch.Region limbs, long carries, long pairs) {
    qt_merge_histograms_args args =
        new qt_merge_histograms_args().channels(pairs).bins(LIMBS).is_signed(0);
    limbs.whenKnown(address -> args.counts(At.longs(address)));
    behind(limbs, carries).whenKnown(address -> args.other_counts(At.longs(address)));
    long counters = 2 * carries;
    behind(limbs, counters).whenKnown(address -> args.nans(At.longs(address)));
    behind(limbs, counters + HALVES * pairs)
        .whenKnown(address -> args.infs(At.longs(address)));
    behind(limbs, counters + 2 * HALVES * pairs)
        .whenKnown(address -> args.other_nans(At.longs(address)).other_infs(At.longs(address)));
    long exponents = counters + 3 * HALVES * pairs;
    behind(limbs, exponents).whenKnown(address -> args.exponent(At.ints(address)));
    behind(limbs, exponents + pairs)
        .whenKnown(address -> args.other_exponent(At.ints(address)));
    return context.call(null, args, QuantrainNative::qt_merge_histograms);
  }
}
