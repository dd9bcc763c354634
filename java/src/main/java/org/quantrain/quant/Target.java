package org.quantrain.quant;

import java.util.Arrays;
import java.util.Locale;
import java.util.stream.Collectors;
import org.quantrain.tensor.QuantSpec;

/**
 * The runtime a model is trained for. It fixes the legal grids and, with them, the arithmetic of
 * training and export.
 */
public enum Target {
  /**
   * ONNX Runtime, CPU: activations affine, unsigned, per tensor; weights symmetric, signed, narrow;
   * 2 to 8 bits each. Contract FP32_RNE (NUMERICS.md, "Requantize").
   */
  ORT;

  /** The name users write. */
  public String id() {
    return name().toLowerCase(Locale.ROOT);
  }

  /**
   * @throws IllegalArgumentException naming the targets there are
   */
  public static Target of(String id) {
    return Arrays.stream(values())
        .filter(t -> t.id().equals(id))
        .findFirst()
        .orElseThrow(
            () ->
                new IllegalArgumentException(
                    "unknown target '"
                        + id
                        + "'; targets are: "
                        + Arrays.stream(values())
                            .map(Target::id)
                            .collect(Collectors.joining(", "))));
  }

  /**
   * Grid of an activation.
   *
   * @throws IllegalArgumentException if the target has no such grid
   */
  public QuantSpec activation(int bits) {
    requireBits("activation bits", bits);
    return new QuantSpec(bits, false, false, false, false);
  }

  /**
   * Grid of a weight.
   *
   * @throws IllegalArgumentException if the target has no such grid
   */
  public QuantSpec weight(int bits, boolean perChannel) {
    requireBits("weight bits", bits);
    return new QuantSpec(bits, true, true, true, perChannel);
  }

  private void requireBits(String what, int bits) {
    if (bits < 2 || bits > 8) {
      throw new IllegalArgumentException(
          what + ": target " + id() + " runs 2 to 8 bits, got " + bits);
    }
  }
}
