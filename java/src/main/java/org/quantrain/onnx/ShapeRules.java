package org.quantrain.onnx;

import static org.quantrain.onnx.Arguments.require;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.quantrain.op.Slice;
import org.quantrain.tensor.Shape;

/**
 * What the operators that move elements around do to a shape, whether the elements are known or
 * not.
 */
final class ShapeRules {
  private ShapeRules() {}

  /** Reshape, in both its forms, of opset 5 (0 keeps a dimension, -1 is what is left) and later. */
  static Shape reshape(Arguments a, Shape x) {
    Constant to = a.known(1, "shape");
    boolean zeroKeeps = a.node().integer("allowzero", 0) == 0;
    int[] dims = sizes(to);
    int open = -1;
    long known = 1;
    for (int i = 0; i < dims.length; i++) {
      if (dims[i] == 0 && zeroKeeps) {
        require(i < x.rank(), "shape " + Arrays.toString(dims) + " keeps a dimension of " + x);
        dims[i] = x.dim(i);
      } else if (dims[i] == -1 && to.number(i).perBatch() == 0) {
        require(open < 0, "shape has two open dimensions");
        open = i;
        continue;
      } else {
        require(dims[i] >= 0 || to.number(i).perBatch() != 0, "shape " + Arrays.toString(dims));
      }
      known *= dims[i];
    }
    long elements = product(x.dims());
    long fixed = a.fixedBatch() > 0 && elements < 0 && known > 0 ? -a.fixedBatch() : 1;
    if (open >= 0) {
      require(known != 0 && elements * fixed % known == 0, misfit(x, dims));
      dims[open] = Arguments.size(elements * fixed / known);
      known *= dims[open];
    }
    if (known != elements) {
      require(fixed < 0 && known == elements * fixed, misfit(x, dims));
      freeBatch(x, dims, a.fixedBatch());
    }
    return Shape.of(dims);
  }

  private static String misfit(Shape x, int[] dims) {
    return "shape " + Arrays.toString(dims) + " for " + x;
  }

  /**
   * Finds the dimension that holds the batch where a file has numbers of one batch size.
   *
   * <p>As much lies in front of it as in the input, where it may stand anywhere in a dimension of k
   * samples' worth. If k = 1, that is the dimension that starts at this place; else the one with
   * the fewest other things in it. The last dimension holds no samples, so long as another can.
   */
  private static void freeBatch(Shape x, int[] dims, long batch) {
    long front = product(Arrays.copyOf(x.dims(), x.batchDim()));
    long multiple = -(long) x.dim(x.batchDim());
    int found = -1;
    long before = 1;
    for (int i = 0; i < dims.length; i++) {
      long behind = before * dims[i];
      boolean holds =
          dims[i] % batch == 0
              && front * multiple % before == 0
              && behind % (front * batch) == 0
              && (found < 0 || i < dims.length - 1);
      boolean starts = multiple == 1 && before == front;
      if (holds && (found < 0 || starts || (multiple > 1 && dims[i] < dims[found]))) {
        found = i;
      }
      if (holds && starts) {
        break;
      }
      before = behind;
    }
    require(
        found >= 0,
        misfit(x, dims) + " is for batches of " + batch + " only: export with a free batch size");
    dims[found] = (int) -(dims[found] / batch);
  }

  /** Elements; negative if they depend on the batch size. */
  static long product(int[] dims) {
    return Arrays.stream(dims).asLongStream().reduce(1, (p, q) -> p * q);
  }

  /** Sizes of a list, -k for k times the batch size. */
  private static int[] sizes(Constant list) {
    int[] sizes = new int[list.elements()];
    for (int i = 0; i < sizes.length; i++) {
      Affine size = list.number(i);
      long k = size.perBatch();
      require(
          size.perSample() == 0 && (k == 0 || (k > 0 && size.fixed() == 0)),
          "a size that is not a multiple of the batch");
      sizes[i] = Arguments.size(k == 0 ? size.fixed() : -k);
    }
    return sizes;
  }

