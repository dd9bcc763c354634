package org.quantrain.onnx;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.onnx.proto.OnnxMl.StringStringEntryProto;
import ai.onnx.proto.OnnxMl.TensorProto;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.quantrain.graph.Model;

/** Weights in files beside the model: read from its folder, and from nowhere else. */
class ExternalDataTest {
  @TempDir Path folder;

  /** A linear layer of two weights that lie where the pairs of key and value say. */
  private Path model(String... entries) throws IOException {
    Foreign f = new Foreign().input(-1, 2);
    TensorProto.Builder w =
        f.graph
            .addInitializerBuilder()
            .setName("w")
            .setDataType(1)
            .addDims(2)
            .addDims(1)
            .setDataLocation(TensorProto.DataLocation.EXTERNAL);
    for (int i = 0; i < entries.length; i += 2) {
      w.addExternalData(
          StringStringEntryProto.newBuilder().setKey(entries[i]).setValue(entries[i + 1]));
    }
    f.node("MatMul", "x w", "y");
    Path models = Files.createDirectories(folder.resolve("models"));
    return Files.write(models.resolve("model.onnx"), f.output("y").bytes());
  }

  private Path write(String name, float... values) throws IOException {
    ByteBuffer bytes = ByteBuffer.allocate(4 * values.length).order(ByteOrder.LITTLE_ENDIAN);
    bytes.asFloatBuffer().put(values);
    Path file = folder.resolve(name);
    Files.createDirectories(file.getParent());
    return Files.write(file, bytes.array());
  }

  private static void assertWeights(Model model, float... expected) {
    assertArrayEquals(expected, model.contents().get("w").floats());
  }

  private void refused(Path file, String... words) {
    String message = assertThrows(OnnxException.class, () -> OnnxReader.read(file)).getMessage();
    for (String word : words) {
      assertTrue(message.contains(word), message);
    }
  }

  @Test
  void weightsAreReadFromTheirPlaceInTheFile() throws IOException {
    write("models/sub/weights.bin", 1, 2, 3, 4);
    Path file = model("location", "sub/weights.bin", "offset", "4", "length", "8");
    assertWeights(OnnxReader.read(file), 2, 3);
  }

  @Test
  void withoutOffsetAndLengthTheFileIsReadFromItsStart() throws IOException {
    write("models/weights.bin", 5, 6);
    assertWeights(OnnxReader.read(model("location", "weights.bin")), 5, 6);
  }

  @Test
  void aLinkInsideTheFolderIsFollowed() throws IOException {
    Path target = write("models/blobs/abc", 7, 8);
    Files.createSymbolicLink(folder.resolve("models/weights.bin"), target);
    assertWeights(OnnxReader.read(model("location", "weights.bin")), 7, 8);
  }

  @Test
  void nothingOutsideTheModelsFolderIsRead() throws IOException {
    Path secret = write("secret.bin", 1, 2);
    Files.createDirectories(folder.resolve("models"));
    Files.createSymbolicLink(folder.resolve("models/link.bin"), secret);
    Files.createSymbolicLink(folder.resolve("models/up"), folder);
    refused(model("location", "../secret.bin"), "not a plain path below");
    refused(model("location", "up/../../secret.bin"), "not a plain path below");
    refused(model("location", secret.toString()), "not a plain path below");
    refused(model("location", "link.bin"), "link out of the model's folder");
    refused(model("location", "up/secret.bin"), "link out of the model's folder");
  }

  @Test
  void whatIsNoFileIsRefused() throws IOException {
    Files.createDirectories(folder.resolve("models/sub"));
    refused(model("location", "sub"), "initializer \"w\"", "not a regular file");
    refused(model("location", "nowhere"), "is not there");
    refused(model("location", ""), "not a plain path");
    refused(model(), "not a plain path");
    refused(model("location", "a\0b"), "is not a path");
  }

  @Test
  void moreThanTheFileHasIsRefused() throws IOException {
    write("models/weights.bin", 1, 2);
    String[][] wrong = {
      {"1", "8"}, {"0", "9"}, {"0", "4"}, {"-1", "8"}, {"0", "x"}, {"9223372036854775807", "8"}
    };
    for (String[] w : wrong) {
      refused(
          model("location", "weights.bin", "offset", w[0], "length", w[1]), "initializer \"w\"");
    }
  }

  @Test
  void aModelWithoutAFileHasNothingBesideIt() throws IOException {
    byte[] bytes = Files.readAllBytes(model("location", "weights.bin"));
    Foreign.refused(bytes, "initializer \"w\" lies in an external file");
  }
}
