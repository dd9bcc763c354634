package org.quantrain;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.quantrain.graph.Model;
import org.quantrain.integer.IntegerModel;
import org.quantrain.integer.VerificationReport;
import org.quantrain.onnx.OnnxFile;
import org.quantrain.quant.ExportFormat;
import org.quantrain.quant.QuantPolicy;
import org.quantrain.quant.Target;
import org.quantrain.testkit.Calibrated;
import org.quantrain.zoo.Zoo;

/** The two ONNX forms of a network are the same integers. */
class QOperatorExportTest {
  @TempDir Path folder;

  @ParameterizedTest(name = "{0} W{1}A{2}")
  @CsvSource({"lenet, 8, 8", "resnet8, 4, 4", "mobilenetv2?width=0.25, 8, 6"})
  void integerOperatorsComputeTheCodesOfTraining(String name, int weightBits, int activationBits)
      throws IOException {
    Model model = Zoo.build(name, 3, 16, 16, 5, 1);
    NoiseImages images = NoiseImages.of(model, 24, 1);
    try (Quantrain quantrain = Quantrain.open()) {
      QuantizedNetwork quantized =
          quantrain
              .network(model)
              .quantize(
                  QuantPolicy.forTarget(Target.ORT)
                      .weights(weightBits)
                      .activations(activationBits));
      quantized.restore(
          Calibrated.contents(quantized.model(), quantrain.backend(), images.batch()));
      Path operators = folder.resolve("operators.onnx");
      Path qdq = folder.resolve("qdq.onnx");
      quantized.export(operators, ExportFormat.ONNX_QOPERATOR, Map.of());
      quantized.export(qdq, ExportFormat.ONNX_QDQ, Map.of());

      VerificationReport report = quantized.verify(operators, images);
      assertTrue(report.holds(), report::toString);
      assertEquals(2, report.claims().size());
      OnnxFile file = OnnxFile.read(operators);
      assertTrue(file.nodes().stream().noneMatch(n -> n.op().equals("Conv")));
      assertTrue(Files.size(operators) <= Files.size(qdq));
      assertArrayEquals(
          IntegerModel.read(qdq).codes().toArray(), IntegerModel.read(operators).codes().toArray());
    }
  }
}
