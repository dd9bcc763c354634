package org.quantrain.cli;

import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;
import org.quantrain.data.Preprocessing;
import org.quantrain.integer.IntegerModel;
import org.quantrain.onnx.OnnxFile;
import org.quantrain.tflite.TfliteFile;

/** A model's file that a command was given. */
final class ModelFile {
  private static final byte[] MARK = "uantizeLinear".getBytes(StandardCharsets.US_ASCII);

  private static final int TFLITE_HEAD = 8;
  private static final int PIECE = 1 << 16;

  private ModelFile() {}

  /**
   * What the file says about the images that the model was made of.
   *
   * @throws IOException also if the file cannot be read
   */
  static Optional<Preprocessing> preprocessing(Path file) throws IOException {
    Map<String, String> metadata =
        isQuantized(file) ? IntegerModel.read(file).metadata() : OnnxFile.read(file).metadata();
    return Preprocessing.read(file.toString(), metadata);
  }

  /**
   * Whether the file has quantized values: a QuantizeLinear or DequantizeLinear. Names of operators
   * stand in a file as they are, so it need not be parsed for that; whoever reads it finds out what
   * is wrong with it.
   */
  static boolean isQuantized(Path file) throws IOException {
    if (!Files.isRegularFile(file)) {
      throw new FailureException(
          file + (Files.exists(file) ? ": not a file" : ": no such file or run"));
    }
    try (InputStream in = new BufferedInputStream(Files.newInputStream(file), PIECE)) {
      in.mark(TFLITE_HEAD);
      if (TfliteFile.isTflite(in.readNBytes(TFLITE_HEAD))) {
        return true; // those with floats are not read by anything here
      }
      in.reset();
      int matched = 0; // MARK's first letter does not come again in it
      byte[] piece = new byte[PIECE];
      for (int length = in.read(piece); length >= 0; length = in.read(piece)) {
        for (int i = 0; i < length; i++) {
          byte b = piece[i];
          matched = b == MARK[matched] ? matched + 1 : b == MARK[0] ? 1 : 0;
          if (matched == MARK.length) {
            return true;
          }
        }
      }
      return false;
    }
  }
}
