package org.quantrain.testkit;

import static org.quantrain.testkit.Arithmetic.clamp;
import static org.quantrain.testkit.Arithmetic.dequantize;
import static org.quantrain.testkit.Arithmetic.inRange;
import static org.quantrain.testkit.Arithmetic.level;

import java.util.ArrayList;
import java.util.List;
import org.quantrain.op.Concat;
import org.quantrain.op.ConcatCodes;
import org.quantrain.tensor.HostTensor;
import org.quantrain.tensor.Shape;
import org.quantrain.testkit.Surrogate.Step;

/** Where the elements of parts go, element by element in logical order. */
final class ConcatRules {
  private ConcatRules() {}

  static void register() {
    Oracle.rule(Concat.class, ConcatRules::concat);
    Oracle.rule(ConcatCodes.class, ConcatRules::concatCodes);
  }

  static void registerSurrogates() {
    Surrogate.rule(
        Concat.class,
        (op, s) -> {
          List<double[]> parts = new ArrayList<>();
          List<Shape> shapes = new ArrayList<>();
          for (int i = 0; s.has(i); i++) {
            if (!s.isReal(i)) {
              return new double[][] {null};
            }
            parts.add(s.real(i));
            shapes.add(s.inShape(i));
          }
          return new double[][] {join(op.axis(), parts, shapes)};
        });
    Surrogate.rule(ConcatCodes.class, (op, s) -> new double[][] {join(op, s)});
  }

  private static double[] join(ConcatCodes op, Step s) {
    List<double[]> parts = new ArrayList<>();
    List<double[]> masks = new ArrayList<>();
    List<Shape> shapes = new ArrayList<>();
    int at = 0;
    for (; s.has(at + 2); at += 3) {
      shapes.add(s.inShape(at));
      parts.add(s.real(at));
      boolean[] bits = s.mask(1 + at / 3);
      double[] mask = new double[bits.length];
      for (int i = 0; i < mask.length; i++) {
        mask[i] = bits[i] ? 1 : 0;
      }
      masks.add(mask);
    }
    double[] joined = join(op.axis(), masks, shapes);
    boolean[] mask = new boolean[joined.length];
    for (int i = 0; i < mask.length; i++) {
      mask[i] = joined[i] == 1;
    }
    double[] actual = Surrogate.realOfCodes(s.out(0), s.in(at).floats(), s.integer(at + 1));
    return s.rounded(join(op.axis(), parts, shapes), actual, mask);
  }

  private static double[] join(int axis, List<double[]> parts, List<Shape> shapes) {
    int n = parts.stream().mapToInt(p -> p.length).sum();
    double[] whole = new double[n];
    forEach(axis, shapes, (part, from, to) -> whole[to] = parts.get(part)[from]);
    return whole;
  }

  /** An element of a part and its place in the whole, in logical order both. */
  private interface Place {
    void at(int part, int from, int to);
  }

  private static void forEach(int axis, List<Shape> parts, Place place) {
    int inner = 1;
    for (int i = axis + 1; i < parts.get(0).rank(); i++) {
      inner *= parts.get(0).dim(i);
    }
    int whole = inner * parts.stream().mapToInt(s -> s.dim(axis)).sum();
    int start = 0;
    for (int p = 0; p < parts.size(); p++) {
      int row = inner * parts.get(p).dim(axis);
      for (int i = 0; i < parts.get(p).elements(); i++) {
        place.at(p, i, i / row * whole + start + i % row);
      }
      start += row;
    }
  }

  private static Shape whole(int axis, List<Shape> parts) {
    int[] dims = parts.get(0).dims();
    dims[axis] = parts.stream().mapToInt(s -> s.dim(axis)).sum();
    return Shape.of(dims);
  }

  private static Expected concat(Concat op, Oracle.Call call) {
    List<Shape> parts = call.inputs().stream().map(HostTensor::shape).toList();
    Shape shape = whole(op.axis(), parts);
    float[] y = new float[Math.toIntExact(shape.elements())];
    int[] to = Tensors.memoryIndex(shape);
    List<int[]> from = parts.stream().map(Tensors::memoryIndex).toList();
    List<float[]> x = call.inputs().stream().map(HostTensor::floats).toList();
    forEach(op.axis(), parts, (p, i, k) -> y[to[k]] = x.get(p)[from.get(p)[i]]);
    return Expected.bits(HostTensor.of(shape, y));
  }

  private static Expected concatCodes(ConcatCodes op, Oracle.Call call) {
    List<Shape> parts = new ArrayList<>();
    int operands = call.inputs().size() - 2;
    for (int i = 0; i < operands; i += 3) {
      parts.add(call.in(i).shape());
    }
    Shape shape = whole(op.axis(), parts);
    int[] y = new int[Math.toIntExact(shape.elements())];
    int[] to = Tensors.memoryIndex(shape);
    List<int[]> from = parts.stream().map(Tensors::memoryIndex).toList();
    List<boolean[]> masks = new ArrayList<>();
    List<float[]> levels = new ArrayList<>();
    for (int i = 0; i < operands; i += 3) {
      int[] codes = call.codes(i);
      float[] level = new float[codes.length];
      boolean[] mask = new boolean[codes.length];
      for (int k = 0; k < codes.length; k++) {
        float x = dequantize(codes[k], call.scalar(i + 1), call.integer(i + 2));
        level[k] = level(x, call.scalar(operands), call.integer(operands + 1));
        mask[k] = inRange(level[k], op.spec().qmin(), op.spec().qmax());
      }
      levels.add(level);
      masks.add(mask);
    }
    forEach(
        op.axis(),
        parts,
        (p, i, k) ->
            y[to[k]] =
                (int) clamp(levels.get(p)[from.get(p)[i]], op.spec().qmin(), op.spec().qmax()));
    List<HostTensor> outputs = new ArrayList<>();
    outputs.add(Tensors.codes(op.spec().container(), shape, y));
    for (int p = 0; p < parts.size(); p++) {
      outputs.add(Tensors.mask(parts.get(p), masks.get(p)));
    }
    return Expected.bits(outputs.toArray(HostTensor[]::new));
  }
}
