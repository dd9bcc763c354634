package org.quantrain.report;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.quantrain.tensor.Shape;

/** A run as training would leave it, made up from a seed. */
final class SyntheticRun {
  static final int FLOAT_EPOCHS = 20;
  static final int QAT_EPOCHS = 8;

  private SyntheticRun() {}

  static RunReport verified() {
    List<ClaimResult.TensorResult> tensors =
        List.of(
            new ClaimResult.TensorResult("input.codes", 23_040, 0),
            new ClaimResult.TensorResult("relu1.codes", 368_640, 0),
            new ClaimResult.TensorResult("relu2.codes", 184_320, 0),
            new ClaimResult.TensorResult("relu3.codes", 46_080, 0));
    return with(
        List.of(
            new ClaimResult(
                "V2",
                "model.w4a8.onnx in ONNX Runtime 1.29.0",
                "the integer interpreter",
                622_080,
                0,
                3_600,
                0,
                0,
                0,
                null,
                tensors),
            new ClaimResult(
                "V3",
                "the training plan",
                "the integer interpreter on model.w4a8.onnx",
                622_080,
                0,
                3_600,
                0,
                0,
                0,
                null,
                tensors)));
  }

  static RunReport failed() {
    ClaimResult good = verified().claims().get(0);
    List<ClaimResult.TensorResult> tensors = new ArrayList<>(good.tensors());
    tensors.set(2, new ClaimResult.TensorResult("relu2.codes", 184_320, 7));
    return with(
        List.of(
            good,
            new ClaimResult(
                "V3",
                "the training plan",
                "the integer interpreter on model.w4a8.onnx",
                622_080,
                7,
                3_600,
                2,
                0,
                0,
                new ClaimResult.Difference(
                    "conv2",
                    "relu2.codes",
                    41,
                    83,
                    List.of(5, 0, 3),
                    "code 17 (0.412)",
                    "code 16 (0.388)"),
                tensors)));
  }

  static RunReport with(List<ClaimResult> claims) {
    Map<String, String> environment = new LinkedHashMap<>();
    environment.put("Command", "quantrain train --wbits 4 --out runs/<first>");
    environment.put("Quantrain", "0.1.0-SNAPSHOT");
    environment.put("Java", "17.0.15 (Debian)");
    environment.put("CPU", "Intel Xeon, AVX-512 VNNI, AMX int8");
    environment.put("Seed", "1");
    return new RunReport(
        "digits-lenet-w4a8-1",
        "lenet",
        "digits",
        "W4A8",
        "ort",
        new RunReport.Outcome("model.float.onnx", 98.06, 360, 320_113),
        new RunReport.Outcome("model.w4a8.onnx", 97.78, 360, 84_207),
        claims,
        epochs(),
        layers(),
        environment,
        "model: lenet\ndata: digits\nwbits: 4\nabits: 8\noverride:\n- fc2=W8A8\n");
  }

  static List<EpochMetrics> epochs() {
    Random random = new Random(3);
    List<EpochMetrics> epochs = new ArrayList<>();
    for (int i = 1; i <= FLOAT_EPOCHS + QAT_EPOCHS; i++) {
      boolean real = i <= FLOAT_EPOCHS;
      int epoch = real ? i : i - FLOAT_EPOCHS;
      List<Double> curve = new ArrayList<>();
      for (int k = 0; k < 16; k++) {
        double at = i - 1 + k / 16.0;
        curve.add(0.34 + 1.95 * Math.exp(-at / 2.5) + 0.03 * Math.abs(random.nextGaussian()));
      }
      double error = 70 * Math.exp(-i / 2.2) + 0.4 + 0.4 * random.nextDouble();
      epochs.add(
          new EpochMetrics(
              real ? "float" : "qat",
              real ? "FLOAT_TRAIN" : epoch <= 6 ? "TRAIN" : "TRAIN_FROZEN",
              epoch,
              real ? FLOAT_EPOCHS : QAT_EPOCHS,
              0.05 / epoch,
              curve.get(8),
              100 - error,
              curve.get(8) + 0.03,
              100 - error * 1.1 - random.nextDouble(),
              0.4,
              3_200,
              curve));
    }
    return epochs;
  }

  static List<LayerRow> layers() {
    return List.of(
        layer("conv1", "conv 5x5", Shape.of(16, 8, 8), 8, 416, 25_600, 8),
        new LayerRow("pool1", "max pool 2x2 / 2", Shape.of(16, 4, 4), 0, 0, null, null),
        layer("conv2", "conv 5x5", Shape.of(32, 4, 4), 4, 12_832, 204_800, 8),
        layer("fc1", "linear", Shape.of(128), 4, 16_512, 16_384, 8),
        layer("fc2", "linear", Shape.of(10), 8, 1_290, 1_280, 8));
  }

  private static LayerRow layer(
      String name, String kind, Shape output, int bits, long parameters, long macs, int inputBits) {
    Random random = new Random(bits + macs);
    int last = (1 << (bits - 1)) - 1;
    long[] histogram = new long[2 * last + 2];
    for (int i = 0; i < parameters; i++) {
      long code = Math.round(random.nextGaussian() * last / 3);
      histogram[(int) Math.max(-last, Math.min(last, code)) + last + 1]++;
    }
    return new LayerRow(
        name,
        kind,
        output,
        parameters,
        macs,
        new LayerRow.Weights(
            bits, 0.0021f, 0.0113f, output.dim(0), -0.31f, 0.33f, -last - 1, histogram),
        new LayerRow.Activation(inputBits, 0.0121f, 0, 0f, 3.0855f));
  }
}
