package org.quantrain.report;

import org.quantrain.tensor.Shape;

/**
 * One layer of a network, as tables show it.
 *
 * @param kind as in "conv 3x3 / 2"
 * @param output shape without the batch
 * @param parameters 0 for a layer without weights
 * @param macs multiply-adds for one image
 * @param weights null for a layer without weights
 * @param input null in a float network
 */
public record LayerRow(
    String name,
    String kind,
    Shape output,
    long parameters,
    long macs,
    Weights weights,
    Activation input) {

  /**
   * A layer's weights.
   *
   * @param bits 32: float
   * @param scaleMin smallest scale of a channel; NaN for float weights
   * @param scales how many there are
   * @param min smallest weight, as a real number
   * @param histogram how often each code occurs, from {@code firstCode}; empty for float weights
   */
  public record Weights(
      int bits,
      float scaleMin,
      float scaleMax,
      int scales,
      float min,
      float max,
      int firstCode,
      long[] histogram) {
    public Weights {
      histogram = histogram.clone();
    }

    @Override
    public long[] histogram() {
      return histogram.clone();
    }
  }

  /**
   * The quantized input of a layer.
   *
   * @param min the real number of the lowest code
   */
  public record Activation(int bits, float scale, int zeroPoint, float min, float max) {}
}
