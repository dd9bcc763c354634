package org.quantrain.benchmarks;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.SGD;
import org.bytedeco.pytorch.SGDOptions;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.quantrain.graph.Graph;
import org.quantrain.graph.Model;
import org.quantrain.graph.Node;
import org.quantrain.graph.Value;
import org.quantrain.op.FakeQuant;
import org.quantrain.tensor.QuantSpec;
import org.quantrain.tensor.Shape;

/**
 * The training step of a network in libtorch: the same graph, weights of its own, images
 * channels-last, softmax cross-entropy and SGD with momentum and weight decay. A step is forward,
 * backward and update on one batch that lies in memory.
 *
 * <p>Where the graph has a quantizer there is {@code fused_moving_avg_obs_fake_quant}, on the same
 * grid. Batch norm is not folded, which is less work than PyTorch's own fused modules do. In
 * bfloat16 (autocast, its cache of weights off) the operator takes float only, so its inputs are
 * converted before.
 */
final class TorchTraining {
  private static final double AVERAGING = 0.01;

  private final Graph graph;
  private final int batch;
  private final boolean bf16;
  private final Map<Value, Tensor> tensors = new HashMap<>();
  private final Map<Node, FakeQuantizer> quantizers = new HashMap<>();
  private final List<Tensor> parameters = new ArrayList<>();
  private final Tensor images;
  private final Tensor labels;
  private final SGD optimizer;
  private float loss;

  /**
   * @param model with quantizers or without
   * @param classes of the network's output
   */
  TorchTraining(Model model, int batch, int classes, boolean bf16) {
    this.graph = model.graph();
    this.batch = batch;
    this.bf16 = bf16;
    for (Value value : graph.persistent()) {
      tensors.put(value, start(value, model));
    }
    Shape shape = graph.inputs().get(0).spec().shape().withBatch(batch);
    this.images = channelsLast(torch.randn(TorchOperators.dims(shape)));
    this.labels = torch.randint(classes, new long[] {batch}, type(torch.ScalarType.Long));
    SGDOptions options = new SGDOptions(0.01);
    options.momentum().put(0.9);
    options.weight_decay().put(1e-4);
    this.optimizer = new SGD(new TensorVector(parameters.toArray(Tensor[]::new)), options);
  }

  /**
   * One step.
   *
   * @throws IllegalArgumentException if the network has an operation that is not translated
   */
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
    values.put(graph.inputs().get(0), images);
    for (Node node : graph.nodes()) {
      List<Tensor> in = node.inputs().stream().map(values::get).toList();
      Tensor y =
          node.op() instanceof FakeQuant quant
              ? quantize(node, quant.spec(), in.get(0))
              : TorchOperators.run(node, in, batch);
      values.put(node.output(0), y);
    }
    return values.get(graph.outputs().get(0));
  }

  private Tensor quantize(Node node, QuantSpec spec, Tensor x) {
    FakeQuantizer quantizer =
        quantizers.computeIfAbsent(
            node, n -> new FakeQuantizer(spec.perChannel() ? n.input(0).spec().shape().dim(0) : 1));
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
        spec.qmin(),
        spec.qmax(),
        0,
        spec.perChannel(),
        spec.symmetric());
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
      tensor =
          channelsLast(
              torch.randn(TorchOperators.dims(shape)).mul_(new Scalar(Math.sqrt(2 / fan))));
    } else if (shape.rank() == 2) {
      double fan = shape.dim(1);
      tensor = torch.randn(TorchOperators.dims(shape)).mul_(new Scalar(Math.sqrt(1 / fan)));
    } else {
      boolean one = model.contents().get(value.name()).floats()[0] == 1;
      tensor =
          one ? torch.ones(TorchOperators.dims(shape)) : torch.zeros(TorchOperators.dims(shape));
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

  private static TensorOptions type(torch.ScalarType type) {
    return new TensorOptions(type);
  }
}