  /** Dimensions of a tensor to be made: ConstantOfShape, the operand of Expand. */
  static Shape shapeOf(Constant list) {
    int[] dims = sizes(list);
    for (int i = 0; i < dims.length; i++) {
      require(dims[i] >= 0 || list.number(i).perBatch() != 0, "shape " + Arrays.toString(dims));
    }
    return Shape.of(dims);
  }

  /** Expand. In a file for one batch size, what fits that of the operand is its batch. */
  static Shape expand(Arguments a, Shape x) {
    Shape to = shapeOf(a.known(1, "shape"));
    int batch = to.rank() - x.rank() + x.batchDim();
    if (a.fixedBatch() > 0 && x.hasBatch() && batch >= 0) {
      int own = x.dim(x.batchDim());
      to = to.dim(batch) == -own * a.fixedBatch() ? to.with(batch, own) : to;
    }
    return broadcast(x, to);
  }

  static Shape flatten(Arguments a, Shape x) {
    long axis = a.node().integer("axis", 1);
    int at = axis == x.rank() ? x.rank() : Arguments.axis(axis, x.rank());
    long front = product(Arrays.copyOf(x.dims(), at));
    long back = product(Arrays.copyOfRange(x.dims(), at, x.rank()));
    return Shape.of(Arguments.size(front), Arguments.size(back));
  }

  static Shape squeeze(Arguments a, Shape x) {
    int[] axes = a.axes(1, "axes", x.rank());
    List<Integer> dims = new ArrayList<>();
    for (int i = 0; i < x.rank(); i++) {
      int at = i;
      boolean gone =
          axes == null ? x.dim(i) == 1 : Arrays.stream(axes).anyMatch(axis -> axis == at);
      require(!gone || x.dim(i) == 1, "dimension " + i + " of " + x + " is not 1");
      if (!gone) {
        dims.add(x.dim(i));
      }
    }
    return Arguments.shape(dims);
  }

  static Shape unsqueeze(Arguments a, Shape x) {
    long[] given = a.integers(1, "axes");
    require(given != null, "axes are left out");
    int[] axes = a.axes(1, "axes", x.rank() + given.length);
    List<Integer> dims = new ArrayList<>();
    for (int i = 0, next = 0; i < x.rank() + axes.length; i++) {
      int at = i;
      boolean fresh = Arrays.stream(axes).anyMatch(axis -> axis == at);
      dims.add(fresh ? 1 : x.dim(next++));
    }
    return Arguments.shape(dims);
  }

  static List<Integer> permutation(Arguments a, Shape x) {
    int[] perm = new int[x.rank()];
    long[] given = a.integers(Integer.MAX_VALUE, "perm");
    require(given == null || given.length == perm.length, "perm for " + x);
    for (int i = 0; i < perm.length; i++) {
      perm[i] = given == null ? perm.length - 1 - i : Arguments.axis(given[i], perm.length);
    }
    require(Arrays.stream(perm).distinct().count() == perm.length, "perm names a dimension twice");
    return Arrays.stream(perm).boxed().toList();
  }

  /** The common shape of two that are broadcast. */
  static Shape broadcast(Shape x, Shape y) {
    int[] dims = new int[Math.max(x.rank(), y.rank())];
    for (int i = 1; i <= dims.length; i++) {
      int m = i <= x.rank() ? x.dim(x.rank() - i) : 1;
      int n = i <= y.rank() ? y.dim(y.rank() - i) : 1;
      require(m == n || m == 1 || n == 1, "shapes " + x + " and " + y + " do not broadcast");
      dims[dims.length - i] = m == 1 ? n : m;
    }
    return Shape.of(dims);
  }

