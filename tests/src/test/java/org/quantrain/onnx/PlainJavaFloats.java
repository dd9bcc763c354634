package org.quantrain.onnx;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.DoubleBinaryOperator;
import java.util.function.DoubleUnaryOperator;
import java.util.stream.IntStream;
import org.quantrain.graph.Graph;
import org.quantrain.graph.Node;
import org.quantrain.graph.Op;
import org.quantrain.graph.Value;
import org.quantrain.op.Add;
import org.quantrain.op.AveragePool;
import org.quantrain.op.BatchNorm;
import org.quantrain.op.Binary;
import org.quantrain.op.Concat;
import org.quantrain.op.Conv2d;
import org.quantrain.op.ConvGeometry;
import org.quantrain.op.ConvTranspose2d;
import org.quantrain.op.Expand;
import org.quantrain.op.Flatten;
import org.quantrain.op.Gather;
import org.quantrain.op.GlobalAveragePool;
import org.quantrain.op.LayerNorm;
import org.quantrain.op.Linear;
import org.quantrain.op.MatMul;
import org.quantrain.op.MaxPool;
import org.quantrain.op.PRelu;
import org.quantrain.op.Pad;
import org.quantrain.op.PoolWindow;
import org.quantrain.op.Reduce;
import org.quantrain.op.Relu;
import org.quantrain.op.Reshape;
import org.quantrain.op.Resize;
import org.quantrain.op.Slice;
import org.quantrain.op.Softmax;
import org.quantrain.op.ToFloat;
import org.quantrain.op.Transpose;
import org.quantrain.op.Unary;
import org.quantrain.op.Where;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.HostTensor;

/**
 * A float network in plain Java: in double, element by element in logical indices, so that no order
 * in memory and no kernel has a part in it.
 */
final class PlainJavaFloats {
  private final Map<Value, Array> values = new HashMap<>();

  /** Values in row-major order of the logical dimensions. */
  record Array(int[] dims, double[] values) {
    static Array of(int... dims) {
      return new Array(dims, new double[Arrays.stream(dims).reduce(1, (a, b) -> a * b)]);
    }

    int dim(int i) {
      return dims[i];
    }

    /** The i-th of n equal parts of the first dimension. */
    Array part(int i, int n) {
      int[] some = dims.clone();
      some[0] /= n;
      int size = values.length / n;
      return new Array(some, Arrays.copyOfRange(values, i * size, (i + 1) * size));
    }

    int index(int... at) {
      int index = 0;
      for (int i = 0; i < dims.length; i++) {
        index = index * dims[i] + at[i];
      }
      return index;
    }

    double get(int... at) {
      return values[index(at)];
    }

    void add(double value, int... at) {
      values[index(at)] += value;
    }

    /** Coordinates of the i-th element. */
    int[] at(int i) {
      int[] at = new int[dims.length];
      for (int d = dims.length - 1; d >= 0; d--) {
        at[d] = i % dims[d];
        i /= dims[d];
      }
      return at;
    }

    /** The element that broadcasts to these coordinates of a larger array. */
    double broadcast(int[] at) {
      int[] own = new int[dims.length];
      for (int i = 1; i <= own.length; i++) {
        own[own.length - i] = dims[dims.length - i] == 1 ? 0 : at[at.length - i];
      }
      return get(own);
    }
  }

  /** The outputs of a graph. */
  static List<Array> run(Graph graph, Map<String, HostTensor> contents, List<Array> inputs) {
    PlainJavaFloats network = new PlainJavaFloats();
    for (int i = 0; i < inputs.size(); i++) {
      network.values.put(graph.inputs().get(i), inputs.get(i));
    }
    for (Value v : graph.persistent()) {
      network.values.put(v, logical(contents.get(v.name())));
    }
    int batch = inputs.get(0).dim(0);
    for (Node node : graph.nodes()) {
      network.compute(node, batch);
    }
    return graph.outputs().stream().map(network.values::get).toList();
  }

