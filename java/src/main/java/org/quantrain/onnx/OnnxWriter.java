package org.quantrain.onnx;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.quantrain.graph.Graph;
import org.quantrain.graph.Model;
import org.quantrain.graph.Node;
import org.quantrain.graph.Value;
import org.quantrain.io.AtomicFile;
import org.quantrain.op.BatchNorm;
import org.quantrain.op.ConvGeometry;
import org.quantrain.op.Pad;
import org.quantrain.op.PoolWindow;
import org.quantrain.op.Reshape;
import org.quantrain.op.Slice;
import org.quantrain.op.Transpose;
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
      HostTensor contents = model.contents().get(v.name());
      if (isTrained(model.graph(), v)) {
        out.constant(v.name(), contents);
      } else {
        out.constantNode(v.name(), contents);
      }
    }
    model.graph().nodes().forEach(n -> FloatOperators.write(new FloatNodeWriter(n, out)));
    return out.bytes(withVersion(metadata));
  }

  static Map<String, String> withVersion(Map<String, String> metadata) {
    Map<String, String> all = new LinkedHashMap<>(metadata);
    all.putIfAbsent(QdqMetadata.VERSION, QdqMetadata.currentVersion());
    return all;
  }

  /** By gradients, or as the statistics of a batch norm; a reader trains what is an initializer. */
  private static boolean isTrained(Graph graph, Value value) {
    return value.role() == Value.Role.PARAM
        || graph.consumers(value).stream().anyMatch(n -> n.op() instanceof BatchNorm);
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
      if (!FloatOperators.has(node.op()) || !outputsUnread) {
        unknown.add(node.op().kind() + " \"" + node.name() + "\"");
      }
    }
    if (!unknown.isEmpty()) {
      throw new OnnxException(
          "model " + model.name(), "has no float ONNX form: " + String.join(", ", unknown));
    }
  }

  /** The inputs of a Slice: data, starts, ends, axes, steps. */
  static List<String> sliced(OnnxGraphBuilder out, Node node, Slice slice) {
    long end = slice.start() + (long) slice.step() * slice.size();
    return List.of(
        node.input(0).name(),
        out.integers(out.unique(node.name() + ".starts"), List.of(slice.start())),
        // Backwards to the first element, which -1 would not mean.
        out.integers(out.unique(node.name() + ".ends"), List.of(end < 0 ? Long.MIN_VALUE : end)),
        out.integers(out.unique(node.name() + ".axes"), List.of(slice.axis())),
        out.integers(out.unique(node.name() + ".steps"), List.of(slice.step())));
  }

  /** The inputs of a Reshape: data and shape. The batch is what is left. */
  static List<String> reshaped(OnnxGraphBuilder out, Node node, Reshape reshape) {
    int[] dims = reshape.to().dims();
    List<Integer> to = Arrays.stream(dims).map(d -> Math.max(d, -1)).boxed().toList();
    return List.of(
        node.input(0).name(), out.integers(out.unique(node.name() + ".shape"), to));
  }

  /** The operator of a transposition; files know no order in memory. */
  static String operator(Transpose transpose) {
    return transpose.isIdentical() ? "Identity" : "Transpose";
  }

  static void permuted(OnnxGraphBuilder.NodeAttributes node, Transpose transpose) {
    if (!transpose.isIdentical()) {
      node.with("perm", transpose.perm().stream().mapToInt(Integer::intValue).toArray());
    }
  }

  /** The second input of a Pad. */
  static String pads(OnnxGraphBuilder out, Node node, Pad pad) {
    List<Integer> all = new ArrayList<>(pad.before());
    all.addAll(pad.after());
    return out.integers(out.unique(node.name() + ".pads"), all);
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