  /**
   * Slice, one record for each dimension that it changes. Nothing may be left of one: exporters cut
   * lists of sizes behind their end.
   */
  static List<Slice> slices(Arguments a, Shape x) {
    Constant starts = list(a, 1, "starts");
    Constant ends = list(a, 2, "ends");
    long[] steps = a.opset() >= 10 ? a.integers(4, "steps") : null;
    int[] axes = a.axes(3, "axes", x.rank());
    List<Slice> slices = new ArrayList<>();
    require(ends.elements() == starts.elements(), "starts and ends");
    require(axes == null || axes.length == starts.elements(), "starts and axes");
    require(steps == null || steps.length == starts.elements(), "starts and steps");
    for (int i = 0; i < starts.elements(); i++) {
      int axis = axes == null ? i : axes[i];
      long step = steps == null ? 1 : steps[i];
      require(axis < x.rank(), "more starts than dimensions of " + x);
      int dim = x.dim(axis);
      if (dim < 0) {
        Affine end = ends.number(i);
        boolean all =
            end.perBatch() == 0
                ? end.plain() >= Integer.MAX_VALUE
                : end.perBatch() >= -(long) dim && end.fixed() >= 0 && end.perSample() == 0;
        require(all && step == 1 && starts.integer(i) == 0, "cuts the batch");
        continue;
      }
      require(step != 0, "step 0");
      long start = clamp(starts.integer(i), dim, step > 0 ? 0 : -1, step > 0 ? dim : dim - 1);
      long end = clamp(ends.integer(i), dim, step > 0 ? 0 : -1, step > 0 ? dim : dim - 1);
      long size = step > 0 ? (end - start + step - 1) / step : (start - end - step - 1) / -step;
      if (size < dim || step != 1) {
        slices.add(new Slice(axis, (int) start, Arguments.size(step), (int) Math.max(size, 0)));
      }
    }
    return slices;
  }

  private static long clamp(long index, int dim, long low, long high) {
    long at = index < 0 ? Math.max(index, -2L * dim - 2) + dim : index;
    return Math.min(Math.max(at, low), high);
  }

  private static Constant list(Arguments a, int input, String name) {
    if (a.has(input)) {
      return a.known(input, name);
    }
    long[] values = a.integers(input, name);
    require(values != null, name + " are left out");
    return Constant.of(Constant.Kind.INTEGER, Shape.of(values.length), values);
  }

  /** Split, one record for each output. */
  static List<Slice> splits(Arguments a, Shape x) {
    int axis = a.axis("axis", 0, x.rank());
    int parts = a.node().outputs().size();
    long[] sizes = a.integers(1, "split");
    require(x.dim(axis) >= 0, "splits the batch");
    if (sizes == null) {
      sizes = new long[parts];
      long each = (x.dim(axis) + parts - 1) / parts;
      Arrays.fill(sizes, each);
      sizes[parts - 1] = x.dim(axis) - each * (parts - 1);
    }
    require(
        sizes.length == parts
            && Arrays.stream(sizes).allMatch(s -> s > 0 && s <= x.dim(axis))
            && Arrays.stream(sizes).sum() == x.dim(axis),
        "split " + Arrays.toString(sizes) + " of " + x);
    List<Slice> slices = new ArrayList<>();
    int start = 0;
    for (long size : sizes) {
      slices.add(new Slice(axis, start, 1, (int) size));
      start += (int) size;
    }
    return slices;
  }

  /** Concat. */
  static Shape concat(Arguments a, List<Shape> in) {
    Shape first = in.get(0);
    int axis = a.axis("axis", 1, first.rank());
    long size = 0;
    for (Shape x : in) {
      require(x.rank() == first.rank(), "shapes " + in);
      require(x.with(axis, 1).equals(first.with(axis, 1)), "shapes " + in);
      require(x.dim(axis) >= 0, "joins batches");
      size += x.dim(axis);
    }
    return first.with(axis, Arguments.size(size));
  }

  /** Gather. */
  static Shape gather(int axis, Shape data, Shape indices) {
    List<Integer> dims = new ArrayList<>();
    for (int i = 0; i < data.rank(); i++) {
      if (i == axis) {
        Arrays.stream(indices.dims()).forEach(dims::add);
      } else {
        dims.add(data.dim(i));
      }
    }
    return Arguments.shape(dims);
  }
}
