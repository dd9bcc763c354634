package org.quantrain.testkit;

import static org.quantrain.testkit.EdgeValues.edges;
import static org.quantrain.testkit.EdgeValues.ordinary;
import static org.quantrain.testkit.FloatCases.LARGE_IMAGES;
import static org.quantrain.testkit.FloatCases.normal;
import static org.quantrain.testkit.Grids.size;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import org.quantrain.op.Concat;
import org.quantrain.op.Expand;
import org.quantrain.op.Gather;
import org.quantrain.op.GatherBackward;
import org.quantrain.op.Pad;
import org.quantrain.op.Reshape;
import org.quantrain.op.Resize;
import org.quantrain.op.ResizeBackward;
import org.quantrain.op.Slice;
import org.quantrain.op.SliceBackward;
import org.quantrain.op.Transpose;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.HostTensor;
import org.quantrain.tensor.Layout;
import org.quantrain.tensor.Shape;
import org.quantrain.tensor.TensorSpec;
import org.quantrain.testkit.OpCase.Examples;

/** Operations that only move elements, and the scaling of images. */
final class MovementCases {
  private static final TensorSpec HEADS = rowMajor(64, 197, 12, 64);

  private MovementCases() {}

  static List<OpCase> all() {
    return List.of(
        new OpCase(
            Transpose.class,
            MovementCases::transpose,
            MovementCases::transposeGradients,
            () ->
                Example.of(
                    "large",
                    new Transpose(List.of(0, 2, 1, 3), Layout.ROW_MAJOR),
                    plain(HEADS, 1))),
        new OpCase(
            Reshape.class,
            MovementCases::reshape,
            () -> List.of(Example.of("small", new Reshape(Shape.of(3, 4)), normal(2, 6, 1))),
            () ->
                Example.of(
                    "large",
                    new Reshape(Shape.of(64 * 197, 768)),
                    normal(Shape.of(64, 197, 768), 1))),
        new OpCase(
            Expand.class,
            MovementCases::expand,
            () ->
                List.of(
                    Example.of(
                        "small", new Expand(TensorSpec.f32(2, 3, 4)), normal(Shape.of(3, 1), 1))),
            () ->
                Example.of(
                    "large",
                    new Expand(TensorSpec.f32(64, 64, 64, 64)),
                    normal(Shape.of(64, 64, 1, 1), 1))),
        new OpCase(
            Slice.class,
            MovementCases::slice,
            () -> slices(Shape.of(2, 5, 3, 2)),
            () -> Example.of("large", new Slice(1, 16, 1, 32), normal(LARGE_IMAGES, 1))),
        new OpCase(
            SliceBackward.class,
            MovementCases::sliceBackward,
            List::of,
            () ->
                sliceBackward(
                    "large", new Slice(1, 16, 1, 32), new TensorSpec(DType.F32, LARGE_IMAGES))),
        new OpCase(
            Concat.class,
            MovementCases::concat,
            () ->
                List.of(
                    Example.of(
                        "small",
                        new Concat(1),
                        normal(Shape.of(2, 3, 2, 2), 1),
                        normal(Shape.of(2, 1, 2, 2), 2))),
            () ->
                Example.of(
                    "large",
                    new Concat(1),
                    normal(Shape.of(64, 32, 64, 64), 1),
                    normal(Shape.of(64, 32, 64, 64), 2))),
        new OpCase(
            Pad.class,
            MovementCases::pad,
            () -> List.of(padded("small", normal(Shape.of(2, 3, 2, 2), 1), 1)),
            () -> padded("large", normal(LARGE_IMAGES, 1), 0)),
        new OpCase(
            Gather.class,
            MovementCases::gather,
            () -> List.of(gather("small", 1, TensorSpec.f32(2, 5, 3), 4, 3)),
            () -> gather("an embedding", 0, TensorSpec.f32(30522, 768), 64 * 128)),
        new OpCase(
            GatherBackward.class,
            MovementCases::gatherBackward,
            List::of,
            () -> gatherBackward("an embedding", 0, TensorSpec.f32(30522, 768), 64 * 128)),
        new OpCase(
            Resize.class,
            MovementCases::resize,
            MovementCases::resizeGradients,
            () ->
                Example.of(
                    "large",
                    scaled(Resize.Mode.LINEAR, Resize.Coordinates.HALF_PIXEL, 64, 64, 2, 2),
                    normal(Shape.of(16, 64, 64, 64), 1))),
        new OpCase(
            ResizeBackward.class,
            MovementCases::resizeBackward,
            List::of,
            () ->
                resizeBackward(
                    "large",
                    scaled(Resize.Mode.LINEAR, Resize.Coordinates.HALF_PIXEL, 64, 64, 2, 2),
                    Shape.of(16, 64, 64, 64))));
  }

