package org.quantrain.onnx;

import java.nio.file.Path;
import java.util.Map;
import org.quantrain.graph.GraphException;
import org.quantrain.graph.Model;
import org.quantrain.tensor.TensorSpec;

/**
 * Reads float networks from ONNX files, operator sets 7 to 21.
 *
 * <p>Nodes and values are named as the tensors in the file, parameters as its initializers. The
 * batch size is free, whether the file fixes it or not. Batch norm comes out in training mode.
 * Images come channels-last. Subgraphs that compute shapes are gone; layers that a file writes as
 * several nodes (layer normalization, GELU, SiLU, hard swish) are one.
 *
 * <p>Float initializers are parameters where a layer reads them as weights (Conv, ConvTranspose,
 * Gemm, MatMul, BatchNormalization, LayerNormalization, PRelu, the table of a Gather) or where they
 * are added, multiplied, joined or repeated; other constants are state or folded. Reals of 16 bits
 * become float32, integers int32.
 *
 * <p>A file may keep tensors in other files of its folder.
 */
public final class OnnxReader {
  private OnnxReader() {}

  /**
   * @throws OnnxException if the file cannot be read, is not sound, or holds what Quantrain does
   *     not train; operators that are not supported are named all at once
   */
  public static Model read(Path file) throws OnnxException {
    return read(file, Map.of());
  }

  /**
   * Reads a file that leaves more than the batch size free.
   *
   * @param sizes of dimensions by the name that the file gives them: {@code
   *     Map.of("sequence_length", 128)}
   * @throws OnnxException as above
   */
  public static Model read(Path file, Map<String, Integer> sizes) throws OnnxException {
    String name = file.getFileName().toString().replaceFirst("\\.onnx$", "");
    return read(OnnxFile.read(file), name, sizes);
  }

  /**
   * Reads a file's bytes.
   *
   * @param name of the model, where the file has none from Quantrain; and what messages say
   */
  public static Model read(String name, byte[] bytes) throws OnnxException {
    return read(OnnxFile.parse(name, bytes), name, Map.of());
  }

  /**
   * Reads the float operations between the integer layers of a quantized file, on their own.
   *
   * @param part inputs, nodes, constants and the outputs that matter
   * @param inputs what the part's inputs are
   * @throws IllegalArgumentException or GraphException as the other methods' OnnxException
   */
  public static Model readPart(OnnxFile part, Map<String, TensorSpec> inputs) {
    return new FloatModelReader(part, part.graphName(), Map.of(), inputs).read();
  }

  private static Model read(OnnxFile file, String name, Map<String, Integer> sizes)
      throws OnnxException {
    boolean ours = file.producer().equals(OnnxWriter.PRODUCER) && !file.graphName().isEmpty();
    try {
      return new FloatModelReader(file, ours ? file.graphName() : name, sizes, Map.of()).read();
    } catch (GraphException | IllegalArgumentException e) {
      throw new OnnxException(file.where(), e.getMessage(), e);
    }
  }
}
