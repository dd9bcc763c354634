package org.quantrain.export;

import java.io.IOException;
import java.nio.file.Path;
import org.quantrain.integer.IntegerModel;
import org.quantrain.onnx.OnnxFile;
import org.quantrain.onnx.QOperatorForm;
import org.quantrain.tflite.TfliteFile;

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

  /**
   * The file where it is ONNX in QDQ form.
   *
   * @throws IOException if it is another
   */
  byte[] qdq() throws IOException {
    boolean qdq =
        !TfliteFile.isTflite(onnx) && !QOperatorForm.isOne(OnnxFile.parse(model.where(), onnx));
    if (!qdq) {
      throw new IOException(
          model.where()
              + ": not ONNX with QuantizeLinear and DequantizeLinear, which this format is made"
              + " of");
    }
    return onnx;
  }

  /** The name that a tensor of codes has in the float network that it comes from. */
  static String floatName(String tensor) {
    return tensor.endsWith(CODES) ? tensor.substring(0, tensor.length() - CODES.length()) : tensor;
  }
}
