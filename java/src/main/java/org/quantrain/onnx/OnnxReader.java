package org.quantrain.onnx;

import java.nio.file.Path;
import org.quantrain.graph.GraphException;
import org.quantrain.graph.Model;

/**
 * Reads float networks from ONNX files.
 *
 * <p>Nodes and values are named as the tensors in the file, parameters as its initializers. The
 * batch size is free, whether the file fixes it or not. Batch norm comes out in training mode.
 *
 * <p>Operators: Conv (2-D), BatchNormalization, Relu, Clip from 0, Add, MaxPool, AveragePool,
 * GlobalAveragePool, Flatten and Reshape to [N,-1], Gemm, MatMul with constant weights (and Add of
 * a constant bias), Identity, Constant, Dropout, Pad by nothing.
 */
public final class OnnxReader {
  private OnnxReader() {}

  /**
   * @throws OnnxException if the file cannot be read, is not sound, or holds what Quantrain does
   *     not train; operators that are not supported are named all at once
   */
  public static Model read(Path file) throws OnnxException {
    String name = file.getFileName().toString().replaceFirst("\\.onnx$", "");
    return read(OnnxFile.read(file), name);
  }

  /**
   * Reads a file's bytes.
   *
   * @param name of the model, where the file has none from Quantrain; and what messages say
   */
  public static Model read(String name, byte[] bytes) throws OnnxException {
    return read(OnnxFile.parse(name, bytes), name);
  }

  private static Model read(OnnxFile file, String name) throws OnnxException {
    boolean ours = file.producer().equals(OnnxWriter.PRODUCER) && !file.graphName().isEmpty();
    try {
      return new FloatModelReader(file, ours ? file.graphName() : name).read();
    } catch (GraphException | IllegalArgumentException e) {
      throw new OnnxException(file.where(), e.getMessage(), e);
    }
  }
}