  /** A tensor's values in logical order. */
  static Array logical(HostTensor tensor) {
    ByteBuffer file = ByteBuffer.wrap(MemoryOrder.toOnnx(tensor)).order(ByteOrder.LITTLE_ENDIAN);
    Array out = Array.of(tensor.shape().dims());
    for (int i = 0; i < out.values.length; i++) {
      boolean real = tensor.spec().dtype() == DType.F32;
      out.values[i] = real ? file.getFloat(4 * i) : file.getInt(4 * i);
    }
    return out;
  }

  private void compute(Node node, int batch) {
    List<Array> in = node.inputs().stream().map(values::get).toList();
    Array y = Array.of(node.output(0).spec().withBatch(batch).shape().dims());
    Op op = node.op();
    Array x = in.get(0);
    if (op instanceof Conv2d conv) {
      convolve(conv.geometry(), x, in.get(1), y, false);
      bias(in, y);
    } else if (op instanceof ConvTranspose2d conv) {
      convolve(conv.geometry(), y, in.get(1), x, true);
      bias(in, y);
    } else if (op instanceof BatchNorm norm) {
      batchNorm(norm, in, y);
    } else if (op instanceof Relu relu) {
      fill(y, at -> Math.min(Math.max(x.get(at), 0), relu.upper()));
    } else if (op instanceof Unary unary) {
      DoubleUnaryOperator f = function(unary);
      fill(y, at -> f.applyAsDouble(x.get(at)));
    } else if (op instanceof Add) {
      fill(y, at -> x.get(at) + in.get(1).get(at));
    } else if (op instanceof Binary binary) {
      DoubleBinaryOperator f = function(binary.function());
      fill(y, at -> f.applyAsDouble(x.broadcast(at), in.get(1).broadcast(at)));
    } else if (op instanceof Where) {
      fill(y, at -> in.get(x.broadcast(at) != 0 ? 1 : 2).broadcast(at));
    } else if (op instanceof Expand || op instanceof ToFloat) {
      fill(y, x::broadcast);
    } else if (op instanceof PRelu) {
      fill(y, at -> x.get(at) > 0 ? x.get(at) : x.get(at) * in.get(1).get(at[1]));
    } else if (op instanceof Linear) {
      fill(y, at -> dot(x.dim(1), k -> x.get(at[0], k) * in.get(1).get(at[1], k)));
      bias(in, y);
    } else if (op instanceof MatMul product) {
      multiply(product, x, in.get(1), y);
    } else if (op instanceof Flatten || op instanceof Reshape) {
      System.arraycopy(x.values, 0, y.values, 0, y.values.length);
    } else if (op instanceof Transpose transpose) {
      fill(y, at -> x.get(permuted(transpose, at)));
    } else if (op instanceof Slice slice) {
      fill(
          y,
          at -> {
            int[] from = at.clone();
            from[slice.axis()] = slice.start() + slice.step() * at[slice.axis()];
            return x.get(from);
          });
    } else if (op instanceof Concat concat) {
      fill(y, at -> joined(concat.axis(), in, at));
    } else if (op instanceof Pad pad) {
      fill(y, at -> padded(pad, x, at));
    } else if (op instanceof Gather gather) {
      fill(y, at -> gathered(gather.axis(), x, in.get(1), at));
    } else if (op instanceof Softmax softmax) {
      fill(y, at -> softmax(x, softmax.axis(), at));
    } else if (op instanceof LayerNorm norm) {
      layerNorm(norm, in, y);
    } else if (op instanceof Reduce reduce) {
      reduce(reduce, x, y);
    } else if (op instanceof MaxPool pool) {
      fill(y, at -> pooled(pool.window(), x, at, true, false));
    } else if (op instanceof AveragePool pool) {
      fill(y, at -> pooled(pool.window(), x, at, false, pool.countPadding()));
    } else if (op instanceof GlobalAveragePool) {
      int cells = x.dim(2) * x.dim(3);
      fill(y, at -> dot(cells, i -> x.get(at[0], at[1], i / x.dim(3), i % x.dim(3))) / cells);
    } else if (op instanceof Resize resize) {
      fill(y, at -> resized(resize, x, at));
    } else {
      throw new IllegalStateException("no rule for " + node);
    }
    values.put(node.output(0), y);
  }

