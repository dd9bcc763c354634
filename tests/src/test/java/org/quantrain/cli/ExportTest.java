package org.quantrain.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.quantrain.Network;
import org.quantrain.QuantizedNetwork;
import org.quantrain.Quantrain;
import org.quantrain.data.Datasets;
import org.quantrain.export.ExportFormat;
import org.quantrain.integer.CodesTensor;
import org.quantrain.integer.IntegerModel;
import org.quantrain.integer.IntegerWeights;
import org.quantrain.quant.Calibrator;
import org.quantrain.quant.QuantPolicy;
import org.quantrain.quant.Target;
import org.quantrain.zoo.Zoo;

/** Integer models in the forms of other tools. */
class ExportTest {
  private static final ObjectMapper JSON = new ObjectMapper();

  @TempDir private static Path folder;
  private static Path w8a8;
  private static Path w4a4;
  private static Path signed;
  private static IntegerModel model;

  @BeforeAll
  static void quantize() throws Exception {
    QuantPolicy ort = QuantPolicy.forTarget(Target.ORT);
    try (Quantrain quantrain = Quantrain.open()) {
      w8a8 = write(quantrain, ort, "w8a8.onnx");
      w4a4 = write(quantrain, ort.weights(4).activations(4), "w4a4.onnx");
      signed = write(quantrain, QuantPolicy.forTarget(Target.TENSORRT), "signed.onnx");
    }
    model = IntegerModel.read(w8a8);
  }

  private static Path write(Quantrain quantrain, QuantPolicy policy, String name)
      throws Exception {
    Network network = quantrain.network(Zoo.build("resnet8", 1, 8, 8, 10, 1));
    QuantizedNetwork quantized = network.quantize(policy);
    quantized.calibrate(Datasets.load("digits?limit=40").train(), Calibrator.MINMAX);
    Path file = folder.resolve(name);
    quantized.export(file);
    return file;
  }

  private static Path export(Path file, String format) {
    Path out = folder.resolve(file.getFileName() + "." + format);
    Cli cli =
        Cli.run("export", file.toString(), "--format", format, "--out", out.toString(), "--json");
    assertEquals(0, cli.code(), cli.err());
    return out;
  }

  private static String floatName(String tensor) {
    return tensor.replaceFirst("\\.codes$", "");
  }

  @Test
  void rangesAreTheGridsOfTheFileToTheBit() throws Exception {
    for (Path file : List.of(w8a8, w4a4, signed)) {
      JsonNode json = JSON.readTree(export(file, "ranges").toFile());
      IntegerModel of = IntegerModel.read(file);
      assertEquals(of.codes().size(), json.get("activations").size());
      for (int i = 0; i < of.codes().size(); i++) {
        CodesTensor tensor = of.codes().get(i);
        JsonNode one = json.get("activations").get(i);
        assertEquals(floatName(tensor.name()), one.get("name").asText());
        assertEquals(tensor.bits(), one.get("bits").asInt());
        assertEquals(tensor.scale(), Float.parseFloat(one.get("scale").asText()));
        assertEquals(tensor.zeroPoint(), one.get("zeroPoint").asInt());
        assertEquals(file == signed, one.get("signed").asBoolean());
        int lowest = file == signed ? -128 : 0;
        assertEquals((float) tensor.real(lowest), Float.parseFloat(one.get("min").asText()));
        assertEquals((float) tensor.real(tensor.qmax()), Float.parseFloat(one.get("max").asText()));
      }
      assertEquals(of.weights().size(), json.get("weights").size());
      assertEquals(10, json.get("weights").get(of.weights().size() - 1).get("scale").size());
      assertTrue(json.get("metadata").has("quantrain.digest"));
    }
    JsonNode narrow = JSON.readTree(export(w4a4, "ranges").toFile());
    assertEquals(8, narrow.get("weights").get(0).get("bits").asInt());
    assertEquals(4, narrow.get("weights").get(1).get("bits").asInt());
  }

  /** Header and data of a safetensors file, by the format's own description. */
  private record Tensors(JsonNode header, ByteBuffer data) {
    static Tensors read(Path file) throws Exception {
      ByteBuffer all = ByteBuffer.wrap(Files.readAllBytes(file)).order(ByteOrder.LITTLE_ENDIAN);
      byte[] json = new byte[(int) all.getLong()];
      all.get(json);
      return new Tensors(JSON.readTree(json), all.slice().order(ByteOrder.LITTLE_ENDIAN));
    }

    ByteBuffer of(String name, String dtype, int... shape) {
      JsonNode entry = header.get(name);
      assertEquals(dtype, entry.get("dtype").asText());
      assertEquals(shape.length, entry.get("shape").size());
      for (int i = 0; i < shape.length; i++) {
        assertEquals(shape[i], entry.get("shape").get(i).asInt(), name);
      }
      int from = entry.get("data_offsets").get(0).asInt();
      int to = entry.get("data_offsets").get(1).asInt();
      return data.slice(from, to - from).order(ByteOrder.LITTLE_ENDIAN);
    }
  }

