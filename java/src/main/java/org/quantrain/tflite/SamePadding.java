package org.quantrain.tflite;

/**
 * TensorFlow's "SAME" along one dimension: as many outputs as strides fit into the input, padding
 * halved, the odd cell at the end.
 */
public record SamePadding(int outputs, int before, int after) {
  public static SamePadding of(int input, int kernel, int stride, int dilation) {
    int outputs = (input - 1) / stride + 1;
    int total = Math.max(0, (outputs - 1) * stride + (kernel - 1) * dilation + 1 - input);
    return new SamePadding(outputs, total / 2, total - total / 2);
  }
}
