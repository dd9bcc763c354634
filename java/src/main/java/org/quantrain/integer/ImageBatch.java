package org.quantrain.integer;

import org.quantrain.tensor.HostTensor;

/**
 * Images to verify with.
 *
 * @param images F32 [B,C,H,W] in memory order, the same B in every batch
 * @param count rows that are images; those after them are padding and are not looked at
 * @param labels one for each row, or null: no accuracy then
 */
public record ImageBatch(HostTensor images, int count, int[] labels) {
  public ImageBatch {
    int rows = images.shape().dim(0);
    if (count < 1 || count > rows || labels != null && labels.length < count) {
      throw new IllegalArgumentException(
          "expected 1 to " + rows + " images with a label each, got " + count);
    }
  }
}
