package org.quantrain.integer;

import java.util.List;
import org.quantrain.op.ConvGeometry;
import org.quantrain.op.PoolWindow;

/** A step of a quantized file. */
public sealed interface IntegerLayer {
  /** Name of the tensor that is computed. */
  String name();

  /** A layer whose result is codes. */
  sealed interface ToCodes extends IntegerLayer {
    CodesTensor y();

    @Override
    default String name() {
      return y().name();
    }
  }

  /** The network's input to codes. */
  record QuantizeInput(CodesTensor y) implements ToCodes {}

  record Conv(CodesTensor x, IntegerWeights w, ConvGeometry geometry, CodesTensor y)
      implements ToCodes {}

  record Linear(CodesTensor x, IntegerWeights w, CodesTensor y) implements ToCodes {}

  /** The last linear layer; its result is float32. */
  record Logits(CodesTensor x, IntegerWeights w, String name) implements IntegerLayer {}

  /** Logits that are codes, as the float32 that they stand for. */
  record Dequantize(CodesTensor x, String name) implements IntegerLayer {}

  /** Order matters: a + b and b + a may round differently. */
  record Add(CodesTensor a, CodesTensor b, CodesTensor y) implements ToCodes {}

  /** Each part goes to the grid of the whole. */
  record Concat(List<CodesTensor> parts, int axis, CodesTensor y) implements ToCodes {
    public Concat {
      parts = List.copyOf(parts);
    }
  }

  record MaxPool(CodesTensor x, PoolWindow window, CodesTensor y) implements ToCodes {}

  record AveragePool(CodesTensor x, PoolWindow window, boolean countPadding, CodesTensor y)
      implements ToCodes {}

  /** The mean stays on the grid of x; only cells inside the image count. */
  record AveragePoolOnGrid(CodesTensor x, PoolWindow window, CodesTensor y) implements ToCodes {}

  record GlobalAveragePool(CodesTensor x, CodesTensor y) implements ToCodes {}

  record RequantizeCodes(CodesTensor x, CodesTensor y) implements ToCodes {}

  record Flatten(CodesTensor x, CodesTensor y) implements ToCodes {}

  record Slice(CodesTensor x, org.quantrain.op.Slice part, CodesTensor y) implements ToCodes {}

  /** With the code of zero. */
  record Pad(CodesTensor x, org.quantrain.op.Pad pad, CodesTensor y) implements ToCodes {}
}