  private interface Element {
    double at(int[] coordinates);
  }

  private interface Term {
    double at(int k);
  }

  private static void fill(Array y, Element element) {
    for (int i = 0; i < y.values.length; i++) {
      y.values[i] = element.at(y.at(i));
    }
  }

  private static double dot(int n, Term term) {
    double sum = 0;
    for (int k = 0; k < n; k++) {
      sum += term.at(k);
    }
    return sum;
  }

  private static void bias(List<Array> in, Array y) {
    if (in.size() > 2) {
      for (int i = 0; i < y.values.length; i++) {
        y.values[i] += in.get(2).get(y.at(i)[1]);
      }
    }
  }

  /** Visits every product of a convolution; transposed, the small image is spread to the large. */
  private static void convolve(
      ConvGeometry g, Array large, Array w, Array small, boolean transposed) {
    int inGroup = w.dim(1);
    int outGroup = w.dim(0) / g.groups();
    for (int i = 0; i < small.values.length; i++) {
      int[] at = small.at(i);
      int channel = at[1];
      int group = channel / outGroup;
      for (int c = 0; c < inGroup; c++) {
        for (int r = 0; r < w.dim(2); r++) {
          for (int s = 0; s < w.dim(3); s++) {
            int row = at[2] * g.strideH() - g.padTop() + r * g.dilationH();
            int column = at[3] * g.strideW() - g.padLeft() + s * g.dilationW();
            if (row < 0 || row >= large.dim(2) || column < 0 || column >= large.dim(3)) {
              continue;
            }
            double weight = w.get(channel, c, r, s);
            int from = group * inGroup + c;
            if (transposed) {
              large.add(weight * small.values[i], at[0], from, row, column);
            } else {
              small.values[i] += weight * large.get(at[0], from, row, column);
            }
          }
        }
      }
    }
  }

  private static void batchNorm(BatchNorm norm, List<Array> in, Array y) {
    for (int c = 0; c < y.dim(1); c++) {
      int channel = c;
      int[] own = IntStream.range(0, y.values.length).filter(i -> y.at(i)[1] == channel).toArray();
      double mean = in.get(3).get(c);
      double variance = in.get(4).get(c);
      if (norm.mode() == BatchNorm.Mode.TRAIN) {
        mean = Arrays.stream(own).mapToDouble(i -> in.get(0).values[i]).average().orElseThrow();
        double m = mean;
        variance =
            Arrays.stream(own)
                .mapToDouble(i -> Math.pow(in.get(0).values[i] - m, 2))
                .average()
                .orElseThrow();
      }
      double factor = in.get(1).get(c) / Math.sqrt(variance + norm.epsilon());
      for (int i : own) {
        y.values[i] = (in.get(0).values[i] - mean) * factor + in.get(2).get(c);
      }
    }
  }

