package org.quantrain.report;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import org.quantrain.graph.Graph;
import org.quantrain.graph.Node;
import org.quantrain.graph.Op;
import org.quantrain.graph.Value;
import org.quantrain.op.Add;
import org.quantrain.op.AddCodes;
import org.quantrain.op.AveragePool;
import org.quantrain.op.AveragePoolCodes;
import org.quantrain.op.BatchNorm;
import org.quantrain.op.Binary;
import org.quantrain.op.Concat;
import org.quantrain.op.ConcatCodes;
import org.quantrain.op.Conv2d;
import org.quantrain.op.ConvCodes;
import org.quantrain.op.ConvGeometry;
import org.quantrain.op.ConvTranspose2d;
import org.quantrain.op.Flatten;
import org.quantrain.op.Gather;
import org.quantrain.op.GlobalAveragePool;
import org.quantrain.op.GlobalPoolSum;
import org.quantrain.op.LayerNorm;
import org.quantrain.op.Linear;
import org.quantrain.op.LinearCodes;
import org.quantrain.op.MatMul;
import org.quantrain.op.MatMulCodes;
import org.quantrain.op.MaxPool;
import org.quantrain.op.OnGrid;
import org.quantrain.op.PRelu;
import org.quantrain.op.PadCodes;
import org.quantrain.op.PoolWindow;
import org.quantrain.op.Quantize;
import org.quantrain.op.Reduce;
import org.quantrain.op.Relu;
import org.quantrain.op.Reshape;
import org.quantrain.op.Resize;
import org.quantrain.op.Slice;
import org.quantrain.op.Softmax;
import org.quantrain.op.Transpose;
import org.quantrain.op.Unary;
import org.quantrain.op.Where;
import org.quantrain.tensor.HostTensor;
import org.quantrain.tensor.QuantSpec;
import org.quantrain.tensor.Shape;

/** The layers of a network, float or integer, read off its graph and contents. */
public final class LayerTable {
  private static final int FLOAT_BITS = 32;

  private final Graph graph;
  private final Map<String, HostTensor> contents;

  private LayerTable(Graph graph, Map<String, HostTensor> contents) {
    this.graph = graph;
    this.contents = contents;
  }

  /**
   * A row for every layer that computes: products, adds, concatenations, pools and batch norms;
   * and, between layers on codes, for every operation that stays float.
   *
   * @param contents of the graph's parameters and state; what is missing is left out of the rows
   */
  public static List<LayerRow> of(Graph graph, Map<String, HostTensor> contents) {
    LayerTable table = new LayerTable(graph, contents);
    List<LayerRow> rows = new ArrayList<>();
    boolean onCodes = graph.nodes().stream().anyMatch(n -> n.op() instanceof Quantize);
    for (Node node : graph.nodes()) {
      LayerRow row = table.row(node);
      if (row == null && onCodes && isFloat(node.op())) {
        row = table.plain(node, "float " + function(node.op()), parameters(node));
      }
      if (row != null) {
        rows.add(row);
      }
    }
    return rows;
  }

  private static boolean isFloat(Op op) {
    return op instanceof LayerNorm
        || op instanceof Softmax
        || op instanceof Unary
        || op instanceof Binary
        || op instanceof Gather
        || op instanceof Reduce
        || op instanceof Where
        || op instanceof PRelu
        || op instanceof Relu
        || op instanceof Resize
        || op instanceof MatMul
        || op instanceof ConvTranspose2d;
  }

  /** In words, as in "layer norm". */
  private static String function(Op op) {
    String name = op.kind().replaceAll("(?<=[a-z])(?=[A-Z])", " ");
    if (op instanceof Unary unary) {
      name = unary.function().name();
    } else if (op instanceof Binary binary) {
      name = binary.function().name();
    }
    return name.toLowerCase(Locale.ROOT).replace('_', ' ');
  }

  private static long parameters(Node node) {
    return node.inputs().stream()
        .filter(Value::isPersistent)
        .mapToLong(v -> v.spec().shape().elements())
        .sum();
  }

  private LayerRow row(Node node) {
    Op op = node.op();
    if (op instanceof ConvCodes conv) {
      return product(node, kernel(conv.geometry(), node.input(3)), node.input(3));
    } else if (op instanceof LinearCodes) {
      return product(node, "linear", node.input(3));
    } else if (op instanceof MatMulCodes) {
      Shape a = node.input(0).spec().shape();
      Shape y = node.output(0).spec().shape();
      long products = Math.abs(Arrays.stream(y.dims()).asLongStream().reduce(1, (p, q) -> p * q));
      long macs = products * a.dim(a.rank() - 1);
      LayerRow.Activation x = activation(node);
      return new LayerRow(name(node), "product", sample(y), 0, macs, null, x);
    } else if (op instanceof Conv2d conv) {
      return product(node, kernel(conv.geometry(), node.input(1)), node.input(1));
    } else if (op instanceof Linear) {
      return product(node, "linear", node.input(1));
    } else if (op instanceof BatchNorm) {
      return plain(node, "batch norm", 4L * node.input(1).spec().shape().elements());
    } else if (op instanceof AddCodes || op instanceof Add) {
      return plain(node, "add", 0);
    } else if (op instanceof ConcatCodes || op instanceof Concat) {
      return plain(node, "concat", 0);
    } else if (op instanceof Gather && node.input(0).spec().dtype().isCodes()) {
      return plain(node, "table", node.input(0).spec().shape().elements());
    } else if (op instanceof MaxPool pool) {
      return plain(node, "max pool " + window(pool.window()), 0);
    } else if (op instanceof AveragePool pool) {
      return plain(node, "average pool " + window(pool.window()), 0);
    } else if (op instanceof AveragePoolCodes pool) {
      return plain(node, "average pool " + window(pool.window()), 0);
    } else if (op instanceof GlobalAveragePool || op instanceof GlobalPoolSum) {
      return plain(node, "global average pool", 0);
    }
    return null;
  }

