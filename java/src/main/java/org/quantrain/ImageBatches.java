package org.quantrain;

import java.nio.FloatBuffer;
import java.nio.IntBuffer;
import java.util.Iterator;
import org.quantrain.data.Batches;
import org.quantrain.data.DataSource;
import org.quantrain.integer.ImageBatch;
import org.quantrain.tensor.HostTensor;
import org.quantrain.tensor.Shape;

/**
 * The images of a data source in order, as the batches a verification takes; the last one is
 * padded.
 */
public final class ImageBatches {
  /** Images per batch. */
  public static final int BATCH = 64;

  private ImageBatches() {}

  public static Iterator<ImageBatch> of(DataSource source) {
    Batches batches = Batches.inOrder(source, BATCH);
    FloatBuffer images = batches.allocateImages();
    IntBuffer labels = batches.allocateLabels();
    Shape shape = Shape.of(BATCH, source.channels(), source.height(), source.width());
    return new Iterator<>() {
      private int next;

      @Override
      public boolean hasNext() {
        return next < batches.batchesPerEpoch();
      }

      @Override
      public ImageBatch next() {
        int rows = batches.fill(0, next++, images, labels);
        float[] pixels = new float[images.capacity()];
        int[] answers = new int[BATCH];
        images.get(0, pixels);
        labels.get(0, answers);
        return new ImageBatch(HostTensor.of(shape, pixels), rows, answers);
      }
    };
  }
}
