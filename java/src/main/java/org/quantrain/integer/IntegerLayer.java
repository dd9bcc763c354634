package org.quantrain.integer;

import java.util.List;
import java.util.Map;
import org.quantrain.graph.Model;
import org.quantrain.op.ConvGeometry;
import org.quantrain.op.PoolWindow;
import org.quantrain.tensor.HostTensor;

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

  /** The last linear layer; its result is float32, one row or several for an image. */
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

  /**
   * Rows of a table.
   *
   * @param table codes on the grid of y, row-major
   * @param indices name of an input of the network
   */
  record Lookup(HostTensor table, String indices, CodesTensor y) implements ToCodes {}

  /** Product of two computed operands. */
  record MatMul(CodesTensor a, CodesTensor b, CodesTensor y) implements ToCodes {}

  record Reshape(CodesTensor x, CodesTensor y) implements ToCodes {}

  record Transpose(CodesTensor x, List<Integer> perm, CodesTensor y) implements ToCodes {
    public Transpose {
      perm = List.copyOf(perm);
    }
  }

  /**
   * Float operations between integer layers, then their result as codes. Runtimes may differ in the
   * last bit of a float, so what follows is the runtime's own codes where two are compared.
   */
  record Island(Floats floats, CodesTensor y) implements ToCodes {}

  /** The logits in another shape: the network's output. */
  record Output(Floats floats, String name) implements IntegerLayer {}

  /**
   * Float operations of a file.
   *
   * @param model of one output; its inputs are the network's, float results of layers, or {@code
   *     reads}
   * @param reads codes of which an input is the real values, by the input's name
   * @param operators of the file that it was read from
   */
  record Floats(Model model, Map<String, CodesTensor> reads, List<String> operators) {
    public Floats {
      reads = Map.copyOf(reads);
      operators = List.copyOf(operators);
    }
  }

  record Flatten(CodesTensor x, CodesTensor y) implements ToCodes {}

  record Slice(CodesTensor x, org.quantrain.op.Slice part, CodesTensor y) implements ToCodes {}

  /** With the code of zero. */
  record Pad(CodesTensor x, org.quantrain.op.Pad pad, CodesTensor y) implements ToCodes {}
}