  private static String kernel(ConvGeometry geometry, Value weight) {
    Shape w = weight.spec().shape();
    boolean depthwise = geometry.groups() > 1 && w.dim(1) == 1;
    String groups = geometry.groups() > 1 && !depthwise ? ", groups " + geometry.groups() : "";
    return (depthwise ? "depthwise " : "conv ")
        + w.dim(2)
        + "x"
        + w.dim(3)
        + stride(geometry.strideH(), geometry.strideW())
        + groups;
  }

  private static String window(PoolWindow window) {
    return window.kernelH() + "x" + window.kernelW() + stride(window.strideH(), window.strideW());
  }

  private static String stride(int h, int w) {
    if (h == 1 && w == 1) {
      return "";
    }
    return h == w ? " / " + h : " / " + h + "x" + w;
  }

  private LayerRow plain(Node node, String kind, long parameters) {
    Value y = node.output(0);
    return new LayerRow(
        name(node), kind, sample(y.spec().shape()), parameters, 0, null, activation(node));
  }

  private LayerRow product(Node node, String kind, Value weight) {
    Shape w = weight.spec().shape();
    Shape y = node.output(0).spec().shape();
    // Every output element of a channel is one product with that channel's weights.
    long macs = y.elementsPerSample() * w.elementsPerSample();
    long parameters = w.elements() + (hasBias(node) ? w.dim(0) : 0);
    return new LayerRow(
        name(node), kind, sample(y), parameters, macs, weights(node, weight), activation(node));
  }

  private boolean hasBias(Node node) {
    if (node.op() instanceof Conv2d || node.op() instanceof Linear) {
      return node.inputs().size() > 2;
    }
    return true; // Integer layers always have one: batch norm went into it.
  }

  private LayerRow.Weights weights(Node node, Value weight) {
    HostTensor w = contents.get(weight.name());
    if (w == null) {
      return null;
    }
    if (!w.spec().dtype().isCodes()) {
      float min = Float.POSITIVE_INFINITY;
      float max = Float.NEGATIVE_INFINITY;
      for (float x : w.floats()) {
        min = Math.min(min, x);
        max = Math.max(max, x);
      }
      return new LayerRow.Weights(FLOAT_BITS, Float.NaN, Float.NaN, 0, min, max, 0, new long[0]);
    }
    int[] codes = w.codes();
    HostTensor scaleTensor = contents.get(node.input(4).name());
    float[] scales = scaleTensor == null ? new float[] {Float.NaN} : scaleTensor.floats();
    int bits = QuantSpec.signedBits(codes);
    int last = (1 << (bits - 1)) - 1;
    long[] histogram = new long[2 * last + 2]; // from -last - 1
    float min = 0;
    float max = 0;
    int perChannel = codes.length / w.spec().shape().dim(0);
    for (int i = 0; i < codes.length; i++) {
      histogram[codes[i] + last + 1]++;
      float x = codes[i] * scales[scales.length == 1 ? 0 : i / perChannel];
      min = Math.min(min, x);
      max = Math.max(max, x);
    }
    float smallest = scales[0];
    float largest = scales[0];
    for (float scale : scales) {
      smallest = Math.min(smallest, scale);
      largest = Math.max(largest, scale);
    }
    return new LayerRow.Weights(
        bits, smallest, largest, scales.length, min, max, -last - 1, histogram);
  }

  private LayerRow.Activation activation(Node node) {
    boolean product =
        node.op() instanceof ConvCodes
            || node.op() instanceof LinearCodes
            || node.op() instanceof MatMulCodes;
    int scaleAt = product ? 1 : -1;
    QuantSpec spec = specOf(node.input(0));
    if (scaleAt < 0 || spec == null) {
      return null;
    }
    HostTensor scale = contents.get(node.input(scaleAt).name());
    HostTensor zero = contents.get(node.input(scaleAt + 1).name());
    if (scale == null || zero == null) {
      return null;
    }
    float s = scale.floats()[0];
    int z = zero.ints()[0];
    return new LayerRow.Activation(spec.bits(), s, z, s * (spec.qmin() - z), s * (spec.qmax() - z));
  }

  /** The grid of a codes value; null if it is none. */
  private QuantSpec specOf(Value codes) {
    Optional<Node> producer = graph.producer(codes);
    if (producer.isEmpty()) {
      return null;
    }
    Op op = producer.get().op();
    if (op instanceof OnGrid made) {
      return made.spec();
    } else if (op instanceof MaxPool
        || op instanceof Flatten
        || op instanceof Reshape
        || op instanceof Transpose
        || op instanceof Slice
        || op instanceof Gather
        || op instanceof PadCodes) {
      return specOf(producer.get().input(0));
    }
    return null;
  }

  /**
   * What a product computes is named after its output, where a ReLU follows; its weights are not.
   */
  private static String name(Node node) {
    boolean product = node.op() instanceof ConvCodes || node.op() instanceof LinearCodes;
    String name = product ? node.input(3).name() : node.name();
    return name.replaceFirst("^.*/float/", "")
        .replaceFirst("/(codes|acc)$", "")
        .replaceFirst("[._](weight|codes|acc)$", "");
  }

  private static Shape sample(Shape shape) {
    int[] dims = shape.dims();
    return Shape.of(Arrays.copyOfRange(dims, 1, dims.length));
  }
}
