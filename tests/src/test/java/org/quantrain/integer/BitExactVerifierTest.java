package org.quantrain.integer;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.quantrain.backend.cpu.CpuBackend;
import org.quantrain.runtime.Backend;
import org.quantrain.tensor.HostTensor;
import org.quantrain.tensor.Shape;

class BitExactVerifierTest {
  @TempDir Path folder;

  private static RandomIntegers network(String kind, long seed, boolean powersOfTwo) {
    return switch (kind) {
      case "residual" -> RandomIntegers.residual(seed, powersOfTwo);
      case "varied" -> RandomIntegers.varied(seed, powersOfTwo);
      case "averaging" -> RandomIntegers.averaging(seed, powersOfTwo);
      default -> RandomIntegers.narrow(seed, powersOfTwo);
    };
  }

  @ParameterizedTest(name = "{0}, seed {1}, ties {2}")
  @CsvSource({
    "residual, 1, false", "residual, 2, true",
    "varied, 3, false", "varied, 4, true",
    "narrow, 5, false", "narrow, 6, true",
    "averaging, 1, false", "averaging, 2, true", "averaging, 3, false", "averaging, 4, true",
    "averaging, 5, false", "averaging, 6, true", "averaging, 7, false", "averaging, 8, true",
    "averaging, 9, false", "averaging, 10, true", "averaging, 11, false", "averaging, 12, true"
  })
  void onnxRuntimeComputesTheCodesOfPlainJava(String kind, long seed, boolean powersOfTwo)
      throws IOException {
    RandomIntegers net = network(kind, seed, powersOfTwo);
    Path file = net.write(folder);
    IntegerModel model = IntegerModel.read(file);
    VerificationReport report =
        BitExactVerifier.of(file)
            .verify(
                new PlainJavaCodes(model), new PlainJavaCodes(model), net.images(3, 8).iterator());
    assertTrue(report.holds(), report::toString);
    assertEquals(21, report.images());
    for (Claim claim : report.claims()) {
      assertEquals(0, claim.differing() + claim.logitsDiffering());
      assertTrue(claim.compared() > 10_000);
    }
    assertSpread(model, net);
  }

  /** Codes that are all 0 or all 255 would prove little. */
  private static void assertSpread(IntegerModel model, RandomIntegers net) {
    CodesBatch codes = new PlainJavaCodes(model).run(net.images(1, 8).get(0).images());
    codes
        .codes()
        .forEach(
            (name, tensor) -> {
              long distinct = java.util.Arrays.stream(tensor.codes()).distinct().count();
              assertTrue(distinct > 2, name + " has only " + distinct + " different codes");
            });
  }

  @Test
  void theFirstDifferenceIsLocated() throws IOException {
    RandomIntegers net = RandomIntegers.residual(7, false);
    Path file = net.write(folder);
    IntegerModel model = IntegerModel.read(file);
    // Image 9 is row 1 of the second batch; c = 2, h = 3, w = 5 of 8 x 9 x 11.
    CodesSource wrong = flipping(model, "one.codes", 1, 1, (3 * 11 + 5) * 8 + 2);
    VerificationReport report =
        BitExactVerifier.of(file)
            .verify(new PlainJavaCodes(model), wrong, net.images(3, 8).iterator());
    Claim v2 = report.claims().get(0);
    Claim v3 = report.claims().get(1);
    assertTrue(v2.holds());
    assertFalse(v3.holds());
    assertFalse(report.holds());
    assertEquals(1, v3.differing());
    Difference first = v3.first();
    assertNotNull(first);
    assertEquals("one.codes", first.tensor());
    assertEquals(9, first.image());
    assertEquals(List.of(2, 3, 5), first.coordinates());
    assertEquals((2 * 9 + 3) * 11 + 5, first.element());
    assertEquals(first.subjectCode() ^ 1, first.againstCode());
    assertEquals(1, v3.tensors().stream().filter(t -> t.differing() > 0).count(), v3::toString);
    assertTrue(v3.toString().startsWith("V3 = 1 of "), v3::toString);
  }

  @Test
  void anInterpreterOfOtherWeightsIsFoundOut() throws IOException {
    RandomIntegers net = RandomIntegers.residual(7, false);
    Path file = net.write(folder);
    BitExactVerifier verifier = BitExactVerifier.of(file);
    net.replace("two.fold:3", HostTensor.of(Shape.of(8), 0, 0, 90_000, 0, 0, 0, 0, 0));
    IntegerModel wrong = IntegerModel.read(net.write(folder));
    VerificationReport report =
        verifier.verify(new PlainJavaCodes(wrong), null, net.images(2, 8).iterator());
    Claim v2 = report.claims().get(0);
    assertFalse(v2.holds());
    assertEquals("two.codes", v2.first().tensor());
    assertEquals(0, v2.first().image());
    for (TensorCount count : v2.tensors()) {
      boolean before = List.of("input.codes", "stem.codes", "one.codes").contains(count.tensor());
      assertEquals(before, count.differing() == 0, count::toString);
    }
  }

