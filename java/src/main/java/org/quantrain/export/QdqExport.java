package org.quantrain.export;

/** The quantized ONNX file itself. */
final class QdqExport implements ExportFormat {
  @Override
  public String id() {
    return "onnx-qdq";
  }

  @Override
  public String description() {
    return "ONNX with QuantizeLinear and DequantizeLinear, for ONNX Runtime";
  }

  @Override
  public String extension() {
    return ".onnx";
  }

  @Override
  public byte[] toBytes(DeployedModel model) {
    return model.onnx().clone();
  }
}
