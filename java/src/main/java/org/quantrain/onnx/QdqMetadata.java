package org.quantrain.onnx;

/** Keys of what a quantized file says about itself. */
public final class QdqMetadata {
  /** Version of Quantrain that wrote the file. */
  public static final String VERSION = "quantrain.version";

  /** The runtime that the integers are meant for. */
  public static final String TARGET = "quantrain.target";

  /** How the scales were found. */
  public static final String QUANTIZER = "quantrain.quantizer";

  /** The rule by which accumulators become codes. */
  public static final String CONTRACT = "quantrain.contract";

  /** Hash of what was exported: the float model or checkpoint. */
  public static final String SOURCE = "quantrain.source";

  /** Order of an image's dimensions: NCHW or NHWC. */
  public static final String LAYOUT = "quantrain.input.layout";

  /** Set by the writer: {@link OnnxFile#digest()} of the file. */
  public static final String DIGEST = "quantrain.digest";

  private QdqMetadata() {}

  /** Of the library that runs. */
  public static String currentVersion() {
    String version = QdqMetadata.class.getPackage().getImplementationVersion();
    return version == null ? "development" : version;
  }
}
