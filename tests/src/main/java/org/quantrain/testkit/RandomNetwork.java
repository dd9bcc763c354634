package org.quantrain.testkit;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.quantrain.graph.GraphBuilder;
import org.quantrain.graph.Model;
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
import org.quantrain.op.Flatten;
import org.quantrain.op.GlobalAveragePool;
import org.quantrain.op.Linear;
import org.quantrain.op.MaxPool;
import org.quantrain.op.PRelu;
import org.quantrain.op.Pad;
import org.quantrain.op.PoolWindow;
import org.quantrain.op.Relu;
import org.quantrain.op.Resize;
import org.quantrain.op.Slice;
import org.quantrain.op.Unary;
import org.quantrain.pass.EliminateDead;
import org.quantrain.quant.QuantPolicy;
import org.quantrain.quant.Quantizer;
import org.quantrain.quant.Target;
import org.quantrain.tensor.HostTensor;
import org.quantrain.tensor.Shape;
import org.quantrain.tensor.TensorSpec;

/**
 * A network and a way to quantize it, both made from a seed alone: branches that are added and
 * concatenated, grouped, dilated and strided convolutions with padding that differs per side,
 * transposed ones, batch norm behind a layer and standing alone, slices, padding, all poolings, odd
 * sizes, 2 to 8 bits.
 *
 * <p>Every network can run in integers; one in three has operators in between that stay float:
 * activations of all kinds, products, squeeze-and-excitation, resized images.
 */
public final class RandomNetwork {
  public static final int CLASSES = 5;

  /** Images of more rows or columns are not made larger. */
  private static final int LARGEST = 12;

  private static final Op ABS = new Unary(Unary.Kind.ABS);

  private static final List<Op> ACTIVATIONS =
      List.of(
          ABS,
          new Unary(Unary.Kind.SIGMOID),
          new Unary(Unary.Kind.TANH),
          new Unary(Unary.Kind.GELU),
          new Unary(Unary.Kind.HARD_SIGMOID, 0.2f, 0.5f),
          new Unary(Unary.Kind.HARD_SWISH),
          new Unary(Unary.Kind.SILU),
          new Unary(Unary.Kind.SOFTPLUS),
          new Unary(Unary.Kind.LEAKY_RELU, 0.1f),
          new Unary(Unary.Kind.ELU, 1),
          new Unary(Unary.Kind.CLIP, -1, 2));

  private final Random random;
  private final boolean transposes;
  private final boolean floats;
  private final GraphBuilder builder = new GraphBuilder();
  private final Map<String, HostTensor> contents = new HashMap<>();
  private final List<Value> images = new ArrayList<>();
  private int names;

  private RandomNetwork(long seed, boolean transposes, boolean floats) {
    this.transposes = transposes;
    this.floats = floats;
    random = new Random(seed * 0x9E3779B97F4A7C15L);
  }

  /** The float network of a seed. */
  public static Model model(long seed) {
    return model(seed, true, seed % 3 == 0);
  }

  /** Convolutions are not transposed and nothing stays float: what every target has in integers. */
  public static Model plain(long seed) {
    return model(seed, false, false);
  }

  private static Model model(long seed, boolean transposes, boolean floats) {
    RandomNetwork net = new RandomNetwork(seed, transposes, floats);
    Value logits = net.classifier(net.body());
    return new Model(
        "random" + seed, EliminateDead.apply(net.builder.build(logits)), net.contents);
  }

  /** How the network of a seed is quantized. */
  public static QuantPolicy policy(long seed) {
    Random random = new Random(~seed * 0x9E3779B97F4A7C15L);
    QuantPolicy policy =
        QuantPolicy.forTarget(Target.ORT)
            .weights(2 + random.nextInt(7))
            .activations(2 + random.nextInt(7))
            .firstAndLast(random.nextInt(3) > 0 ? 8 : 2 + random.nextInt(7));
    return switch (random.nextInt(6)) {
      case 0 -> policy.perTensorWeights();
      case 1 -> policy.quantizer(Quantizer.LSQ);
      case 2 -> policy.quantizer(Quantizer.values()[random.nextInt(Quantizer.values().length)]);
      default -> policy;
    };
  }

  // ---- structure

  private Value body() {
    int side = 6 + random.nextInt(9);
    TensorSpec spec =
        TensorSpec.f32(Shape.BATCH, 1 + random.nextInt(4), side, side + random.nextInt(5) - 2);
    Value at = builder.input("input", spec);
    if (random.nextInt(4) > 0) {
      at = layer(at);
    }
    images.add(at);
    int steps = 3 + random.nextInt(8);
    for (int i = 0; i < steps; i++) {
      // Mostly onwards, at times from an earlier value: a branch.
      Value from = random.nextInt(3) > 0 ? last() : any();
      images.add(step(from));
    }
    return last();
  }

