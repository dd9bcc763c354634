package org.quantrain.cli;

import java.util.Iterator;
import java.util.NoSuchElementException;
import java.util.SplittableRandom;
import org.quantrain.integer.CodesTensor;
import org.quantrain.integer.ImageBatch;
import org.quantrain.integer.IntegerModel;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.HostTensor;
import org.quantrain.tensor.Shape;

/**
 * Images to verify a model with where there are none: every pixel anywhere in the range of the
 * input's codes and a little beyond; one in eight lies exactly between two codes.
 */
final class GeneratedImages implements Iterator<ImageBatch> {
  static final int BATCH = 16;
  static final int BATCHES = 8;

  private static final long SEED = 1;
  private static final int TIE_EVERY = 8;

  private final CodesTensor input;
  private final Shape shape;
  private final SplittableRandom random = new SplittableRandom(SEED);
  private int made;

  GeneratedImages(IntegerModel model) {
    if (model.inputs().size() > 1 || model.inputSpec().dtype() != DType.F32) {
      throw new FailureException(
          "%s takes %s: only images can be generated"
              .formatted(model.where(), model.inputs()));
    }
    this.input = model.codes().get(0);
    this.shape = model.inputSpec().shape().withBatch(BATCH);
  }

  @Override
  public boolean hasNext() {
    return made < BATCHES;
  }

  @Override
  public ImageBatch next() {
    if (!hasNext()) {
      throw new NoSuchElementException();
    }
    made++;
    float[] pixels = new float[Math.toIntExact(shape.elements())];
    int beyond = 1 + input.qmax() / 16;
    for (int i = 0; i < pixels.length; i++) {
      double code = random.nextDouble(-beyond, input.qmax() + beyond);
      if (random.nextInt(TIE_EVERY) == 0) {
        code = Math.floor(code) + 0.5;
      }
      pixels[i] = (float) (input.scale() * (code - input.zeroPoint()));
    }
    return new ImageBatch(HostTensor.of(shape, pixels), BATCH, null);
  }
}
