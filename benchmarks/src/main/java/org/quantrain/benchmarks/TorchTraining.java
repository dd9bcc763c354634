package org.quantrain.benchmarks;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.MemoryFormatOptional;
import org.bytedeco.pytorch.SGD;
import org.bytedeco.pytorch.SGDOptions;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.quantrain.graph.Graph;
import org.quantrain.graph.Model;
import org.quantrain.graph.Node;
import org.quantrain.graph.Value;
import org.quantrain.op.Add;
import org.quantrain.op.BatchNorm;
import org.quantrain.op.Conv2d;
import org.quantrain.op.ConvGeometry;
import org.quantrain.op.Flatten;
import org.quantrain.op.GlobalAveragePool;
import org.quantrain.op.Linear;
import org.quantrain.op.MaxPool;
import org.quantrain.op.PoolWindow;
import org.quantrain.op.Relu;
import org.quantrain.tensor.Shape;

/**
 * The training step of a convolutional network in libtorch: the same graph, weights of its own,
 * channels-last, softmax cross-entropy and SGD with momentum and weight decay. A step is forward,
 * backward and update on one batch that lies in memory.
 *
 * <p>Quantized: {@code fused_moving_avg_obs_fake_quant} per channel on weights and per tensor on the
 * input of the network and on what each layer with its batch norm and activation leaves. Batch norm
 * is not folded, which is less work than PyTorch's own fused modules do. In bfloat16 (autocast, its
 * cache of weights off) the operator takes float only, so its inputs are converted before.
 */
final class TorchTraining {
  private static final int QMIN = -128;
  private static final int QMAX = 127;
  private static final double AVERAGING = 0.01;

  private final Graph graph;
  private final boolean quantized;
  private final boolean bf16;
  private final Map<Value, Tensor> tensors = new HashMap<>();
  private final Map<Value, FakeQuantizer> quantizers = new HashMap<>();
  private final List<Tensor> parameters = new ArrayList<>();
  private final Tensor images;
  private final Tensor labels;
  private final SGD optimizer;
  private float loss;

  /**
   * @param classes of the network's output
   * @throws IllegalArgumentException if the network has an operator that is not translated
   */
  TorchTraining(Model model, int batch, int classes, boolean quantized, boolean bf16) {
    this.graph = model.graph();
    this.quantized = quantized;
    this.bf16 = bf16;
    for (Value value : graph.persistent()) {
      tensors.put(value, start(value, model));
    }
    Shape shape = graph.inputs().get(0).spec().shape().withBatch(batch);
    this.images = channelsLast(torch.randn(dims(shape)));
    this.labels = torch.randint(classes, new long[] {batch}, type(torch.ScalarType.Long));
    SGDOptions options = new SGDOptions(0.01);
    options.momentum().put(0.9);
    options.weight_decay().put(1e-4);
    this.optimizer = new SGD(new TensorVector(parameters.toArray(Tensor[]::new)), options);
  }

  /** One step. */
  void step() {
    PointerScope scope = new PointerScope();
    try {
      torch.set_autocast_cache_enabled(false);
      torch.set_autocast_dtype(torch.DeviceType.CPU, torch.ScalarType.BFloat16);
      torch.set_autocast_enabled(torch.DeviceType.CPU, bf16);
      Tensor result = torch.cross_entropy_loss(forward(), labels);
      torch.set_autocast_enabled(torch.DeviceType.CPU, false);
      optimizer.zero_grad();
      result.backward();
      optimizer.step();
      loss = result.item_float();
    } finally {
      scope.close(); // the tensors that the step made
    }
  }

  /** Of the last step. */
  float loss() {
    return loss;
  }

  private Tensor forward() {
    Map<Value, Tensor> values = new HashMap<>(tensors);
    values.put(graph.inputs().get(0), quantize(graph.inputs().get(0), images, -1));
    for (Node node : graph.nodes()) {
      Tensor y = run(node, values);
      Value result = node.output(0);
      values.put(result, isEndOfLayer(node) ? quantize(result, y, -1) : y);
    }
    return values.get(graph.outputs().get(0));
  }

