package org.quantrain.integer;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.quantrain.backend.cpu.CpuBackend;
import org.quantrain.runtime.Backend;
import org.quantrain.runtime.QuantrainException;
import org.quantrain.tensor.HostTensor;
import org.quantrain.tensor.Shape;

class IntegerInterpreterTest {
  private static Backend backend;

  @TempDir Path folder;

  @BeforeAll
  static void open() {
    backend = CpuBackend.open();
  }

  @AfterAll
  static void close() {
    backend.close();
  }

  private static List<RandomIntegers> networks() {
    return List.of(
        RandomIntegers.residual(11, false),
        RandomIntegers.residual(12, true),
        RandomIntegers.varied(13, false),
        RandomIntegers.varied(14, true),
        RandomIntegers.narrow(15, false),
        RandomIntegers.narrow(16, true));
  }

  @Test
  void bothRoadsComputeTheCodesOfPlainJava() throws IOException {
    for (RandomIntegers net : networks()) {
      IntegerModel model = IntegerModel.read(net.write(folder));
      try (IntegerInterpreter reference = new IntegerInterpreter(backend, model, 8);
          IntegerInterpreter fast = IntegerInterpreter.fast(backend, model, 8)) {
        for (ImageBatch batch : net.images(3, 8)) {
          CodesBatch expected = new PlainJavaCodes(model).run(batch.images());
          assertSameCodes(model, expected, reference.run(batch.images()));
          assertSameCodes(model, expected, fast.run(batch.images()));
        }
      }
    }
  }

  private static void assertSameCodes(IntegerModel model, CodesBatch expected, CodesBatch actual) {
    assertEquals(expected.codes().keySet(), actual.codes().keySet());
    for (CodesTensor t : model.codes()) {
      assertArrayEquals(
          expected.codes().get(t.name()).codes(), actual.codes().get(t.name()).codes(), t.name());
    }
    assertArrayEquals(expected.logits().bytes(), actual.logits().bytes());
  }

  @Test
  void aFastRoadThatDiffersFromTheReferenceIsAnErrorThatNamesTheTensor() throws IOException {
    RandomIntegers net = networks().get(0);
    IntegerModel model = IntegerModel.read(net.write(folder));
    HostTensor images = net.images(1, 4).get(0).images();
    String tensor = model.codes().get(2).name();
    try (IntegerInterpreter fast = IntegerInterpreter.fast(backend, model, 4);
        IntegerInterpreter reference = new IntegerInterpreter(backend, model, 4)) {
      CodesBatch changed = reference.run(images);
      byte[] codes = changed.codes().get(tensor).buffer().array();
      codes[codes.length - 1]++;
      CodesSource broken = new RecordedCodes(changed);
      SampledInterpreter sampled = new SampledInterpreter(model, fast, broken);
      QuantrainException e = assertThrows(QuantrainException.class, () -> sampled.run(images));
      assertTrue(e.getMessage().contains(tensor), e::getMessage);
      assertTrue(e.getMessage().contains(model.where()), e::getMessage);
    }
  }

  private record RecordedCodes(CodesBatch codes) implements CodesSource {
    @Override
    public String description() {
      return "recorded";
    }

    @Override
    public CodesBatch run(HostTensor images) {
      return codes;
    }

    @Override
    public void close() {}
  }

  @Test
  void onnxRuntimeComputesTheCodesOfTheInterpreter() throws IOException {
    for (RandomIntegers net : networks()) {
      Path file = net.write(folder);
      IntegerModel model = IntegerModel.read(file);
      try (IntegerInterpreter interpreter = new IntegerInterpreter(backend, model, 16)) {
        VerificationReport report =
            BitExactVerifier.of(file).verify(interpreter, null, net.images(4, 16).iterator());
        assertTrue(report.holds(), report::toString);
        assertEquals(61, report.images());
      }
    }
  }

  @Test
  void imagesOfAnotherShapeAreRefused() throws IOException {
    IntegerModel model = IntegerModel.read(networks().get(0).write(folder));
    try (IntegerInterpreter interpreter = new IntegerInterpreter(backend, model, 8)) {
      HostTensor wrong = HostTensor.filled(Shape.of(8, 3, 9, 10), 0);
      assertThrows(IllegalArgumentException.class, () -> interpreter.run(wrong));
    }
  }

  @Test
  void pixelsThatAreNoNumbersGiveTheCodesOfOnnxRuntime() throws IOException {
    float[] odd = {
      Float.NaN,
      Float.POSITIVE_INFINITY,
      Float.NEGATIVE_INFINITY,
      1e30f,
      -1e30f,
      -0f,
      Float.MIN_VALUE,
      Float.MAX_VALUE,
      -Float.MAX_VALUE
    };
    RandomIntegers net = RandomIntegers.residual(17, true);
    Path file = net.write(folder);
    ImageBatch batch = net.images(1, 8).get(0);
    for (int i = 0; i < batch.images().spec().bytes() / 4; i += 3) {
      batch.images().buffer().putFloat(4 * i, odd[i / 3 % odd.length]);
    }
    IntegerModel model = IntegerModel.read(file);
    try (IntegerInterpreter interpreter = new IntegerInterpreter(backend, model, 8)) {
      VerificationReport report =
          BitExactVerifier.of(file).verify(interpreter, null, List.of(batch).iterator());
      assertTrue(report.holds(), report::toString);
    }
  }
}
