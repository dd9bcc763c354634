package org.quantrain.onnx;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.quantrain.graph.Model;
import org.quantrain.graph.Node;
import org.quantrain.graph.Op;
import org.quantrain.graph.Value;
import org.quantrain.io.AtomicFile;
import org.quantrain.op.Add;
import org.quantrain.op.AveragePool;
import org.quantrain.op.BatchNorm;
import org.quantrain.op.Conv2d;
import org.quantrain.op.ConvGeometry;
import org.quantrain.op.Flatten;
import org.quantrain.op.GlobalAveragePool;
import org.quantrain.op.Linear;
import org.quantrain.op.MaxPool;
import org.quantrain.op.PoolWindow;
import org.quantrain.op.Relu;
import org.quantrain.tensor.HostTensor;
import org.quantrain.tensor.Shape;

/**
 * Writes float networks as ONNX files, opset 13. Batch norm stays a node, names stay, and the same
 * model gives the same bytes. A file is there completely or not at all.
 */
public final class OnnxWriter {
  /** What our files say of where they come from. */
  public static final String PRODUCER = "Quantrain";

  private OnnxWriter() {}

  public static void writeFloat(Model model, Path file) throws IOException {
    writeFloat(model, Map.of(), file);
  }

  /**
   * @throws OnnxException naming every node that has no ONNX operator
   */
  public static void writeFloat(Model model, Map<String, String> metadata, Path file)
      throws IOException {
    AtomicFile.write(file, toBytes(model, metadata));
  }

  /** The contents of the file. */
  public static byte[] toBytes(Model model, Map<String, String> metadata) throws OnnxException {
    refuseUnknown(model);
    OnnxGraphBuilder out = new OnnxGraphBuilder(model.name());
    model.graph().inputs().forEach(v -> reserve(out, v));
    model.graph().persistent().forEach(v -> reserve(out, v));
    model.graph().nodes().forEach(n -> reserve(out, n.output(0)));
    model.graph().inputs().forEach(out::input);
    model.graph().outputs().forEach(out::output);
    for (Value v : model.graph().persistent()) {
      out.constant(v.name(), model.contents().get(v.name()));
    }
    model.graph().nodes().forEach(n -> write(n, out));
    return out.bytes(withVersion(metadata));
  }

  static Map<String, String> withVersion(Map<String, String> metadata) {
    Map<String, String> all = new LinkedHashMap<>(metadata);
    all.putIfAbsent(QdqMetadata.VERSION, QdqMetadata.currentVersion());
    return all;
  }

  private static void reserve(OnnxGraphBuilder out, Value value) {
    out.reserve(value.name());
  }

  private static void refuseUnknown(Model model) throws OnnxException {
    List<String> unknown = new ArrayList<>();
    for (Node node : model.graph().nodes()) {
      boolean outputsUnread =
          node.outputs().stream()
              .skip(1)
              .allMatch(
                  v ->
                      model.graph().consumers(v).isEmpty() && !model.graph().outputs().contains(v));
      if (!isKnown(node.op()) || !outputsUnread) {
        unknown.add(node.op().kind() + " \"" + node.name() + "\"");
      }
    }
    if (!unknown.isEmpty()) {
      throw new OnnxException(
          "model " + model.name(), "has no float ONNX form: " + String.join(", ", unknown));
    }
  }

  private static boolean isKnown(Op op) {
    return op instanceof Conv2d
        || op instanceof BatchNorm
        || op instanceof Relu
        || op instanceof Add
        || op instanceof MaxPool
        || op instanceof AveragePool
        || op instanceof GlobalAveragePool
        || op instanceof Flatten
        || op instanceof Linear;
  }

  private static void write(Node node, OnnxGraphBuilder out) {
    List<String> in = node.inputs().stream().map(Value::name).toList();
    Op op = node.op();
    if (op instanceof Conv2d conv) {
      Shape w = node.input(1).spec().shape();
      convolution(add(out, "Conv", node, in), conv.geometry(), w);
    } else if (op instanceof BatchNorm norm) {
      add(out, "BatchNormalization", node, in)
          .with("epsilon", norm.epsilon())
          .with("momentum", NormalizationReaders.oneMinus(norm.momentum()));
    } else if (op instanceof Relu relu && relu.upper() == Float.POSITIVE_INFINITY) {
      add(out, "Relu", node, in);
    } else if (op instanceof Relu relu) {
      String min = out.unique(node.name() + ".min");
      String max = out.unique(node.name() + ".max");
      out.constant(min, HostTensor.of(Shape.of(), 0f));
      out.constant(max, HostTensor.of(Shape.of(), relu.upper()));
      add(out, "Clip", node, List.of(in.get(0), min, max));
    } else if (op instanceof Add) {
      add(out, "Add", node, in);
    } else if (op instanceof MaxPool pool) {
      window(add(out, "MaxPool", node, in), pool.window());
    } else if (op instanceof AveragePool pool) {
      window(add(out, "AveragePool", node, in), pool.window())
          .with("count_include_pad", pool.countPadding() ? 1 : 0);
    } else if (op instanceof GlobalAveragePool) {
      add(out, "GlobalAveragePool", node, in);
    } else if (op instanceof Flatten) {
      add(out, "Flatten", node, in).with("axis", 1);
    } else if (op instanceof Linear) {
      add(out, "Gemm", node, in).with("transB", 1);
    }
  }

  private static OnnxGraphBuilder.NodeAttributes add(
      OnnxGraphBuilder out, String op, Node node, List<String> in) {
    return out.node(op, node.name(), in, node.output(0).name());
  }

  static void convolution(OnnxGraphBuilder.NodeAttributes node, ConvGeometry g, Shape w) {
    node.with("dilations", new int[] {g.dilationH(), g.dilationW()})
        .with("group", g.groups())
        .with("kernel_shape", new int[] {w.dim(2), w.dim(3)})
        .with("pads", new int[] {g.padTop(), g.padLeft(), g.padBottom(), g.padRight()})
        .with("strides", new int[] {g.strideH(), g.strideW()});
  }

  static OnnxGraphBuilder.NodeAttributes window(
      OnnxGraphBuilder.NodeAttributes node, PoolWindow w) {
    return node.with("kernel_shape", new int[] {w.kernelH(), w.kernelW()})
        .with("pads", new int[] {w.padTop(), w.padLeft(), w.padBottom(), w.padRight()})
        .with("strides", new int[] {w.strideH(), w.strideW()});
  }
}
