package org.quantrain.export;

import java.io.IOException;
import org.quantrain.onnx.QOperatorForm;

/** The quantized ONNX file with integer operators. */
final class QOperatorExport implements ExportFormat {
  @Override
  public String id() {
    return "onnx-qoperator";
  }

  @Override
  public String description() {
    return "ONNX with QLinearConv and its like, for ONNX Runtime";
  }

  @Override
  public String extension() {
    return ".qoperator.onnx";
  }

  @Override
  public byte[] toBytes(DeployedModel model) throws IOException {
    return QOperatorForm.of(model.qdq());
  }
}
