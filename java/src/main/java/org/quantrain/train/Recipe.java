package org.quantrain.train;

import java.util.function.Consumer;
import org.quantrain.data.Augmentation;
import org.quantrain.op.Compute;
import org.quantrain.op.Lowering;

/**
 * How a network is trained: float first, then quantization-aware at a low learning rate, both by
 * SGD with momentum and a cosine schedule. Late in the quantized stage batch-norm statistics and
 * observers freeze, so that the last steps train exactly what is deployed.
 *
 * @param batch images per step
 * @param weightDecay on weights of convolutions and linear layers only
 * @param smoothing label smoothing, in [0, 1)
 * @param calibrationBatches batches that set the observers' ranges before the quantized stage
 * @param quantDelaySteps steps of the quantized stage that still train in float, observing
 * @param freezeFrom fraction of the quantized stage after which statistics and ranges freeze, in
 *     [0, 1]
 * @param observerMomentum weight of a new batch in an observer's range, in (0, 1]
 * @param validationFraction part of the training images held out to keep the best epoch, in [0,
 *     0.5]; 0 keeps the last
 * @param trainLowering how the quantized stage multiplies codes while statistics move; the result
 *     is the same to the bit
 * @param compute operands of the products in every gradient and in the float stage
 * @param accumulate equal parts that a batch is run in, one behind the other, in the memory of one;
 *     batch norm and observers see each by itself
 * @param syncBatchNorm where several processes train, batch norm takes its statistics over the
 *     images of all of them, as one process would; else each over its own
 */