  private Value last() {
    return images.get(images.size() - 1);
  }

  private Value any() {
    return images.get(random.nextInt(images.size()));
  }

  private Value step(Value x) {
    return switch (random.nextInt(17)) {
      case 0 -> pooled(x, true);
      case 1 -> pooled(x, false);
      case 2 -> activated(batchNorm(x));
      case 3, 4 -> sum(x);
      case 5, 6 -> concat(x);
      case 7 -> reluBehindPool(layerWithoutActivation(x));
      case 8 -> slice(x);
      case 9 -> pad(x);
      case 10 -> transposes && Math.max(dim(x, 2), dim(x, 3)) <= LARGEST ? transposed(x) : layer(x);
      case 11 -> add("relu", random.nextBoolean() ? new Relu() : new Relu(6), x);
      case 12, 13 -> floats ? inFloats(x) : layer(x);
      default -> layer(x);
    };
  }

  private Value layer(Value x) {
    return activated(layerWithoutActivation(x));
  }

  private Value layerWithoutActivation(Value x) {
    boolean norm = random.nextBoolean();
    // A bias before batch norm is legal, too.
    Value y = conv(x, !norm || random.nextInt(4) == 0);
    return norm ? batchNorm(y) : y;
  }

  private Value activated(Value x) {
    return switch (random.nextInt(4)) {
      case 0 -> x;
      case 1 -> add("relu", new Relu(6), x);
      default -> add("relu", new Relu(), x);
    };
  }

  private Value sum(Value x) {
    Value other = equal(x);
    boolean first = random.nextBoolean();
    return activated(add("add", new Add(), first ? x : other, first ? other : x));
  }

  /** A value of equal shape that there is, or one that a layer makes so, or itself. */
  private Value equal(Value x) {
    List<Value> equal =
        images.stream().filter(v -> v != x && v.spec().equals(x.spec())).toList();
    if (random.nextInt(8) == 0) {
      return x;
    }
    if (!equal.isEmpty()) {
      return equal.get(random.nextInt(equal.size()));
    }
    return conv(x, dim(x, 1), 3, 3, ConvGeometry.of(1, 1), random.nextBoolean());
  }

  /** What no target has in integers. */
  private Value inFloats(Value x) {
    return switch (random.nextInt(5)) {
      case 0 -> add("product", new Binary(Binary.Kind.MUL), x, equal(x));
      case 1 -> excited(x);
      case 2 -> Math.max(dim(x, 2), dim(x, 3)) <= LARGEST ? resized(x) : add("abs", ABS, x);
      case 3 -> add("prelu", new PRelu(), x, normal(name("slope"), 0.2, 0, dim(x, 1)));
      default -> add("active", ACTIVATIONS.get(random.nextInt(ACTIVATIONS.size())), x);
    };
  }

  /** Each channel times what a small network makes of the means of all. */
  private Value excited(Value x) {
    int channels = dim(x, 1);
    ConvGeometry each = ConvGeometry.of(1, 0);
    Value mean = add("mean", new GlobalAveragePool(), x);
    Value few = add("relu", new Relu(), conv(mean, 1 + random.nextInt(4), 1, 1, each, true));
    Op gate =
        random.nextBoolean()
            ? new Unary(Unary.Kind.SIGMOID)
            : new Unary(Unary.Kind.HARD_SIGMOID, 1 / 6f, 0.5f);
    Value weight = add("gate", gate, conv(few, channels, 1, 1, each, true));
    return add("excited", new Binary(Binary.Kind.MUL), x, weight);
  }

  private Value resized(Value x) {
    boolean nearest = random.nextBoolean();
    int scaleH = 1 + random.nextInt(2);
    int scaleW = 2;
    Resize op =
        new Resize(
            nearest ? Resize.Mode.NEAREST : Resize.Mode.LINEAR,
            nearest ? Resize.Coordinates.ASYMMETRIC : Resize.Coordinates.HALF_PIXEL,
            dim(x, 2) * scaleH,
            dim(x, 3) * scaleW,
            scaleH,
            scaleW);
    return add("resized", op, x);
  }

