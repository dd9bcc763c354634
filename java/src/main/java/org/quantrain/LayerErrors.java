package org.quantrain;

import java.nio.FloatBuffer;
import java.nio.IntBuffer;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.quantrain.data.Batches;
import org.quantrain.data.DataSource;
import org.quantrain.graph.Graph;
import org.quantrain.graph.Model;
import org.quantrain.graph.Node;
import org.quantrain.graph.Op;
import org.quantrain.graph.Value;
import org.quantrain.onnx.QdqWriter;
import org.quantrain.op.AddCodes;
import org.quantrain.op.AveragePoolCodes;
import org.quantrain.op.ConvCodes;
import org.quantrain.op.DequantizeAcc;
import org.quantrain.op.FoldWeight;
import org.quantrain.op.GlobalPoolSum;
import org.quantrain.op.LinearCodes;
import org.quantrain.op.Lowering;
import org.quantrain.op.MatMulCodes;
import org.quantrain.op.Quantize;
import org.quantrain.op.Requantize;
import org.quantrain.op.RequantizeCodes;
import org.quantrain.pass.Phase;
import org.quantrain.pass.Pipelines;
import org.quantrain.plan.Plan;
import org.quantrain.plan.PlanCompiler;
import org.quantrain.plan.PlanOptions;
import org.quantrain.runtime.Backend;
import org.quantrain.runtime.ParameterStore;
import org.quantrain.tensor.HostTensor;

/** Runs a network with and without its quantizers and compares, layer by layer. */
final class LayerErrors {
  private static final int BATCH = 32;
  private static final String CODES = ".codes";

  /** A result to compare: its node in the graph on codes, its value in the float graph. */
  private static final class Row {
    private final Node node;
    private final Value codes;
    private final Value scale;
    private final Value zeroPoint;
    private final int bits;
    private Value real;
    private double signal;
    private double noise;

    Row(Node node, Value scale, Value zeroPoint, int bits) {
      this.node = node;
      this.codes = node.output(0);
      this.scale = scale;
      this.zeroPoint = zeroPoint;
      this.bits = bits;
    }
  }

  private final Model model;
  private final Graph integer;
  private final Graph real;
  private final List<Row> rows = new ArrayList<>();

  private LayerErrors(Model model) {
    this.model = model;
    this.integer = Pipelines.forward(model.graph(), Phase.EVAL, Lowering.INTEGER);
    this.real = Pipelines.withoutQuantizers(model.graph());
    Map<String, Value> reals = new HashMap<>();
    real.inputs().forEach(v -> reals.put(v.name(), v));
    real.nodes().forEach(n -> reals.put(n.output(0).name(), n.output(0)));
    for (Node node : integer.nodes()) {
      Row row = row(node);
      if (row != null) {
        String name = row.codes.name();
        String quantizer =
            name.endsWith(CODES) ? name.substring(0, name.length() - CODES.length()) : name;
        row.real =
            row.scale == null
                ? real.outputs().get(0)
                : reals.get(quantizer.replaceFirst("\\.b\\d$", ""));
        if (row.real != null) {
          rows.add(row);
        }
      }
    }
  }

  /** Null for a node whose result is no layer's. */
  private Row row(Node node) {
    Op op = node.op();
    if (op instanceof Quantize quantize) {
      return new Row(node, node.input(1), node.input(2), quantize.spec().bits());
    } else if (op instanceof Requantize requantize) {
      Node multiplier = integer.producer(node.input(1)).orElseThrow();
      return new Row(node, multiplier.input(1), node.input(2), requantize.spec().bits());
    } else if (op instanceof AddCodes add) {
      return new Row(node, node.input(6), node.input(7), add.spec().bits());
    } else if (op instanceof AveragePoolCodes pool) {
      return new Row(node, node.input(3), node.input(4), pool.spec().bits());
    } else if (op instanceof RequantizeCodes requantize) {
      return new Row(node, node.input(3), node.input(4), requantize.spec().bits());
    } else if (op instanceof DequantizeAcc && integer.outputs().contains(node.output())) {
      return new Row(node, null, null, 32);
    }
    return null;
  }

  /** All layers in order, over all images. */
  static List<LayerError> of(Backend backend, Model model, DataSource images) {
    LayerErrors errors = new LayerErrors(model);
    try (ParameterStore realStore =
            new ParameterStore(backend, errors.real.persistent(), model.contents());
        ParameterStore integerStore =
            new ParameterStore(backend, errors.integer.persistent(), model.contents());
        Plan realPlan =
            PlanCompiler.compile(
                errors.real,
                BATCH,
                backend,
                realStore,
                PlanOptions.defaults().keep(errors.rows.stream().map(r -> r.real).toList()));
        Plan integerPlan =
            PlanCompiler.compile(
                errors.integer,
                BATCH,
                backend,
                integerStore,
                PlanOptions.defaults().keep(errors.kept()))) {
      errors.measure(realPlan, integerPlan, images);
      return errors.finish(integerPlan);
    }
  }