  private static TensorSpec rowMajor(int... dims) {
    return TensorSpec.f32(dims).with(Layout.ROW_MAJOR);
  }

  private static HostTensor plain(TensorSpec spec, long seed) {
    return Tensors.of(spec, ordinary(size(spec.shape()), seed));
  }

  private static HostTensor edgy(TensorSpec spec, long seed) {
    return Tensors.of(spec, edges(size(spec.shape()), seed));
  }

  /** Of any element type. */
  private static HostTensor filled(DType type, TensorSpec like) {
    int n = size(like.shape());
    return switch (type) {
      case F32 -> edgy(like, 1);
      case S32 -> {
        HostTensor t = HostTensor.zeros(like.as(type));
        t.buffer().asIntBuffer().put(EdgeValues.integers(n, 1 << 28, 1));
        yield t;
      }
      default -> {
        int[] codes = EdgeValues.codes(n, type == DType.U8 ? Grids.U8 : Grids.S8, 1);
        HostTensor t = Tensors.codes(type, Shape.of(n), codes);
        yield HostTensor.ofBytes(like.as(type), t.bytes());
      }
    };
  }

  // ---- transpose, reshape, expand

  private static List<Example> transpose() {
    Examples examples = new Examples();
    for (DType type : List.of(DType.F32, DType.S32, DType.U8, DType.S8)) {
      for (Layout from : Layout.values()) {
        for (Layout to : Layout.values()) {
          for (List<Integer> perm :
              List.of(
                  List.of(0, 1, 2, 3),
                  List.of(0, 2, 1, 3),
                  List.of(0, 3, 1, 2),
                  List.of(3, 1, 0, 2))) {
            examples.add(
                type + " " + from + " " + to + " " + perm,
                new Transpose(perm, to),
                filled(type, TensorSpec.f32(2, 17, 5, 33).with(from)));
          }
        }
      }
      Transpose matrix = new Transpose(List.of(1, 0), Layout.ROW_MAJOR);
      examples.add(type + " matrix", matrix, filled(type, TensorSpec.f32(207, 33)));
      examples.add(type + " row", matrix, filled(type, TensorSpec.f32(1, 1021)));
    }
    return examples
        .add(
            "six dimensions",
            new Transpose(List.of(5, 2, 0, 4, 1, 3), Layout.ROW_MAJOR),
            edgy(TensorSpec.f32(2, 3, 4, 5, 2, 3), 1))
        .add(
            "several blocks",
            new Transpose(List.of(0, 2, 1, 3), Layout.ROW_MAJOR),
            plain(rowMajor(2, 64, 7, 65), 1))
        .list();
  }

  private static List<Example> transposeGradients() {
    Examples examples = new Examples();
    for (Layout from : Layout.values()) {
      for (Layout to : Layout.values()) {
        examples.add(
            from + " " + to,
            new Transpose(List.of(3, 0, 1, 2), to),
            plain(TensorSpec.f32(2, 3, 2, 4).with(from), 1));
      }
    }
    return examples.list();
  }

  private static List<Example> reshape() {
    return new Examples()
        .add("rows", new Reshape(Shape.of(6, 35)), edgy(TensorSpec.f32(2, 3, 35), 1))
        .add("heads", new Reshape(Shape.of(2, 5, 3, 7)), edgy(TensorSpec.f32(2, 5, 21), 1))
        .add("back", new Reshape(Shape.of(2, 5, 21)), edgy(rowMajor(2, 5, 3, 7), 1))
        .list();
  }

  private static List<Example> expand() {
    return new Examples()
        .add("a scalar", new Expand(TensorSpec.f32(33, 31)), edgy(TensorSpec.f32(), 1))
        .add("rows", new Expand(TensorSpec.f32(17, 207)), edgy(TensorSpec.f32(207), 1))
        .add("columns", new Expand(TensorSpec.f32(207, 17)), edgy(TensorSpec.f32(207, 1), 1))
        .add(
            "channels",
            new Expand(TensorSpec.f32(2, 33, 5, 7)),
            edgy(TensorSpec.f32(2, 33, 1, 1), 1))
        .add(
            "a lower rank",
            new Expand(TensorSpec.f32(2, 33, 5, 7)),
            edgy(TensorSpec.f32(33, 1, 7), 1))
        .add("heads", new Expand(rowMajor(2, 3, 9, 5)), edgy(rowMajor(1, 3, 1, 5), 1))
        .add("nothing", new Expand(TensorSpec.f32(3, 4)), edgy(TensorSpec.f32(3, 4), 1))
        .list();
  }