  private Value concat(Value x) {
    int axis = random.nextInt(4) == 0 ? 2 + random.nextInt(2) : 1;
    List<Value> parts = new ArrayList<>(List.of(x));
    int more = 1 + random.nextInt(3);
    for (int i = 0; i < more; i++) {
      List<Value> fitting = images.stream().filter(v -> fits(v, x, axis)).toList();
      if (random.nextInt(3) == 0) {
        // Made for this concatenation alone.
        parts.add(
            axis == 1
                ? activated(conv(x, 1 + random.nextInt(6), 1, 1, ConvGeometry.of(1, 0), true))
                : activated(batchNorm(x)));
      } else {
        parts.add(fitting.get(random.nextInt(fitting.size())));
      }
    }
    return add("concat", new Concat(axis), parts.toArray(Value[]::new));
  }

  private static boolean fits(Value a, Value b, int axis) {
    for (int i = 1; i < 4; i++) {
      if (i != axis && dim(a, i) != dim(b, i)) {
        return false;
      }
    }
    return true;
  }

  /**
   * Not a max pool on padding: ONNX Runtime makes one node of the two and, where that pads a whole
   * window, refuses it.
   */
  private Value pooled(Value x, boolean max) {
    if (max && x.name().startsWith("pad")) {
      return layer(x);
    }
    PoolWindow window = window(x);
    return max
        ? add("maxpool", new MaxPool(window), x)
        : add("averagepool", new AveragePool(window, random.nextBoolean()), x);
  }

  /** Part of a dimension, or every second of it. */
  private Value slice(Value x) {
    int axis = 1 + random.nextInt(3);
    int step = 1 + random.nextInt(2);
    int start = random.nextInt(dim(x, axis));
    int most = (dim(x, axis) - start + step - 1) / step;
    return add("slice", new Slice(axis, start, step, 1 + random.nextInt(most)), x);
  }

  private Value pad(Value x) {
    List<Integer> before = new ArrayList<>(List.of(0));
    List<Integer> after = new ArrayList<>(List.of(0));
    for (int i = 1; i < 4; i++) {
      before.add(random.nextInt(3));
      after.add(random.nextInt(2));
    }
    return add("pad", new Pad(before, after, 0), x);
  }

  private Value reluBehindPool(Value x) {
    return activated(add("maxpool", new MaxPool(window(x)), x));
  }

  private Value classifier(Value x) {
    Value y =
        switch (random.nextInt(3)) {
          case 0 -> x;
          case 1 -> pooled(x, random.nextBoolean());
          default -> add("globalpool", new GlobalAveragePool(), x);
        };
    y = add("flatten", new Flatten(), y);
    List<Value> features = new ArrayList<>(List.of(y));
    int hidden = random.nextInt(3);
    for (int i = 0; i < hidden; i++) {
      Value z = linear(y, 3 + random.nextInt(10), random.nextBoolean());
      z = random.nextBoolean() ? batchNorm(z) : z;
      features.add(activated(z));
      y = features.get(features.size() - 1);
      if (random.nextInt(4) == 0) {
        y = add("concat", new Concat(1), features.toArray(Value[]::new));
      }
    }
    return linear(y, CLASSES, random.nextInt(4) > 0);
  }

  // ---- layers

  private Value conv(Value x, boolean bias) {
    int channels = dim(x, 1);
    int groups = 1;
    if (random.nextInt(2) == 0) {
      do {
        groups = 1 + random.nextInt(channels);
      } while (channels % groups != 0);
    }
    int out = groups * (1 + random.nextInt(Math.max(1, 16 / groups)));
    int kernelH = kernel(dim(x, 2));
    int kernelW = kernel(dim(x, 3));
    int dilationH = dilation(kernelH, dim(x, 2));
    int dilationW = dilation(kernelW, dim(x, 3));
    int reachH = dilationH * (kernelH - 1);
    int reachW = dilationW * (kernelW - 1);
    ConvGeometry geometry =
        new ConvGeometry(
            stride(),
            stride(),
            random.nextInt(reachH + 1),
            random.nextInt(reachW + 1),
            random.nextInt(reachH + 1),
            random.nextInt(reachW + 1),
            dilationH,
            dilationW,
            groups);
    return conv(x, out, kernelH, kernelW, geometry, bias);
  }

  private Value conv(
      Value x, int channels, int kernelH, int kernelW, ConvGeometry geometry, boolean bias) {
    String name = name("conv");
    int in = dim(x, 1) / geometry.groups();
    double deviation = Math.sqrt(2.0 / (in * kernelH * kernelW));
    Value w = normal(name + ".weight", deviation, 0, channels, in, kernelH, kernelW);
    Conv2d op = new Conv2d(geometry);
    return bias
        ? builder.add(name, op, x, w, normal(name + ".bias", 0.3, 0, channels))
        : builder.add(name, op, x, w);
  }