  private Set<Value> kept() {
    Set<Value> kept = new HashSet<>();
    rows.forEach(row -> kept.add(row.codes));
    for (Node node : integer.nodes()) {
      if (node.op() instanceof FoldWeight) {
        kept.add(node.output(0));
        kept.add(node.output(1));
      }
    }
    for (Row row : rows) {
      if (row.scale != null) {
        kept.add(row.scale);
        kept.add(row.zeroPoint);
      }
    }
    return kept;
  }

  private void measure(Plan realPlan, Plan integerPlan, DataSource images) {
    Batches batches = Batches.inOrder(images, BATCH);
    FloatBuffer pixels = realPlan.input(real.inputs().get(0)).asFloatBuffer();
    FloatBuffer same = integerPlan.input(integer.inputs().get(0)).asFloatBuffer();
    IntBuffer labels = batches.allocateLabels();
    for (int b = 0; b < batches.batchesPerEpoch(); b++) {
      int valid = batches.fill(0, b, pixels, labels);
      same.put(0, pixels, 0, pixels.capacity());
      realPlan.run();
      integerPlan.run();
      for (Row row : rows) {
        add(row, realPlan.read(row.real).floats(), integerPlan, valid);
      }
    }
  }

  private static void add(Row row, float[] x, Plan plan, int valid) {
    int count = x.length / BATCH * valid;
    HostTensor result = plan.read(row.codes);
    if (row.scale == null) {
      float[] y = result.floats();
      for (int i = 0; i < count; i++) {
        row.signal += (double) x[i] * x[i];
        row.noise += ((double) x[i] - y[i]) * ((double) x[i] - y[i]);
      }
      return;
    }
    int[] codes = result.codes();
    double scale = plan.read(row.scale).floats()[0];
    int zeroPoint = plan.read(row.zeroPoint).ints()[0];
    for (int i = 0; i < count; i++) {
      double error = x[i] - scale * (codes[i] - zeroPoint);
      row.signal += (double) x[i] * x[i];
      row.noise += error * error;
    }
  }

  private List<LayerError> finish(Plan plan) {
    List<LayerError> errors = new ArrayList<>();
    for (Row row : rows) {
      Node product = product(row.node);
      Node fold = product == null ? null : integer.producer(product.input(3)).orElseThrow();
      boolean logits = row.scale == null;
      errors.add(
          new LayerError(
              product == null ? row.real.name() : QdqWriter.layerName(product),
              kind(row.node, product),
              fold == null ? 0 : ((FoldWeight) fold.op()).spec().bits(),
              fold == null ? Double.NaN : weightSqnr(fold, plan),
              row.bits,
              logits ? Float.NaN : plan.read(row.scale).floats()[0],
              logits ? 0 : plan.read(row.zeroPoint).ints()[0],
              decibels(row.signal, row.noise)));
    }
    return errors;
  }

  /** The convolution or linear layer that a node finishes; null for another kind of layer. */
  private Node product(Node node) {
    Node producer = integer.producer(node.input(0)).orElse(null);
    return producer != null
            && (producer.op() instanceof ConvCodes || producer.op() instanceof LinearCodes)
        ? producer
        : null;
  }

  private String kind(Node node, Node product) {
    if (product != null) {
      return product.op() instanceof ConvCodes ? "conv" : "linear";
    } else if (node.op() instanceof AddCodes) {
      return "add";
    } else if (node.op() instanceof RequantizeCodes) {
      return "narrower";
    } else if (node.op() instanceof Quantize) {
      return integer.inputs().contains(node.input(0)) ? "input" : "float";
    } else if (integer.producer(node.input(0)).orElseThrow().op() instanceof MatMulCodes) {
      return "product";
    }
    boolean pool =
        node.op() instanceof AveragePoolCodes
            || integer.producer(node.input(0)).orElseThrow().op() instanceof GlobalPoolSum;
    return pool ? "average pool" : node.op().kind();
  }

  private double weightSqnr(Node fold, Plan plan) {
    FoldWeight op = (FoldWeight) fold.op();
    float[] w = model.contents().get(fold.input(0).name()).floats();
    int[] codes = plan.read(fold.output(0)).codes();
    float[] scale = plan.read(fold.output(1)).floats();
    double[] factor = new double[scale.length]; // of batch norm
    for (int k = 0; k < factor.length; k++) {
      factor[k] = 1;
      if (op.hasBatchNorm()) {
        float gamma = vector(fold, FoldWeight.GAMMA)[k];
        float variance = vector(fold, FoldWeight.GAMMA + 3)[k];
        factor[k] = gamma / Math.sqrt((double) variance + op.epsilon());
      }
    }
    int each = w.length / scale.length;
    double signal = 0;
    double noise = 0;
    for (int i = 0; i < w.length; i++) {
      double x = factor[i / each] * w[i];
      double error = x - (double) scale[i / each] * codes[i];
      signal += x * x;
      noise += error * error;
    }
    return decibels(signal, noise);
  }

  private float[] vector(Node node, int input) {
    return model.contents().get(node.input(input).name()).floats();
  }

  private static double decibels(double signal, double noise) {
    return noise == 0 ? Double.POSITIVE_INFINITY : 10 * Math.log10(signal / noise);
  }
}
