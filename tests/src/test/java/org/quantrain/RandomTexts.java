package org.quantrain;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.quantrain.graph.Model;
import org.quantrain.graph.Value;
import org.quantrain.integer.ImageBatch;
import org.quantrain.integer.VerificationReport;
import org.quantrain.quant.QuantPolicy;
import org.quantrain.tensor.HostTensor;
import org.quantrain.tensor.Shape;
import org.quantrain.testkit.Calibrated;

/** Random tokens for a network, and its exported integers compared on them. */
final class RandomTexts {
  private static final int TEXTS = 16;

  private RandomTexts() {}

  /** Tokens below {@code words}; a few at the end of each text do not count. */
  static ImageBatch of(Model model, int words, long seed) {
    Random random = new Random(seed);
    List<HostTensor> inputs = new ArrayList<>();
    for (Value input : model.graph().inputs()) {
      Shape shape = input.spec().shape().withBatch(TEXTS);
      int[] values = new int[(int) shape.elements()];
      for (int i = 0; i < values.length; i++) {
        values[i] =
            switch (input.name()) {
              case "attention_mask" -> i % shape.dim(1) < 9 ? 1 : 0;
              case "token_type_ids" -> random.nextInt(2);
              default -> random.nextInt(words);
            };
      }
      inputs.add(HostTensor.of(shape, values));
    }
    return new ImageBatch(inputs, TEXTS - 1, null);
  }

  /** Quantizes, calibrates, exports to the file and compares every code of two batches. */
  static VerificationReport verified(
      Quantrain quantrain, Model model, QuantPolicy policy, int words, Path file)
      throws IOException {
    QuantizedNetwork quantized = quantrain.network(model).quantize(policy);
    quantized.requireExportable();
    ImageBatch first = of(model, words, 1);
    quantized.restore(
        Calibrated.contents(quantized.model(), quantrain.backend(), first.inputs()));
    quantized.export(file);
    List<ImageBatch> batches = List.of(first, of(model, words, 2));
    return quantized.verify(file, batches);
  }
}
