package org.quantrain;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.onnx.proto.OnnxMl.ModelProto;
import ai.onnx.proto.OnnxMl.TensorProto;
import com.google.protobuf.ByteString;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.quantrain.data.DataSource;
import org.quantrain.integer.IntegerModel;
import org.quantrain.integer.VerificationReport;
import org.quantrain.onnx.OnnxException;
import org.quantrain.quant.Calibrator;
import org.quantrain.quant.QuantPolicy;
import org.quantrain.quant.Target;
import org.quantrain.testkit.Networks;
import org.quantrain.train.Recipe;

/** A shortcut of slices and padding, from the float file to the proven integer file. */
class SubsampledShortcutTest {
  /** Waves of as many lengths as there are classes, around zero. */
  private record Waves(int size) implements DataSource {
    @Override
    public String name() {
      return "waves";
    }

    @Override
    public int height() {
      return 8;
    }

    @Override
    public int width() {
      return 8;
    }

    @Override
    public int channels() {
      return 2;
    }

    @Override
    public List<String> classNames() {
      return List.of("1", "2", "3", "4", "5");
    }

    @Override
    public int label(int index) {
      return index % Networks.CLASSES;
    }

    @Override
    public void read(int index, float[] pixels, int offset) {
      for (int i = 0; i < 128; i++) {
        double phase = (i / 2 % 8) * (1 + label(index)) + i / 16 + 0.7 * index + i % 2;
        pixels[offset + i] = (float) StrictMath.sin(phase);
      }
    }
  }

  private static final DataSource IMAGES = new Waves(130);

  @TempDir private Path folder;
  private static Quantrain quantrain;

  @BeforeAll
  static void open() {
    quantrain = Quantrain.open();
  }

  @AfterAll
  static void close() {
    quantrain.close();
  }

  private Path exported(QuantizedNetwork quantized) throws Exception {
    Path file = folder.resolve("integer.onnx");
    quantized.export(file);
    return file;
  }

  private static QuantizedNetwork quantized(QuantPolicy policy) {
    return quantrain.network(Networks.subsampledShortcut()).quantize(policy);
  }

  @Test
  void aFloatFileKeepsTheShortcut() throws Exception {
    Network network = quantrain.network(Networks.subsampledShortcut());
    Path file = folder.resolve("float.onnx");
    network.export(file, Map.of());
    assertEquals(network.evaluate(IMAGES), quantrain.load(file).evaluate(IMAGES));
  }

  @Test
  void itsCodesAreThoseOfOnnxRuntimeWithAndWithoutTraining() throws Exception {
    QuantPolicy ort = QuantPolicy.forTarget(Target.ORT);
    for (QuantPolicy policy : List.of(ort, ort.weights(4).activations(4))) {
      QuantizedNetwork calibrated = quantized(policy);
      calibrated.calibrate(IMAGES, Calibrator.MINMAX);
      QuantizedNetwork trained = quantized(policy);
      trained.train(IMAGES, Recipe.defaults().epochs(0, 2).batch(16));
      for (QuantizedNetwork network : List.of(calibrated, trained)) {
        Path file = exported(network);
        VerificationReport report = network.verify(file, IMAGES);
        assertTrue(report.holds(), report.toString());
        assertEquals(2, report.claims().size());
      }
    }
  }

  private interface Edit {
    void apply(TensorProto.Builder tensor);
  }

  private void refuses(String constant, Edit edit, String words) throws Exception {
    QuantizedNetwork network = quantized(QuantPolicy.forTarget(Target.ORT));
    network.calibrate(IMAGES, Calibrator.MINMAX);
    Path file = exported(network);
    ModelProto.Builder model = ModelProto.parseFrom(Files.readAllBytes(file)).toBuilder();
    for (TensorProto.Builder t : model.getGraphBuilder().getInitializerBuilderList()) {
      if (t.getName().equals(constant)) {
        edit.apply(t);
      }
    }
    Files.write(file, model.build().toByteArray());
    OnnxException e = assertThrows(OnnxException.class, () -> IntegerModel.read(file));
    assertTrue(e.getMessage().contains(words), e.getMessage());
  }

  private static void set(TensorProto.Builder tensor, long... values) {
    ByteBuffer raw = ByteBuffer.allocate(8 * values.length).order(ByteOrder.LITTLE_ENDIAN);
    for (long value : values) {
      raw.putLong(value);
    }
    tensor.setRawData(ByteString.copyFrom(raw.flip()));
  }

  @Test
  void whatIsNoSliceOrPaddingOfTheseCodesIsRefused() throws Exception {
    refuses("rows.codes.starts", t -> set(t, 9), "start 9");
    refuses("rows.codes.steps", t -> set(t, 0), "step 0");
    refuses("rows.codes.steps", t -> set(t, Long.MIN_VALUE), "step");
    refuses("rows.codes.axes", t -> set(t, 4), "axis 4");
    refuses("rows.codes.axes", t -> set(t, 0), "axis 0");
    refuses("channels.codes.pads", t -> set(t, 0, -1, 0, 0, 0, 2, 0, 0), "pad -1");
    refuses("channels.codes.pads", t -> set(t, 0, 1L << 40, 0, 0, 0, 2, 0, 0), "pad 1099511627776");
    refuses("channels.codes.pads", t -> set(t, 1, 2, 0, 0, 0, 2, 0, 0), "batch");
  }
}