public record Recipe(
    int floatEpochs,
    int qatEpochs,
    int batch,
    float floatLearningRate,
    float qatLearningRate,
    float momentum,
    float weightDecay,
    float smoothing,
    int calibrationBatches,
    int quantDelaySteps,
    float freezeFrom,
    float observerMomentum,
    float validationFraction,
    Augmentation augmentation,
    Lowering trainLowering,
    Compute compute,
    int accumulate,
    boolean syncBatchNorm,
    long seed) {

  public Recipe {
    require(floatEpochs >= 0, "epochs", "at least 0", floatEpochs);
    require(qatEpochs >= 0, "quantized epochs", "at least 0", qatEpochs);
    require(batch >= 2, "batch", "at least 2", batch);
    require(accumulate >= 1, "accumulate", "at least 1", accumulate);
    require(
        batch % accumulate == 0 && batch / accumulate >= 2,
        "accumulate",
        "equal parts of at least 2 of the " + batch + " images of a batch",
        accumulate);
    require(floatLearningRate > 0, "learning rate", "more than 0", floatLearningRate);
    require(qatLearningRate > 0, "quantized learning rate", "more than 0", qatLearningRate);
    require(momentum >= 0 && momentum < 1, "momentum", "0 to below 1", momentum);
    require(weightDecay >= 0, "weight decay", "at least 0", weightDecay);
    require(smoothing >= 0 && smoothing < 1, "label smoothing", "0 to below 1", smoothing);
    require(calibrationBatches >= 1, "calibration batches", "at least 1", calibrationBatches);
    require(quantDelaySteps >= 0, "quantization delay", "at least 0 steps", quantDelaySteps);
    require(freezeFrom >= 0 && freezeFrom <= 1, "freeze from", "0 to 1", freezeFrom);
    require(
        observerMomentum > 0 && observerMomentum <= 1,
        "observer momentum",
        "above 0 to 1",
        observerMomentum);
    require(
        validationFraction >= 0 && validationFraction <= 0.5,
        "validation fraction",
        "0 to 0.5",
        validationFraction);
  }

  private static void require(boolean holds, String what, String expected, Number actual) {
    if (!holds) {
      throw new IllegalArgumentException(what + ": expected " + expected + ", got " + actual);
    }
  }

  /** For about a thousand small images. */
  public static Recipe defaults() {
    return new Recipe(
        60,
        10,
        32,
        0.05f,
        0.01f,
        0.9f,
        5e-4f,
        0.05f,
        16,
        0,
        0.75f,
        0.05f,
        0.1f,
        Augmentation.NONE,
        Lowering.INTEGER,
        Compute.F32,
        1,
        true,
        1);
  }

  /**
   * Fewer epochs and larger batches the more images there are; half a million presentations train a
   * small network in float.
   */
  public static Recipe forImages(int trainImages) {
    int epochs = Math.max(8, Math.min(60, 500_000 / Math.max(1, trainImages)));
    return defaults()
        .epochs(epochs, Math.max(3, epochs / 6))
        .batch(trainImages < 10_000 ? 32 : 128);
  }

  public Recipe epochs(int floatEpochs, int qatEpochs) {
    return with(
        r -> {
          r.floatEpochs = floatEpochs;
          r.qatEpochs = qatEpochs;
        });
  }

  public Recipe batch(int images) {
    return with(r -> r.batch = images);
  }

  public Recipe learningRates(float floatStage, float qatStage) {
    return with(
        r -> {
          r.floatLearningRate = floatStage;
          r.qatLearningRate = qatStage;
        });
  }

  public Recipe regularization(float weightDecay, float smoothing) {
    return with(
        r -> {
          r.weightDecay = weightDecay;
          r.smoothing = smoothing;
        });
  }

  /** How ranges are found and when they stop moving. */
  public Recipe observation(
      int calibrationBatches, int quantDelaySteps, float freezeFrom, float observerMomentum) {
    return with(
        r -> {
          r.calibrationBatches = calibrationBatches;
          r.quantDelaySteps = quantDelaySteps;
          r.freezeFrom = freezeFrom;
          r.observerMomentum = observerMomentum;
        });
  }

  public Recipe validationFraction(float fraction) {
    return with(r -> r.validationFraction = fraction);
  }

  public Recipe augmentation(Augmentation other) {
    return with(r -> r.augmentation = other);
  }

  public Recipe trainLowering(Lowering other) {
    return with(r -> r.trainLowering = other);
  }

  public Recipe compute(Compute other) {
    return with(r -> r.compute = other);
  }

  /** A step takes the mean of the gradients of this many parts of its batch. */
  public Recipe accumulate(int parts) {
    return with(r -> r.accumulate = parts);
  }

  public Recipe syncBatchNorm(boolean over) {
    return with(r -> r.syncBatchNorm = over);
  }

  public Recipe seed(long other) {
    return with(r -> r.seed = other);
  }

  private Recipe with(Consumer<Fields> change) {
    Fields fields = new Fields(this);
    change.accept(fields);
    return fields.recipe();
  }

  /** The components, to change some of them. */
  private static final class Fields {
    int floatEpochs;
    int qatEpochs;
    int batch;
    float floatLearningRate;
    float qatLearningRate;
    float momentum;
    float weightDecay;
    float smoothing;
    int calibrationBatches;
    int quantDelaySteps;
    float freezeFrom;
    float observerMomentum;
    float validationFraction;
    Augmentation augmentation;
    Lowering trainLowering;
    Compute compute;
    int accumulate;
    boolean syncBatchNorm;
    long seed;

    Fields(Recipe r) {
      floatEpochs = r.floatEpochs;
      qatEpochs = r.qatEpochs;
      batch = r.batch;
      floatLearningRate = r.floatLearningRate;
      qatLearningRate = r.qatLearningRate;
      momentum = r.momentum;
      weightDecay = r.weightDecay;
      smoothing = r.smoothing;
      calibrationBatches = r.calibrationBatches;
      quantDelaySteps = r.quantDelaySteps;
      freezeFrom = r.freezeFrom;
      observerMomentum = r.observerMomentum;
      validationFraction = r.validationFraction;
      augmentation = r.augmentation;
      trainLowering = r.trainLowering;
      compute = r.compute;
      accumulate = r.accumulate;
      syncBatchNorm = r.syncBatchNorm;
      seed = r.seed;
    }

    Recipe recipe() {
      return new Recipe(
          floatEpochs,
          qatEpochs,
          batch,
          floatLearningRate,
          qatLearningRate,
          momentum,
          weightDecay,
          smoothing,
          calibrationBatches,
          quantDelaySteps,
          freezeFrom,
          observerMomentum,
          validationFraction,
          augmentation,
          trainLowering,
          compute,
          accumulate,
          syncBatchNorm,
          seed);
    }
  }
}
