package org.quantrain.integer;

import java.util.List;
import org.quantrain.tensor.HostTensor;

/**
 * Images to verify with, or texts.
 *
 * @param inputs one for each of the network's, in memory order, the same B in every batch: F32
 *     [B,C,H,W] for images, S32 [B,...] for tokens
 * @param count rows that are images; those after them are padding and are not looked at
 * @param labels one for each row, or null: no accuracy then
 */
public record ImageBatch(List<HostTensor> inputs, int count, int[] labels) {
  /** Of a network with one input. */
  public ImageBatch(HostTensor images, int count, int[] labels) {
    this(List.of(images), count, labels);
  }

  public ImageBatch {
    inputs = List.copyOf(inputs);
    int rows = inputs.get(0).shape().dim(0);
    if (count < 1 || count > rows || labels != null && labels.length < count) {
      throw new IllegalArgumentException(
          "expected 1 to " + rows + " images with a label each, got " + count);
    }
  }

  /** The first input. */
  public HostTensor images() {
    return inputs.get(0);
  }
}
