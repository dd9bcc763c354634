package org.quantrain.export;

import java.io.IOException;
import java.nio.file.Path;
import org.quantrain.integer.IntegerModel;
import org.quantrain.onnx.OnnxFile;

/**
 * A quantized file: what is exported is what it holds, nothing is computed anew.
 *
 * @param onnx its bytes; not to be changed
 */
public record DeployedModel(IntegerModel model, byte[] onnx) {
  private static final String CODES = ".codes";

  /**
   * @throws IOException if it cannot be read, or is no quantized file of Quantrain
   */
  public static DeployedModel read(Path file) throws IOException {
    byte[] bytes = OnnxFile.readBytes(file);
    String where = file.toAbsolutePath().normalize().toString();
    return new DeployedModel(IntegerModel.read(where, bytes), bytes);
  }

  /** The name that a tensor of codes has in the float network that it comes from. */
  static String floatName(String tensor) {
    return tensor.endsWith(CODES) ? tensor.substring(0, tensor.length() - CODES.length()) : tensor;
  }
}
