package org.quantrain.zoo;

import java.util.HashMap;
import java.util.Map;
import java.util.Random;
import java.util.function.DoubleSupplier;
import org.quantrain.graph.GraphBuilder;
import org.quantrain.graph.Model;
import org.quantrain.graph.Node;
import org.quantrain.graph.Op;
import org.quantrain.graph.Value;
import org.quantrain.op.Add;
import org.quantrain.op.BatchNorm;
import org.quantrain.op.Concat;
import org.quantrain.op.Conv2d;
import org.quantrain.op.ConvGeometry;
import org.quantrain.op.Flatten;
import org.quantrain.op.GlobalAveragePool;
import org.quantrain.op.Linear;
import org.quantrain.op.MaxPool;
import org.quantrain.op.PoolWindow;
import org.quantrain.op.Relu;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.HostTensor;
import org.quantrain.tensor.Shape;
import org.quantrain.tensor.TensorSpec;

/**
 * Builds a float network layer by layer, with its initial weights.
 *
 * <p>Convolutions: normal with variance 2 / (K * R * S) (He et al. 2015, arXiv:1502.01852, equation
 * 14: fan out); linear layers: normal with variance 2 / I before a ReLU and 1 / I else; biases
 * zero; batch norm gamma 1, beta 0. The weights depend on the seed and the order of the layers
 * only.
 */
public final class NetworkBuilder {
  /** Epsilon and momentum (weight of the new batch) of every batch norm. */
  private static final float EPSILON = 1e-5f;

  private static final float MOMENTUM = 0.1f;

  private final GraphBuilder builder = new GraphBuilder();
  private final Map<String, HostTensor> contents = new HashMap<>();
  private final Random random;

  public NetworkBuilder(long seed) {
    this.random = new Random(seed);
  }

  /** The network's input, [N, channels, height, width]. */
  public Value input(int channels, int height, int width) {
    return input("input", TensorSpec.f32(Shape.BATCH, channels, height, width));
  }

  Value input(String name, TensorSpec spec) {
    return builder.input(name, spec);
  }

  /** Any operation; its first output. */
  Value node(String name, Op op, Value... inputs) {
    return builder.node(name, op, inputs).output(0);
  }

  /** Convolution without bias; square kernel. */
  public Value conv(String name, Value x, int channels, int kernel, ConvGeometry geometry) {
    return builder.add(name, new Conv2d(geometry), x, kernel(name, x, channels, kernel, geometry));
  }

  /** Convolution with bias; square kernel. */
  public Value convBias(String name, Value x, int channels, int kernel, ConvGeometry geometry) {
    Value w = kernel(name, x, channels, kernel, geometry);
    return builder.add(name, new Conv2d(geometry), x, w, vector(name + ".bias", channels, 0));
  }

  private Value kernel(String name, Value x, int channels, int kernel, ConvGeometry geometry) {
    int in = x.spec().shape().dim(1) / geometry.groups();
    double fanOut = (double) channels * kernel * kernel / geometry.groups();
    return normal(name + ".weight", Shape.of(channels, in, kernel, kernel), Math.sqrt(2 / fanOut));
  }

  public Value batchNorm(String name, Value x) {
    int c = x.spec().shape().dim(1);
    Node node =
        builder.node(
            name,
            new BatchNorm(EPSILON, MOMENTUM, BatchNorm.Mode.TRAIN),
            x,
            vector(name + ".gamma", c, 1),
            vector(name + ".beta", c, 0),
            state(name + ".mean", c, 0),
            state(name + ".var", c, 1));
    return node.output(0);
  }

  public Value relu(String name, Value x) {
    return builder.add(name, new Relu(), x);
  }

  /** min(max(x, 0), upper): ReLU6 with 6, ReLU with infinity. */
  public Value relu(String name, Value x, float upper) {
    return builder.add(name, new Relu(upper), x);
  }

  public Value add(String name, Value a, Value b) {
    return builder.add(name, new Add(), a, b);
  }

  /** Channels of all the values, one after the other. */
  public Value concat(String name, Value... parts) {
    return builder.add(name, new Concat(1), parts);
  }

  public Value maxPool(String name, Value x, PoolWindow window) {
    return builder.node(name, new MaxPool(window), x).output(0);
  }

  public Value globalAveragePool(String name, Value x) {
    return builder.add(name, new GlobalAveragePool(), x);
  }

  public Value flatten(String name, Value x) {
    return builder.add(name, new Flatten(), x);
  }

  /**
   * Linear layer with bias.
   *
   * @param gain 2 before a ReLU, 1 else
   */
  public Value linear(String name, Value x, int features, double gain) {
    int in = x.spec().shape().dim(1);
    Value w = normal(name + ".weight", Shape.of(features, in), Math.sqrt(gain / in));
    return builder.add(name, new Linear(), x, w, vector(name + ".bias", features, 0));
  }

  /** Convolution with bias whose windows lie side by side, its weights of variance 1 / fan in. */
  Value patches(String name, Value x, int channels, ConvGeometry geometry) {
    int side = geometry.strideH();
    Shape shape = Shape.of(channels, x.spec().shape().dim(1), side, side);
    Value w = normal(name + ".weight", shape, Math.sqrt(1.0 / shape.elementsPerSample()));
    return builder.add(name, new Conv2d(geometry), x, w, vector(name + ".bias", channels, 0));
  }

  /** What is not trained, row-major. */
  Value constant(String name, Shape shape, float[] values) {
    contents.put(name, HostTensor.of(shape, values));
    return builder.state(name, new TensorSpec(DType.F32, shape));
  }

  public Model build(String name, Value logits) {
    return new Model(name, builder.build(logits), contents);
  }

  Value normal(String name, Shape shape, double deviation) {
    return drawn(name, shape, () -> random.nextGaussian() * deviation);
  }

  /** Normal, drawn again beyond two deviations. */
  Value truncated(String name, Shape shape, double deviation) {
    return drawn(
        name,
        shape,
        () -> {
          double x = random.nextGaussian();
          while (Math.abs(x) > 2) {
            x = random.nextGaussian();
          }
          return x * deviation;
        });
  }

  /** Between the negative bound and the bound. */
  Value uniform(String name, Shape shape, double bound) {
    return drawn(name, shape, () -> (2 * random.nextDouble() - 1) * bound);
  }

  private Value drawn(String name, Shape shape, DoubleSupplier draw) {
    float[] values = new float[Math.toIntExact(shape.elements())];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) draw.getAsDouble();
    }
    contents.put(name, HostTensor.of(shape, values));
    return builder.param(name, new TensorSpec(DType.F32, shape));
  }

  Value vector(String name, int n, float value) {
    contents.put(name, HostTensor.filled(Shape.of(n), value));
    return builder.param(name, TensorSpec.f32(n));
  }

  private Value state(String name, int n, float value) {
    contents.put(name, HostTensor.filled(Shape.of(n), value));
    return builder.state(name, TensorSpec.f32(n));
  }
}
