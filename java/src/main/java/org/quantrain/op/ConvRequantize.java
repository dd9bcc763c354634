package org.quantrain.op;

import java.util.ArrayList;
import java.util.List;
import org.quantrain.graph.Op;
import org.quantrain.tensor.TensorSpec;

/**
 * Codes to codes: {@link ConvCodes}, then {@link Requantize}, without the accumulator in memory.
 * Inputs are the five of the convolution, then multiplier [K], zero-point [1] and optionally bias
 * [K]; output codes [N,K,P,Q]. For plans without gradients: there is no mask.
 */
public record ConvRequantize(ConvCodes conv, Requantize requantize) implements Op {
  /** Inputs of the convolution. */
  public static final int CONV_INPUTS = 5;

  @Override
  public List<TensorSpec> infer(List<TensorSpec> in) {
    Expect.count(in, CONV_INPUTS + 2, CONV_INPUTS + 3);
    List<TensorSpec> sums = new ArrayList<>(conv.infer(in.subList(0, CONV_INPUTS)));
    sums.addAll(in.subList(CONV_INPUTS, in.size()));
    return requantize.infer(sums).subList(0, 1);
  }
}
