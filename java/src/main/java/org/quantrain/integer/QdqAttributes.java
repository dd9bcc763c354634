package org.quantrain.integer;

import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.quantrain.onnx.OnnxFile;
import org.quantrain.onnx.OnnxNode;
import org.quantrain.onnx.OnnxTensor;
import org.quantrain.op.Concat;
import org.quantrain.op.ConvGeometry;
import org.quantrain.op.PoolWindow;
import org.quantrain.op.Slice;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.Shape;
import org.quantrain.tensor.TensorSpec;

/** What attributes and constant operands of the QDQ forms say; refuses what is none of them. */
final class QdqAttributes {
  private QdqAttributes() {}

  /**
   * Of a Conv.
   *
   * @param w shape of the weights
   */
  static ConvGeometry geometry(OnnxNode node, Shape w) {
    requireNotAuto(node);
    int[] kernel = node.sizes("kernel_shape", w.dim(2), w.dim(3));
    require(
        kernel[0] == w.dim(2) && kernel[1] == w.dim(3),
        node.label() + ": kernel_shape differs from the weights " + w);
    int[] stride = node.sizes("strides", 1, 1);
    int[] pads = node.sizes("pads", 0, 0, 0, 0);
    int[] dilation = node.sizes("dilations", 1, 1);
    long groups = node.integer("group", 1);
    require(groups >= 1 && groups <= w.dim(0), node.label() + ": group " + groups);
    return new ConvGeometry(
        stride[0],
        stride[1],
        pads[0],
        pads[1],
        pads[2],
        pads[3],
        dilation[0],
        dilation[1],
        (int) groups);
  }

  /** Of a pooling. */
  static PoolWindow window(OnnxNode node) {
    requireNotAuto(node);
    int[] dilation = node.sizes("dilations", 1, 1);
    require(
        node.integer("ceil_mode", 0) == 0
            && node.integer("storage_order", 0) == 0
            && dilation[0] == 1
            && dilation[1] == 1,
        node.label() + ": ceil_mode, storage_order or dilations");
    int[] kernel = node.sizes("kernel_shape", 0, 0);
    int[] stride = node.sizes("strides", 1, 1);
    int[] pads = node.sizes("pads", 0, 0, 0, 0);
    return new PoolWindow(
        kernel[0], kernel[1], stride[0], stride[1], pads[0], pads[1], pads[2], pads[3]);
  }

  private static void requireNotAuto(OnnxNode node) {
    String auto = node.text("auto_pad", "NOTSET");
    require(auto.equals("NOTSET"), node.label() + ": auto_pad " + auto);
  }

  /** What a Reshape makes of a shape with the batch. */
  static Shape reshaped(OnnxFile file, OnnxNode node, Shape x) {
    OnnxTensor t = file.constants().get(node.input(1));
    require(
        t != null && t.type() == OnnxTensor.INT64 && node.integer("allowzero", 0) == 0,
        node.label() + ": expected a constant shape");
    long[] to = t.longs();
    require(to.length <= 8, node.label() + ": a shape of rank " + to.length);
    int[] dims = new int[to.length];
    long known = 1;
    int open = -1;
    for (int i = 0; i < dims.length; i++) {
      boolean fits = to[i] == -1 ? open < 0 : to[i] >= 1 && to[i] <= Integer.MAX_VALUE;
      require(fits, node.label() + ": shape " + Arrays.toString(to));
      dims[i] = (int) to[i];
      open = to[i] == -1 ? i : open;
      known = to[i] == -1 ? known : Math.multiplyExact(known, to[i]);
    }
    long elements = Math.abs(Arrays.stream(x.dims()).asLongStream().reduce(1, (p, q) -> p * q));
    require(
        open >= 0 && x.hasBatch() && known > 0 && elements % known == 0,
        node.label() + ": expected the batch to be left open in " + Arrays.toString(to));
    dims[open] = -Math.toIntExact(elements / known);
    return Shape.of(dims);
  }

  /** Of a Transpose, or of an Identity, which leaves all as it is. */
  static List<Integer> permutation(OnnxNode node, int rank) {
    Object perm = node.attributes().get("perm");
    if (node.op().equals("Identity")) {
      return IntStream.range(0, rank).boxed().toList();
    }
    require(
        perm instanceof List<?> list
            && list.stream().allMatch(i -> i instanceof Long v && v >= 0 && v < rank),
        node.label() + ": expected a permutation of " + rank + " dimensions, got " + perm);
    return ((List<?>) perm).stream().map(i -> ((Long) i).intValue()).toList();
  }

  /** One dimension of a Slice. */
  static Slice slice(OnnxFile file, OnnxNode node, Shape x) {
    long[] bounds = new long[4];
    for (int i = 0; i < 4; i++) {
      OnnxTensor t = file.constants().get(node.input(i + 1));
      require(
          t != null && t.type() == OnnxTensor.INT64 && t.elements() == 1,
          node.label() + ": expected constants for one start, end, axis and step");
      bounds[i] = t.longs()[0];
    }
    long start = bounds[0];
    long axis = bounds[2];
    long step = bounds[3];
    boolean known = axis >= 0 && axis < x.rank() && x.dim((int) axis) >= 0;
    require(known, node.label() + ": axis " + axis + " of " + x);
    int dim = x.dim((int) axis);
    require(
        start >= 0
            && start < dim
            && step >= 1
            && step <= Integer.MAX_VALUE
            && bounds[1] > start,
        node.label() + ": start " + start + ", step " + step + " of " + dim);
    long size = (Math.min(bounds[1], dim) - start + step - 1) / step;
    return new Slice((int) axis, (int) start, (int) step, (int) size);
  }

  /** Of a Concat, from the front. */
  static int axis(OnnxNode concat, List<CodesTensor> parts) {
    int rank = parts.get(0).shape().rank();
    long axis = concat.integer("axis", 0);
    require(
        axis >= -rank && axis < rank,
        concat.label() + ": axis " + axis + " of " + parts.get(0).shape());
    return (int) (axis < 0 ? axis + rank : axis);
  }

  /** Of a Concat. */
  static Shape joined(OnnxNode node, List<CodesTensor> parts) {
    List<TensorSpec> real = parts.stream().map(p -> new TensorSpec(DType.F32, p.shape())).toList();
    return new Concat(axis(node, parts)).infer(real).get(0).shape();
  }

  /** Fails where the form is another. */
  static void require(boolean holds, String problem) {
    if (!holds) {
      throw new IllegalArgumentException(problem);
    }
  }
}