  private Tensor run(Node node, Map<Value, Tensor> values) {
    Tensor x = values.get(node.input(0));
    if (node.op() instanceof Conv2d conv) {
      ConvGeometry g = conv.geometry();
      requireSymmetric(node, g.padTop() == g.padBottom() && g.padLeft() == g.padRight());
      return torch.conv2d(
          x,
          quantize(node.input(1), values.get(node.input(1)), 0),
          optional(node, 2, values),
          new long[] {g.strideH(), g.strideW()},
          new long[] {g.padTop(), g.padLeft()},
          new long[] {g.dilationH(), g.dilationW()},
          g.groups());
    }
    if (node.op() instanceof Linear) {
      return torch.linear(
          x,
          quantize(node.input(1), values.get(node.input(1)), 0),
          optional(node, 2, values));
    }
    if (node.op() instanceof BatchNorm norm) {
      return torch.batch_norm(
          x,
          optional(node, 1, values),
          optional(node, 2, values),
          optional(node, 3, values),
          optional(node, 4, values),
          true,
          norm.momentum(),
          norm.epsilon(),
          true);
    }
    if (node.op() instanceof Relu relu) {
      return Float.isInfinite(relu.upper())
          ? torch.relu(x)
          : torch.hardtanh(x, new Scalar(0.0), new Scalar((double) relu.upper()));
    }
    if (node.op() instanceof Add) {
      return torch.add(x, values.get(node.input(1)));
    }
    if (node.op() instanceof MaxPool pool) {
      PoolWindow w = pool.window();
      requireSymmetric(node, w.padTop() == w.padBottom() && w.padLeft() == w.padRight());
      return torch.max_pool2d(
          x,
          new long[] {w.kernelH(), w.kernelW()},
          new long[] {w.strideH(), w.strideW()},
          new long[] {w.padTop(), w.padLeft()},
          new long[] {1, 1},
          false);
    }
    if (node.op() instanceof GlobalAveragePool) {
      return torch.adaptive_avg_pool2d(x, 1, 1);
    }
    if (node.op() instanceof Flatten) {
      return torch.flatten(x, 1, -1);
    }
    throw new IllegalArgumentException(
        "no translation to libtorch of " + node.op().kind() + " (" + node.name() + ")");
  }

  private static void requireSymmetric(Node node, boolean symmetric) {
    if (!symmetric) {
      throw new IllegalArgumentException(
          "libtorch pads both sides alike, which " + node.name() + " does not");
    }
  }

  private static TensorOptional optional(Node node, int input, Map<Value, Tensor> values) {
    return input < node.inputs().size()
        ? new TensorOptional(values.get(node.input(input)))
        : new TensorOptional();
  }

  /** Whether neither batch norm nor an activation follows, nor what leaves numbers as they are. */
  private boolean isEndOfLayer(Node node) {
    if (node.op() instanceof Flatten || node.op() instanceof MaxPool) {
      return false;
    }
    return graph.consumers(node.output(0)).stream()
        .noneMatch(n -> n.op() instanceof BatchNorm || n.op() instanceof Relu);
  }

  /**
   * @param axis of the channels, or -1: one scale for the tensor
   */
  private Tensor quantize(Value value, Tensor x, int axis) {
    if (!quantized) {
      return x;
    }
    FakeQuantizer quantizer =
        quantizers.computeIfAbsent(
            value, v -> new FakeQuantizer(axis < 0 ? 1 : v.spec().shape().dim(axis)));
    Tensor floats = bf16 ? x.to(torch.ScalarType.Float) : x;
    return torch.fused_moving_avg_obs_fake_quant(
        floats,
        quantizer.on,
        quantizer.on,
        quantizer.min,
        quantizer.max,
        quantizer.scale,
        quantizer.zeroPoint,
        AVERAGING,
        QMIN,
        QMAX,
        Math.max(axis, 0),
        axis >= 0,
        axis >= 0);
  }

  /** What an operator keeps between steps; made outside of any scope. */
  private static final class FakeQuantizer {
    final Tensor on;
    final Tensor min;
    final Tensor max;
    final Tensor scale;
    final Tensor zeroPoint;

    FakeQuantizer(long channels) {
      long[] shape = {channels};
      on = kept(torch.ones(new long[] {1}, type(torch.ScalarType.Long)));
      // The first batch's range is taken as it is.
      min = kept(torch.full(shape, new Scalar(Double.POSITIVE_INFINITY)));
      max = kept(torch.full(shape, new Scalar(Double.NEGATIVE_INFINITY)));
      scale = kept(torch.ones(shape));
      zeroPoint = kept(torch.zeros(shape, type(torch.ScalarType.Int)));
    }

    private static Tensor kept(Tensor tensor) {
      return tensor.retainReference();
    }
  }

  /** Weights as He et al. start them; scales and variances 1, the rest 0. */
  private Tensor start(Value value, Model model) {
    Shape shape = value.spec().shape();
    Tensor tensor;
    if (shape.rank() == 4) {
      double fan = (double) shape.elements() / shape.dim(0);
      tensor = channelsLast(torch.randn(dims(shape)).mul_(new Scalar(Math.sqrt(2 / fan))));
    } else if (shape.rank() == 2) {
      double fan = shape.dim(1);
      tensor = torch.randn(dims(shape)).mul_(new Scalar(Math.sqrt(1 / fan)));
    } else {
      boolean one = model.contents().get(value.name()).floats()[0] == 1;
      tensor = one ? torch.ones(dims(shape)) : torch.zeros(dims(shape));
    }
    if (value.role() == Value.Role.PARAM) {
      tensor.set_requires_grad(true);
      parameters.add(tensor);
    }
    return tensor;
  }

  private static Tensor channelsLast(Tensor tensor) {
    return tensor.contiguous(torch.MemoryFormat.ChannelsLast);
  }

  private static long[] dims(Shape shape) {
    long[] dims = new long[shape.rank()];
    for (int i = 0; i < dims.length; i++) {
      dims[i] = shape.dim(i);
    }
    return dims;
  }

  private static TensorOptions type(torch.ScalarType type) {
    return new TensorOptions(type);
  }
}