  /** Every padding leaves something; extra rows and columns are less than the stride. */
  private Value transposed(Value x) {
    int groups = dim(x, 1) % 2 == 0 && random.nextBoolean() ? 2 : 1;
    int kernelH = 1 + random.nextInt(4);
    int kernelW = 1 + random.nextInt(4);
    int strideH = 1 + random.nextInt(2);
    int strideW = 1 + random.nextInt(3);
    int dilationH = 1 + random.nextInt(2);
    int dilationW = 1 + random.nextInt(2);
    ConvGeometry geometry =
        new ConvGeometry(
            strideH,
            strideW,
            random.nextInt(dilationH * (kernelH - 1) + 1),
            random.nextInt(dilationW * (kernelW - 1) + 1),
            0,
            0,
            dilationH,
            dilationW,
            groups);
    ConvTranspose2d op =
        new ConvTranspose2d(geometry, random.nextInt(strideH), random.nextInt(strideW));
    String name = name("up");
    int out = 1 + random.nextInt(4);
    double deviation = Math.sqrt(2.0 / (dim(x, 1) * kernelH * kernelW));
    Value w = normal(name + ".weight", deviation, 0, dim(x, 1), out, kernelH, kernelW);
    boolean norm = random.nextBoolean();
    Value y =
        norm
            ? batchNorm(builder.add(name, op, x, w))
            : builder.add(name, op, x, w, normal(name + ".bias", 0.3, 0, out * groups));
    return activated(y);
  }

  private Value linear(Value x, int features, boolean bias) {
    String name = name("linear");
    Value w = normal(name + ".weight", Math.sqrt(2.0 / dim(x, 1)), 0, features, dim(x, 1));
    return bias
        ? builder.add(name, new Linear(), x, w, normal(name + ".bias", 0.3, 0, features))
        : builder.add(name, new Linear(), x, w);
  }

  /** Some gammas are negative or 0. */
  private Value batchNorm(Value x) {
    String name = name("bn");
    int channels = dim(x, 1);
    Value gamma = normal(name + ".gamma", 0.3, 1, channels);
    float[] values = contents.get(gamma.name()).floats();
    float[] variance = new float[channels];
    for (int i = 0; i < channels; i++) {
      values[i] *= random.nextInt(5) == 0 ? -1 : random.nextInt(12) == 0 ? 0 : 1;
      variance[i] = 0.25f + random.nextFloat() * 2;
    }
    contents.put(gamma.name(), Tensors.vector(values));
    Value mean = builder.state(name + ".mean", TensorSpec.f32(channels));
    Value var = builder.state(name + ".var", TensorSpec.f32(channels));
    contents.put(mean.name(), gaussian(0.3, 0, Shape.of(channels)));
    contents.put(var.name(), Tensors.vector(variance));
    BatchNorm op = new BatchNorm(1e-5f, 0.1f, BatchNorm.Mode.TRAIN);
    Value beta = normal(name + ".beta", 0.3, 0, channels);
    return builder.node(name, op, x, gamma, beta, mean, var).output(0);
  }

  private PoolWindow window(Value x) {
    int kernelH = kernel(dim(x, 2));
    int kernelW = kernel(dim(x, 3));
    return new PoolWindow(
        kernelH,
        kernelW,
        stride(),
        stride(),
        random.nextInt(Math.min(kernelH, 2)),
        random.nextInt(Math.min(kernelW, 2)),
        random.nextInt(Math.min(kernelH, 2)),
        random.nextInt(Math.min(kernelW, 2)));
  }

  private int kernel(int size) {
    return Math.min(size, 1 + random.nextInt(4));
  }

  private int dilation(int kernel, int size) {
    return random.nextInt(3) == 0 && 2 * (kernel - 1) < size ? 2 : 1;
  }

  private int stride() {
    return random.nextInt(4) == 0 ? 2 : 1;
  }

  private static int dim(Value value, int i) {
    return value.spec().shape().dim(i);
  }

  // ---- nodes and contents

  private String name(String kind) {
    return kind + ++names;
  }

  private Value add(String kind, Op op, Value... inputs) {
    return builder.node(name(kind), op, inputs).output(0);
  }

  private Value normal(String name, double deviation, double mean, int... dims) {
    HostTensor values = gaussian(deviation, mean, Shape.of(dims));
    contents.put(name, values);
    return builder.param(name, values.spec());
  }

  private HostTensor gaussian(double deviation, double mean, Shape shape) {
    float[] values = new float[Math.toIntExact(shape.elements())];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) (mean + deviation * random.nextGaussian());
    }
    return HostTensor.of(shape, values);
  }
}