  private static DoubleUnaryOperator function(Unary op) {
    double a = op.alpha();
    double b = op.beta();
    return switch (op.function()) {
      case AFFINE -> x -> a * x + b;
      case ABS -> Math::abs;
      case EXP -> Math::exp;
      case LOG -> Math::log;
      case SQRT -> Math::sqrt;
      case RECIPROCAL -> x -> 1 / x;
      case POW -> x -> Math.pow(x, a);
      case SIGMOID -> PlainJavaFloats::sigmoid;
      case TANH -> Math::tanh;
      case ERF -> PlainJavaFloats::erf;
      case GELU -> x -> x / 2 * (1 + erf(x / Math.sqrt(2)));
      case GELU_TANH ->
          x -> x / 2 * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x * x * x)));
      case HARD_SIGMOID -> x -> clip(a * x + b, 0, 1);
      case HARD_SWISH -> x -> x * clip(x / 6 + 0.5, 0, 1);
      case SILU -> x -> x * sigmoid(x);
      case SOFTPLUS -> x -> Math.log1p(Math.exp(-Math.abs(x))) + Math.max(x, 0);
      case LEAKY_RELU -> x -> x > 0 ? x : a * x;
      case ELU -> x -> x > 0 ? x : a * Math.expm1(x);
      case CLIP -> x -> clip(x, a, b);
    };
  }

  private static double sigmoid(double x) {
    return 1 / (1 + Math.exp(-x));
  }

  private static double clip(double x, double low, double high) {
    return Math.min(Math.max(x, low), high);
  }

  /** By its power series; where that loses digits it is 1. */
  static double erf(double x) {
    if (Math.abs(x) > 5) {
      return Math.signum(x);
    }
    double term = x;
    double sum = x;
    for (int n = 1; n < 200; n++) {
      term *= -x * x / n;
      sum += term / (2 * n + 1);
    }
    return 2 / Math.sqrt(Math.PI) * sum;
  }

  private static DoubleBinaryOperator function(Binary.Kind kind) {
    return switch (kind) {
      case ADD -> Double::sum;
      case SUB -> (a, b) -> a - b;
      case MUL -> (a, b) -> a * b;
      case DIV -> (a, b) -> a / b;
      case MIN -> Math::min;
      case MAX -> Math::max;
      case EQUAL -> (a, b) -> a == b ? 1 : 0;
      case LESS -> (a, b) -> a < b ? 1 : 0;
    };
  }

  private static void multiply(MatMul op, Array a, Array b, Array y) {
    int inner = a.dim(a.dims.length - (op.transA() ? 2 : 1));
    fill(
        y,
        at -> {
          int m = at[at.length - 2];
          int n = at[at.length - 1];
          return dot(
              inner,
              k ->
                  a.broadcast(ending(at, op.transA() ? k : m, op.transA() ? m : k))
                      * b.broadcast(ending(at, op.transB() ? n : k, op.transB() ? k : n)));
        });
  }

  private static int[] ending(int[] at, int row, int column) {
    int[] changed = at.clone();
    changed[at.length - 2] = row;
    changed[at.length - 1] = column;
    return changed;
  }

  private static int[] permuted(Transpose op, int[] at) {
    int[] from = new int[at.length];
    for (int i = 0; i < at.length; i++) {
      from[op.perm().get(i)] = at[i];
    }
    return from;
  }

  private static double joined(int axis, List<Array> in, int[] at) {
    int[] from = at.clone();
    for (Array part : in) {
      if (from[axis] < part.dim(axis)) {
        return part.get(from);
      }
      from[axis] -= part.dim(axis);
    }
    throw new IllegalStateException();
  }

  private static double padded(Pad pad, Array x, int[] at) {
    int[] from = at.clone();
    for (int i = 0; i < from.length; i++) {
      from[i] -= pad.before().get(i);
      if (from[i] < 0 || from[i] >= x.dim(i)) {
        return pad.value();
      }
    }
    return x.get(from);
  }

  private static double gathered(int axis, Array data, Array indices, int[] at) {
    int n = indices.dims.length;
    int row = (int) indices.get(Arrays.copyOfRange(at, axis, axis + n));
    int[] from = new int[data.dims.length];
    System.arraycopy(at, 0, from, 0, axis);
    from[axis] = row;
    System.arraycopy(at, axis + n, from, axis + 1, from.length - axis - 1);
    return data.get(from);
  }

  private static double softmax(Array x, int axis, int[] at) {
    int[] from = at.clone();
    double max = Double.NEGATIVE_INFINITY;
    for (int i = 0; i < x.dim(axis); i++) {
      from[axis] = i;
      max = Math.max(max, x.get(from));
    }
    double sum = 0;
    for (int i = 0; i < x.dim(axis); i++) {
      from[axis] = i;
      sum += Math.exp(x.get(from) - max);
    }
    return Math.exp(x.get(at) - max) / sum;
  }

  private static void layerNorm(LayerNorm norm, List<Array> in, Array y) {
    Array x = in.get(0);
    int inner = in.get(1).values.length;
    for (int start = 0; start < x.values.length; start += inner) {
      int from = start;
      double mean = dot(inner, k -> x.values[from + k]) / inner;
      double variance = dot(inner, k -> Math.pow(x.values[from + k] - mean, 2)) / inner;
      double deviation = Math.sqrt(variance + norm.epsilon());
      for (int k = 0; k < inner; k++) {
        double z = (x.values[from + k] - mean) / deviation;
        y.values[from + k] = z * in.get(1).values[k] + in.get(2).values[k];
      }
    }
  }

  private static void reduce(Reduce op, Array x, Array y) {
    List<List<Double>> groups = new ArrayList<>();
    for (int i = 0; i < y.values.length; i++) {
      groups.add(new ArrayList<>());
    }
    int[] kept = x.dims.clone();
    op.axes().forEach(axis -> kept[axis] = 1);
    Array places = Array.of(kept);
    for (int i = 0; i < x.values.length; i++) {
      int[] at = x.at(i);
      op.axes().forEach(axis -> at[axis] = 0);
      groups.get(places.index(at)).add(x.values[i]);
    }
    for (int i = 0; i < y.values.length; i++) {
      var group = groups.get(i).stream().mapToDouble(Double::doubleValue);
      y.values[i] =
          switch (op.function()) {
            case SUM -> group.sum();
            case MEAN -> group.average().orElseThrow();
            case MAX -> group.max().orElseThrow();
            case MIN -> group.min().orElseThrow();
          };
    }
  }

  private static double pooled(PoolWindow w, Array x, int[] at, boolean max, boolean countPadding) {
    double best = Double.NEGATIVE_INFINITY;
    double sum = 0;
    int cells = 0;
    for (int r = 0; r < w.kernelH(); r++) {
      for (int s = 0; s < w.kernelW(); s++) {
        int row = at[2] * w.strideH() - w.padTop() + r;
        int column = at[3] * w.strideW() - w.padLeft() + s;
        if (row >= 0 && row < x.dim(2) && column >= 0 && column < x.dim(3)) {
          double v = x.get(at[0], at[1], row, column);
          best = Math.max(best, v);
          sum += v;
          cells++;
        }
      }
    }
    return max ? best : sum / (countPadding ? w.kernelH() * w.kernelW() : cells);
  }

  private static double resized(Resize op, Array x, int[] at) {
    double u = position(op.coordinates(), at[2], op.scaleH(), x.dim(2), op.height());
    double v = position(op.coordinates(), at[3], op.scaleW(), x.dim(3), op.width());
    if (op.mode() != Resize.Mode.LINEAR) {
      boolean floor = op.mode() == Resize.Mode.NEAREST;
      double row = floor ? Math.floor(u) : Math.ceil(u - 0.5);
      double column = floor ? Math.floor(v) : Math.ceil(v - 0.5);
      return x.get(at[0], at[1], inside(row, x.dim(2)), inside(column, x.dim(3)));
    }
    double sum = 0;
    for (int r = 0; r < 2; r++) {
      for (int s = 0; s < 2; s++) {
        double row = Math.floor(u) + r;
        double column = Math.floor(v) + s;
        double weight = (1 - Math.abs(u - row)) * (1 - Math.abs(v - column));
        sum += weight * x.get(at[0], at[1], inside(row, x.dim(2)), inside(column, x.dim(3)));
      }
    }
    return sum;
  }

  private static int inside(double at, int size) {
    return (int) clip(at, 0, size - 1);
  }

  private static double position(Resize.Coordinates kind, int i, double scale, int from, int to) {
    return switch (kind) {
      case HALF_PIXEL -> (i + 0.5) / scale - 0.5;
      case ALIGN_CORNERS -> to == 1 ? 0 : (double) i * (from - 1) / (to - 1);
      case ASYMMETRIC -> i / scale;
    };
  }
}
