package org.quantrain;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Map;
import java.util.function.Function;
import org.quantrain.graph.Graph;
import org.quantrain.graph.Value;
import org.quantrain.io.AtomicFile;
import org.quantrain.onnx.CompilerForm;
import org.quantrain.onnx.QOperatorForm;
import org.quantrain.onnx.QdqWriter;
import org.quantrain.quant.IntegerFormat;
import org.quantrain.tensor.HostTensor;
import org.quantrain.tflite.TfliteWriter;

/** The writer of each format. */
final class IntegerExport {
  private IntegerExport() {}

  /**
   * Whether a lowered evaluation graph has a form in the format.
   *
   * @throws IOException naming every node that has none
   */
  static void check(IntegerFormat format, Graph graph) throws IOException {
    switch (format) {
      case ONNX_QDQ, ONNX_QOPERATOR, ONNX_COMPILER -> QdqWriter.check(graph);
      case TFLITE, TFLITE_FLOATS -> TfliteWriter.check(graph);
    }
  }

  static void write(
      IntegerFormat format,
      Graph graph,
      Function<Value, HostTensor> contents,
      Map<String, String> metadata,
      Path file)
      throws IOException {
    switch (format) {
      case ONNX_QDQ -> QdqWriter.write(graph, contents, metadata, file);
      case ONNX_QOPERATOR ->
          AtomicFile.write(file, QOperatorForm.of(QdqWriter.toBytes(graph, contents, metadata)));
      case ONNX_COMPILER ->
          AtomicFile.write(file, CompilerForm.of(QdqWriter.toBytes(graph, contents, metadata)));
      case TFLITE -> TfliteWriter.write(graph, contents, false, metadata, file);
      case TFLITE_FLOATS -> TfliteWriter.write(graph, contents, true, metadata, file);
    }
  }
}