  @Test
  void aWeightCodeThatDiffersFromTrainingIsFoundEvenWhereNoActivationChanges() throws IOException {
    RandomIntegers net = RandomIntegers.residual(7, false);
    Path file = net.write(folder);
    IntegerModel model = IntegerModel.read(file);
    IntegerWeights w = model.weights().get(1);
    byte[] codes = w.codes().bytes();
    codes[5] ^= 1;
    Map<String, HostTensor> trained =
        Map.of(w.layer(), HostTensor.ofBytes(w.codes().spec(), codes));
    CodesSource right = new PlainJavaCodes(model);
    CodesSource training =
        new CodesSource() {
          @Override
          public String description() {
            return "training";
          }

          @Override
          public CodesBatch run(HostTensor images) {
            return right.run(images);
          }

          @Override
          public Map<String, HostTensor> weights() {
            return trained;
          }

          @Override
          public void close() {
            right.close();
          }
        };
    VerificationReport report =
        BitExactVerifier.of(file)
            .verify(new PlainJavaCodes(model), training, net.images(2, 8).iterator());
    Claim v3 = report.claims().get(1);
    assertFalse(v3.holds());
    assertEquals(1, v3.differing());
    assertEquals(w.layer(), v3.first().layer());
    assertEquals(w.name(), v3.first().tensor());
    assertEquals(Difference.NO_IMAGE, v3.first().image());
    assertEquals(w.codes().codes()[5], v3.first().subjectCode());
  }

  /** A source that has one code wrong, in one batch. */
  private static CodesSource flipping(
      IntegerModel model, String tensor, int batch, int row, int element) {
    return new CodesSource() {
      private final CodesSource right = new PlainJavaCodes(model);
      private int batches;

      @Override
      public String description() {
        return "broken";
      }

      @Override
      public CodesBatch run(HostTensor images) {
        CodesBatch result = right.run(images);
        if (batches++ != batch) {
          return result;
        }
        Map<String, HostTensor> codes = new HashMap<>(result.codes());
        HostTensor changed = codes.get(tensor).copy();
        int at = row * (int) changed.shape().elementsPerSample() + element;
        changed.buffer().put(at, (byte) (changed.buffer().get(at) ^ 1));
        codes.put(tensor, changed);
        return new CodesBatch(codes, result.logits());
      }

      @Override
      public void close() {}
    };
  }

  @Test
  void sumsAndSaturationOfEveryLayerAreInTheReport() throws IOException {
    RandomIntegers net = RandomIntegers.varied(19, false);
    Path file = net.write(folder);
    IntegerModel model = IntegerModel.read(file);
    List<ImageBatch> images = net.images(1, 8);
    ImageBatch whole = new ImageBatch(images.get(0).images(), 8, images.get(0).labels());
    try (Backend backend = CpuBackend.open()) {
      for (boolean fast : new boolean[] {false, true}) {
        try (IntegerInterpreter interpreter =
            fast
                ? IntegerInterpreter.fast(backend, model, 8)
                : new IntegerInterpreter(backend, model, 8)) {
          VerificationReport report =
              BitExactVerifier.of(file).verify(interpreter, null, List.of(whole).iterator());
          PlainJavaCodes plain = new PlainJavaCodes(model);
          CodesBatch codes = plain.run(whole.images());
          List<String> tensors =
              model.layers().stream()
                  .map(IntegerLayer::name)
                  .filter(plain.largestSums()::containsKey)
                  .toList();
          assertEquals(model.weights().size(), report.headroom().size());
          for (int i = 0; i < report.headroom().size(); i++) {
            LayerHeadroom layer = report.headroom().get(i);
            IntegerWeights w = model.weights().get(i);
            assertEquals(w.layer(), layer.layer());
            assertEquals(plain.largestSums().get(tensors.get(i)), layer.largestSum());
            assertTrue(layer.largestSum() <= layer.bound(), layer::toString);
            assertTrue(layer.bound() < 1L << 31, layer::toString);
          }
          LayerHeadroom stem = report.headroom().get(0);
          CodesTensor y = model.codes().get(1);
          int[] expected = codes.codes().get(y.name()).codes();
          assertEquals(expected.length, stem.codes());
          assertEquals(
              Arrays.stream(expected).filter(q -> q == y.qmax()).count(), stem.saturated());
          assertTrue(report.toString().contains("bits below an overflow"), report::toString);
        }
      }
    }
  }

  @Test
  void aProcessThatTakesTooLongIsEnded() throws IOException {
    RandomIntegers net = RandomIntegers.residual(8, false);
    Path file = net.write(folder);
    CodesSource source = new PlainJavaCodes(IntegerModel.read(file));
    BitExactVerifier impatient = BitExactVerifier.of(file).withTimeLimit(Duration.ofMillis(1));
    Iterator<ImageBatch> images = net.images(2, 8).iterator();
    IOException e = assertThrows(IOException.class, () -> impatient.verify(source, null, images));
    assertTrue(e.getMessage().contains("time limit"), e.getMessage());
  }

  @Test
  void aProcessThatDiesIsReported() throws IOException {
    RandomIntegers net = RandomIntegers.residual(8, false);
    Path file = net.write(folder);
    CodesSource source = new PlainJavaCodes(IntegerModel.read(file));
    BitExactVerifier starved = BitExactVerifier.of(file).withHeapMegabytes(1);
    Iterator<ImageBatch> images = net.images(2, 8).iterator();
    IOException e = assertThrows(IOException.class, () -> starved.verify(source, null, images));
    assertTrue(e.getMessage().contains("ONNX Runtime"), e.getMessage());
    assertFalse(e.getMessage().contains("\n"), e.getMessage());
  }

  @Test
  void noImagesAreNoProof() throws IOException {
    Path file = RandomIntegers.residual(8, false).write(folder);
    CodesSource source = new PlainJavaCodes(IntegerModel.read(file));
    Iterator<ImageBatch> none =
        new Iterator<>() {
          @Override
          public boolean hasNext() {
            return false;
          }

          @Override
          public ImageBatch next() {
            throw new NoSuchElementException();
          }
        };
    assertThrows(
        IllegalArgumentException.class, () -> BitExactVerifier.of(file).verify(source, null, none));
  }
}
