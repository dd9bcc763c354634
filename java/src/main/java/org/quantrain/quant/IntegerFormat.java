package org.quantrain.quant;

import java.util.Arrays;
import java.util.Locale;
import java.util.stream.Collectors;

/** The form of an integer model in its file. */
public enum IntegerFormat {
  /** ONNX with QuantizeLinear and DequantizeLinear around float operators. */
  ONNX_QDQ(".onnx"),
  /** ONNX with integer operators: QLinearConv and its like, some of them ONNX Runtime's own. */
  ONNX_QOPERATOR(".onnx"),
  /**
   * ONNX as the compilers of accelerators read it: signed codes, everything between QuantizeLinear
   * and DequantizeLinear, ReLU as an operator, float biases.
   */
  ONNX_COMPILER(".onnx"),
  /** TensorFlow Lite with int8 operators; input and output are codes. */
  TFLITE(".tflite"),
  /** The same with float32 input and output. */
  TFLITE_FLOATS(".tflite");

  private final String suffix;

  IntegerFormat(String suffix) {
    this.suffix = suffix;
  }

  /** The name users write. */
  public String id() {
    return name().toLowerCase(Locale.ROOT).replace('_', '-');
  }

  /** Order of an image's dimensions in the file. */
  public String layout() {
    return this == TFLITE || this == TFLITE_FLOATS ? "NHWC" : "NCHW";
  }

  /** End of a file's name, with the dot. */
  public String suffix() {
    return suffix;
  }

  /**
   * @throws IllegalArgumentException naming the formats there are
   */
  public static IntegerFormat of(String id) {
    return Arrays.stream(values())
        .filter(f -> f.id().equals(id))
        .findFirst()
        .orElseThrow(
            () ->
                new IllegalArgumentException(
                    "unknown format '"
                        + id
                        + "'; formats are: "
                        + Arrays.stream(values())
                            .map(IntegerFormat::id)
                            .collect(Collectors.joining(", "))));
  }
}