  // ---- slice, concat, pad

  private static List<Example> slices(Shape shape) {
    List<Example> list = new ArrayList<>();
    for (Layout layout : Layout.values()) {
      for (int axis = 0; axis < shape.rank(); axis++) {
        int n = shape.dim(axis);
        for (Slice slice :
            List.of(
                new Slice(axis, 0, 1, n),
                new Slice(axis, n / 2, 1, n - n / 2),
                new Slice(axis, 0, 2, (n + 1) / 2),
                new Slice(axis, n - 1, -1, n),
                new Slice(axis, n - 1, -2, (n + 1) / 2))) {
          list.add(
              Example.of(
                  layout + " " + slice, slice, plain(new TensorSpec(DType.F32, shape, layout), 1)));
        }
      }
    }
    return list;
  }

  private static List<Example> slice() {
    List<Example> list = new ArrayList<>(slices(Shape.of(3, 17, 5, 33)));
    for (DType type : List.of(DType.U8, DType.S8)) {
      list.add(
          Example.of(
              type + " channels",
              new Slice(1, 3, 1, 7),
              filled(type, TensorSpec.f32(2, 17, 5, 7))));
    }
    list.add(Example.of("the first token", new Slice(1, 0, 1, 1), normal(Shape.of(3, 197, 64), 1)));
    return list;
  }

  private static Example sliceBackward(String name, Slice slice, TensorSpec x) {
    TensorSpec dy = slice.infer(List.of(x)).get(0);
    return Example.of(name, new SliceBackward(slice, x), plain(dy, 1));
  }

  private static List<Example> sliceBackward() {
    return slices(Shape.of(3, 17, 5, 7)).stream()
        .map(e -> sliceBackward(e.name(), (Slice) e.op(), e.inputs().get(0).spec()))
        .toList();
  }

  private static List<Example> concat() {
    Examples examples = new Examples();
    for (Layout layout : Layout.values()) {
      for (int axis = 0; axis < 4; axis++) {
        HostTensor[] parts = new HostTensor[3];
        for (int i = 0; i < parts.length; i++) {
          Shape shape = Shape.of(2, 17, 5, 3).with(axis, 3 * i + 1);
          parts[i] = edgy(new TensorSpec(DType.F32, shape, layout), i);
        }
        examples.add(layout + " " + axis, new Concat(axis), parts);
      }
    }
    return examples
        .add("one", new Concat(1), edgy(TensorSpec.f32(3, 31), 1))
        .add(
            "a class token",
            new Concat(1),
            edgy(TensorSpec.f32(3, 1, 64), 1),
            edgy(TensorSpec.f32(3, 196, 64), 2))
        .list();
  }

  private static Example padded(String name, HostTensor x, float value) {
    int rank = x.shape().rank();
    List<Integer> before = new ArrayList<>(Collections.nCopies(rank, 0));
    List<Integer> after = new ArrayList<>(before);
    before.set(rank - 1, 1);
    after.set(rank - 1, 2);
    before.set(rank - 2, 2);
    return Example.of(name, new Pad(before, after, value), x);
  }

  private static List<Example> pad() {
    Examples examples = new Examples();
    List<Example> list = examples.list();
    for (float value : new float[] {0, -1.5f, Float.NEGATIVE_INFINITY}) {
      list.add(padded("images, " + value, edgy(TensorSpec.f32(2, 17, 5, 7), 1), value));
      list.add(padded("rows, " + value, edgy(TensorSpec.f32(31, 33), 1), value));
      list.add(padded("heads, " + value, edgy(rowMajor(2, 3, 9, 5), 1), value));
    }
    examples.add(
        "everywhere",
        new Pad(List.of(1, 0, 2), List.of(0, 3, 1), 0.5f),
        edgy(TensorSpec.f32(3, 5, 7), 1));
    return examples
        .add("nowhere", new Pad(List.of(0, 0), List.of(0, 0), 1), edgy(TensorSpec.f32(3, 5), 1))
        .list();
  }

  // ---- gather

  private static HostTensor indices(int limit, int... dims) {
    Random random = new Random(7);
    Shape shape = Shape.of(dims);
    HostTensor t = HostTensor.zeros(new TensorSpec(DType.S32, shape).with(Layout.ROW_MAJOR));
    for (int i = 0; i < size(shape); i++) {
      t.buffer().putInt(4 * i, random.nextInt(limit));
    }
    return t;
  }

