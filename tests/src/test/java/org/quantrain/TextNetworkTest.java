package org.quantrain;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.quantrain.graph.Model;
import org.quantrain.integer.ImageBatch;
import org.quantrain.integer.VerificationReport;
import org.quantrain.onnx.OnnxReader;
import org.quantrain.onnx.OnnxWriter;
import org.quantrain.quant.Calibrator;
import org.quantrain.quant.QuantPolicy;
import org.quantrain.quant.Target;
import org.quantrain.tensor.HostTensor;
import org.quantrain.tensor.Shape;
import org.quantrain.zoo.Zoo;

/** A file of a text network to a proven integer model, as a user writes it. */
class TextNetworkTest {
  private static final int WORDS = 30;

  @TempDir Path folder;

  @Test
  void aTextNetworkIsCalibratedOnTokensExportedAndVerified() throws IOException {
    Model model = Zoo.buildText("bert-tiny?dim=16", 12, WORDS, 3, 1);
    Model read = OnnxReader.read("bert.onnx", OnnxWriter.toBytes(model, Map.of()));
    try (Quantrain quantrain = Quantrain.open()) {
      QuantizedNetwork network =
          quantrain.network(read).quantize(QuantPolicy.forTarget(Target.ORT));
      ImageBatch first = RandomTexts.of(read, WORDS, 1);
      ImageBatch second = RandomTexts.of(read, WORDS, 2);
      network.calibrate(List.of(first.inputs(), second.inputs()), Calibrator.MINMAX);
      Path file = folder.resolve("bert.int8.onnx");
      network.export(file);
      VerificationReport report = network.verify(file, List.of(first, second));
      assertEquals(2, report.claims().size());
      assertTrue(report.holds(), report::toString);
      report.claims().forEach(claim -> assertTrue(claim.compared() > 1000, report::toString));

      List<HostTensor> three =
          first.inputs().stream().map(t -> HostTensor.of(Shape.of(3, 12), new int[36])).toList();
      List<ImageBatch> uneven = List.of(first, new ImageBatch(three, 3, null));
      IllegalArgumentException refusal =
          assertThrows(IllegalArgumentException.class, () -> network.verify(file, uneven));
      assertTrue(refusal.getMessage().contains("16x12"), refusal.getMessage());
      assertThrows(IllegalArgumentException.class, () -> network.verify(file, List.of()));
    }
  }

  @Test
  void aBatchThatDoesNotFitTheInputsIsRefusedByTheirShapes() {
    Model model = Zoo.buildText("bert-tiny?dim=16", 12, WORDS, 3, 1);
    try (Quantrain quantrain = Quantrain.open()) {
      QuantizedNetwork network =
          quantrain.network(model).quantize(QuantPolicy.forTarget(Target.ORT));
      List<HostTensor> tooShort = List.of(HostTensor.of(Shape.of(4, 11), new int[44]));
      IllegalArgumentException refusal =
          assertThrows(
              IllegalArgumentException.class,
              () -> network.calibrate(List.of(tooShort), Calibrator.MINMAX));
      assertTrue(refusal.getMessage().contains("4x11"), refusal.getMessage());
    }
  }
}