  @Test
  void safetensorsHoldTheWeightsInTheUsualOrder() throws Exception {
    Tensors tensors = Tensors.read(export(w8a8, "safetensors"));
    for (IntegerWeights w : model.weights()) {
      int[] dims = w.codes().shape().dims();
      ByteBuffer codes = tensors.of(w.layer() + ".weight", "I8", dims);
      int[] inMemory = w.codes().codes();
      if (dims.length == 4) {
        for (int k = 0; k < dims[0]; k++) {
          for (int c = 0; c < dims[1]; c++) {
            for (int r = 0; r < dims[2]; r++) {
              for (int s = 0; s < dims[3]; s++) {
                int memory = ((k * dims[2] + r) * dims[3] + s) * dims[1] + c;
                int row = ((k * dims[1] + c) * dims[2] + r) * dims[3] + s;
                assertEquals(inMemory[memory], codes.get(row));
              }
            }
          }
        }
      }
      ByteBuffer bias = tensors.of(w.layer() + ".bias", "I32", dims[0]);
      assertEquals(w.bias().ints()[dims[0] - 1], bias.getInt(4 * (dims[0] - 1)));
      ByteBuffer scale = tensors.of(w.layer() + ".weight_scale", "F32", dims[0]);
      assertEquals(w.scale().floats()[0], scale.getFloat(0));
    }
    for (CodesTensor t : model.codes()) {
      String name = floatName(t.name());
      assertEquals(t.scale(), tensors.of(name + ".scale", "F32", 1).getFloat(0));
      assertEquals(t.zeroPoint(), tensors.of(name + ".zero_point", "I32", 1).getInt(0));
      assertEquals("8", tensors.header().get("__metadata__").get("bits." + name).asText());
    }
  }

  @Test
  void theCalibrationCacheOfTensorRtHasTheLargestMagnitudes() throws Exception {
    List<String> lines = Files.readAllLines(export(w8a8, "tensorrt-cache"));
    assertTrue(lines.get(0).startsWith("TRT-"), lines.get(0));
    Map<String, Float> scales = new HashMap<>();
    for (String line : lines.subList(1, lines.size())) {
      int colon = line.lastIndexOf(": ");
      int bits = Integer.parseUnsignedInt(line.substring(colon + 2), 16);
      scales.put(line.substring(0, colon), Float.intBitsToFloat(bits));
    }
    assertEquals(model.codes().size(), scales.size());
    for (CodesTensor t : model.codes()) {
      double largest = Math.max(Math.abs(t.real(0)), Math.abs(t.real(255)));
      assertEquals(largest / 127, scales.get(floatName(t.name())), 1e-6 * largest);
    }
    Cli narrow = Cli.run("export", w4a4.toString(), "--format=tensorrt-cache");
    assertEquals(1, narrow.code());
    assertTrue(narrow.err().contains("8 only"), narrow.err());
  }

  @Test
  void encodingsOfSnpeMapCodesToTheSameNumbers() throws Exception {
    JsonNode json = JSON.readTree(export(w4a4, "snpe-encodings").toFile());
    IntegerModel of = IntegerModel.read(w4a4);
    encodesActivations(of, json, 0);
    JsonNode ofSigned = JSON.readTree(export(signed, "snpe-encodings").toFile());
    encodesActivations(IntegerModel.read(signed), ofSigned, -128);
    for (IntegerWeights w : of.weights()) {
      JsonNode channels = json.get("param_encodings").get(w.name());
      assertEquals(w.codes().shape().dim(0), channels.size());
      assertEquals("True", channels.get(0).get("is_symmetric").asText());
      assertEquals(-(1 << w.bits() - 1), channels.get(0).get("offset").asInt());
    }
  }

  private static void encodesActivations(IntegerModel of, JsonNode json, int lowest) {
    for (CodesTensor t : of.codes()) {
      JsonNode one = json.get("activation_encodings").get(floatName(t.name())).get(0);
      assertEquals(t.bits(), one.get("bitwidth").asInt());
      float scale = Float.parseFloat(one.get("scale").asText());
      assertEquals((float) t.real(lowest + 3), scale * (3 + one.get("offset").asInt()));
      assertEquals((float) t.real(lowest), Float.parseFloat(one.get("min").asText()));
    }
  }

  @Test
  void theQdqFileIsItself() throws Exception {
    assertArrayEquals(Files.readAllBytes(w8a8), Files.readAllBytes(export(w8a8, "onnx-qdq")));
    Cli same = Cli.run("export", w8a8.toString(), "--format=onnx-qdq", "--out", w8a8.toString());
    assertEquals(2, same.code());
    assertTrue(same.err().contains("the model itself"), same.err());
  }

  @Test
  void whatCannotBeExportedIsRefused() throws Exception {
    Path out = folder.resolve("none");
    Cli format = Cli.run("export", w8a8.toString(), "--format=range", "--out", out.toString());
    assertEquals(2, format.code());
    assertTrue(format.err().contains("did you mean 'ranges'"), format.err());
    Path text = Files.writeString(folder.resolve("text.onnx"), "DequantizeLinear, but no model");
    Cli broken = Cli.run("export", text.toString(), "--format=ranges", "--out", out.toString());
    assertEquals(1, broken.code());
    assertTrue(broken.err().contains("text.onnx"), broken.err());
    Path plain = Files.writeString(folder.resolve("plain.onnx"), "nothing");
    Cli real = Cli.run("export", plain.toString(), "--format=ranges", "--out", out.toString());
    assertTrue(real.err().contains("a float model"), real.err());
    assertFalse(Files.exists(out));
  }

  @Test
  void everyFormatIsInTheHelp() {
    String help = Cli.run("export", "--help").out();
    for (ExportFormat format : ExportFormat.all()) {
      assertTrue(help.contains("  " + format.id() + "  "), format.id());
    }
  }
}