  private static Example gather(String name, int axis, TensorSpec data, int... indices) {
    return Example.of(
        name, new Gather(axis), plain(data, 1), indices(data.shape().dim(axis), indices));
  }

  private static List<Example> gather() {
    return List.of(
        gather("an embedding", 0, TensorSpec.f32(50, 33), 3, 17),
        gather("one row", 0, TensorSpec.f32(5, 1021), 1),
        gather("elements", 0, TensorSpec.f32(17), 207),
        gather("columns", 1, TensorSpec.f32(31, 9), 33),
        gather("one token", 1, TensorSpec.f32(3, 197, 64)),
        gather("between", 1, rowMajor(2, 7, 5, 3), 4, 3),
        gather("the last dimension", 2, TensorSpec.f32(3, 4, 9), 2, 3, 2),
        gatherCodes(DType.U8),
        gatherCodes(DType.S8));
  }

  private static Example gatherCodes(DType type) {
    HostTensor table = filled(type, TensorSpec.f32(50, 33));
    return Example.of("an embedding of " + type, new Gather(0), table, indices(50, 3, 17));
  }

  private static Example gatherBackward(String name, int axis, TensorSpec data, int... dims) {
    HostTensor indices = indices(data.shape().dim(axis), dims);
    TensorSpec dy = new Gather(axis).infer(List.of(data, indices.spec())).get(0);
    return Example.of(name, new GatherBackward(axis, data), plain(dy, 1), indices);
  }

  private static List<Example> gatherBackward() {
    return List.of(
        gatherBackward("an embedding", 0, TensorSpec.f32(50, 33), 3, 17),
        gatherBackward("more columns than a task has", 0, TensorSpec.f32(5, 300), 31),
        gatherBackward("many of each", 0, TensorSpec.f32(3, 65), 1021),
        gatherBackward("elements", 0, TensorSpec.f32(17), 207),
        gatherBackward("columns", 1, TensorSpec.f32(31, 9), 33),
        gatherBackward("between", 1, rowMajor(2, 7, 5, 3), 4, 3));
  }

  // ---- scaling

  private static Resize scaled(
      Resize.Mode mode, Resize.Coordinates coordinates, int h, int w, float scaleH, float scaleW) {
    return new Resize(mode, coordinates, (int) (h * scaleH), (int) (w * scaleW), scaleH, scaleW);
  }

  private static List<Resize> scalings(int h, int w) {
    List<Resize> all = new ArrayList<>();
    for (Resize.Mode mode : Resize.Mode.values()) {
      for (Resize.Coordinates coordinates : Resize.Coordinates.values()) {
        for (float[] scale : new float[][] {{2, 2}, {1, 3}, {0.5f, 0.7f}, {1.6f, 2.3f}}) {
          all.add(scaled(mode, coordinates, h, w, scale[0], scale[1]));
        }
      }
    }
    return all;
  }

  private static String name(Resize op) {
    return op.mode() + " " + op.coordinates() + " " + op.scaleH() + " " + op.scaleW();
  }

  private static List<Example> resize() {
    Examples examples = new Examples();
    for (Resize op : scalings(5, 7)) {
      examples.add(name(op), op, normal(Shape.of(2, 3, 5, 7), 1));
    }
    return examples
        .add(
            "wide",
            scaled(Resize.Mode.LINEAR, Resize.Coordinates.HALF_PIXEL, 6, 6, 2, 2),
            normal(Shape.of(1, 65, 6, 6), 1))
        .add(
            "from one pixel",
            scaled(Resize.Mode.LINEAR, Resize.Coordinates.ALIGN_CORNERS, 1, 1, 4, 4),
            normal(Shape.of(2, 5, 1, 1), 1))
        .list();
  }

  private static List<Example> resizeGradients() {
    Examples examples = new Examples();
    for (Resize op : scalings(3, 4)) {
      examples.add(name(op), op, normal(Shape.of(1, 2, 3, 4), 1));
    }
    return examples.list();
  }

  private static Example resizeBackward(String name, Resize op, Shape x) {
    Shape dy = Shape.of(x.dim(0), x.dim(1), op.height(), op.width());
    return Example.of(name, new ResizeBackward(op, x), normal(dy, 1));
  }

  private static List<Example> resizeBackward() {
    List<Example> list = new ArrayList<>();
    for (Resize op : scalings(5, 7)) {
      list.add(resizeBackward(name(op), op, Shape.of(2, 3, 5, 7)));
    }
    return list;
  }
}
