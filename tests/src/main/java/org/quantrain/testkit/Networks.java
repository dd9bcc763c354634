package org.quantrain.testkit;

import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.quantrain.graph.GraphBuilder;
import org.quantrain.graph.Model;
import org.quantrain.graph.Node;
import org.quantrain.graph.Op;
import org.quantrain.graph.Value;
import org.quantrain.op.Add;
import org.quantrain.op.AveragePool;
import org.quantrain.op.BatchNorm;
import org.quantrain.op.Concat;
import org.quantrain.op.Conv2d;
import org.quantrain.op.ConvGeometry;
import org.quantrain.op.ConvTranspose2d;
import org.quantrain.op.Flatten;
import org.quantrain.op.GlobalAveragePool;
import org.quantrain.op.Linear;
import org.quantrain.op.MaxPool;
import org.quantrain.op.Pad;
import org.quantrain.op.PoolWindow;
import org.quantrain.op.Relu;
import org.quantrain.op.Slice;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.HostTensor;
import org.quantrain.tensor.Shape;
import org.quantrain.tensor.TensorSpec;

/** Small networks that hold what the large ones hold, and seeded inputs for them. */
public final class Networks {
  public static final int CLASSES = 5;

  private static final int SIZE = 8;
  private static final PoolWindow HALVE = PoolWindow.of(2, 2);

  private final GraphBuilder builder = new GraphBuilder();
  private final Map<String, HostTensor> contents = new HashMap<>();
  private Value at;

  private Networks(int channels) {
    at = builder.input("input", TensorSpec.f32(Shape.BATCH, channels, SIZE, SIZE));
  }

  /** Convolutions with bias, ReLU and max pooling, then two linear layers. */
  public static Model lenetLike() {
    return new Networks(1)
        .conv("conv1", 6, 5, ConvGeometry.of(1, 2), true)
        .then("relu1", new Relu())
        .then("pool1", new MaxPool(HALVE))
        .conv("conv2", 10, 3, ConvGeometry.of(1, 1), true)
        .then("relu2", new Relu())
        .then("pool2", new MaxPool(HALVE))
        .then("flatten", new Flatten())
        .linear("fc1", 20)
        .then("relu3", new Relu())
        .linear("fc2", CLASSES)
        .build("lenet-like");
  }

  /**
   * Residual blocks with and without a convolution in the shortcut, a global pool, a linear layer.
   */
  public static Model resnetLike() {
    return new Networks(2)
        .conv("conv1", 8, 3, ConvGeometry.of(1, 1), false)
        .batchNorm("bn1")
        .then("relu1", new Relu())
        .block("block1", 8, 1)
        .block("block2", 12, 2)
        .then("pool", new GlobalAveragePool())
        .then("flatten", new Flatten())
        .linear("fc", CLASSES)
        .build("resnet-like");
  }

  /**
   * What the other two lack: ReLU6, a depthwise convolution, a bias before batch norm, an average
   * pool, batch norm after linear.
   */
  public static Model mobileLike() {
    return new Networks(3)
        .conv("conv1", 6, 3, ConvGeometry.of(1, 1), true)
        .batchNorm("bn1")
        .then("relu1", new Relu(6))
        .conv("conv2", 6, 3, ConvGeometry.of(1, 1).withGroups(6), false)
        .batchNorm("bn2")
        .then("relu2", new Relu(6))
        .then("pool", new AveragePool(HALVE, false))
        .then("flatten", new Flatten())
        .linear("fc1", 12)
        .batchNorm("bn3")
        .then("relu3", new Relu())
        .linear("fc2", CLASSES)
        .build("mobile-like");
  }

  /**
   * Concatenations: of values that others read too, one in another, and of layers that are there
   * for it alone; batch norm that follows no layer; a sum of a value and itself.
   */
  public static Model denseLike() {
    Networks net =
        new Networks(2)
            .conv("conv1", 6, 3, ConvGeometry.of(1, 1), true)
            .then("relu1", new Relu());
    net.dense("dense1", 4).dense("dense2", 3);
    net.batchNorm("bn3")
        .then("relu3", new Relu())
        .conv("conv3", 8, 1, ConvGeometry.of(1, 0), false)
        .then("pool3", new AveragePool(HALVE, false));
    Value x = net.at;
    net.conv("narrow", 5, 1, ConvGeometry.of(1, 0), true).then("narrow.relu", new Relu());
    Value narrow = net.at;
    net.at = x;
    net.conv("wide", 4, 3, ConvGeometry.of(1, 1), false)
        .batchNorm("wide.bn")
        .then("wide.relu", new Relu(6));
    net.at = net.builder.add("fire", new Concat(1), narrow, net.at);
    net.at = net.builder.add("twice", new Add(), net.at, net.at);
    return net.then("pool", new GlobalAveragePool())
        .then("flatten", new Flatten())
        .linear("fc", CLASSES)
        .build("dense-like");
  }

  private Networks dense(String name, int growth) {
    Value x = at;
    batchNorm(name + ".bn")
        .then(name + ".relu", new Relu())
        .conv(name + ".conv", growth, 3, ConvGeometry.of(1, 1), false);
    at = builder.add(name + ".concat", new Concat(1), x, at);
    return this;
  }

  /**
   * A residual block whose shortcut has no parameters: every second row and column, and channels of
   * zeros before and behind (option A of He et al. 2016, arXiv:1512.03385).
   */
  public static Model subsampledShortcut() {
    Networks net =
        new Networks(2)
            .conv("conv1", 8, 3, ConvGeometry.of(1, 1), false)
            .batchNorm("bn1")
            .then("relu1", new Relu());
    Value x = net.at;
    Value shortcut = net.builder.add("rows", new Slice(2, 0, 2, SIZE / 2), x);
    shortcut = net.builder.add("columns", new Slice(3, 0, 2, SIZE / 2), shortcut);
    Pad pad = new Pad(List.of(0, 2, 0, 0), List.of(0, 2, 0, 0), 0);
    shortcut = net.builder.add("channels", pad, shortcut);
    net.conv("conv2", 12, 3, ConvGeometry.of(2, 1), false).batchNorm("bn2");
    net.at = net.builder.add("add", new Add(), net.at, shortcut);
    return net.then("relu2", new Relu())
        .then("pool", new GlobalAveragePool())
        .then("flatten", new Flatten())
        .linear("fc", CLASSES)
        .build("subsampled-shortcut");
  }

  /** Down with a convolution, up with a transposed one of this geometry, batch norm behind both. */
  public static Model decoderLike(ConvTranspose2d up, int kernelH, int kernelW, boolean bias) {
    Networks net =
        new Networks(2)
            .conv("conv1", 6, 3, ConvGeometry.of(2, 1), false)
            .batchNorm("bn1")
            .then("relu1", new Relu());
    int channels = 4;
    Value w = net.random("up.weight", 0.3, 0, 6, channels, kernelH, kernelW);
    int out = channels * up.geometry().groups();
    net.at =
        bias
            ? net.builder.add("up", up, net.at, w, net.random("up.bias", 0.2, 0, out))
            : net.builder.add("up", up, net.at, w);
    return net.batchNorm("bn2")
        .then("relu2", new Relu())
        .then("pool", new GlobalAveragePool())
        .then("flatten", new Flatten())
        .linear("fc", CLASSES)
        .build("decoder-like");
  }

  /** With a transposed convolution in two groups that doubles the image. */
  public static Model decoderLike() {
    return decoderLike(
        new ConvTranspose2d(ConvGeometry.of(2, 1).withGroups(2), 1, 1), 3, 3, false);
  }

  /** One convolution with batch norm and ReLU, then the classifier. */
  public static Model oneLayer(int channels, boolean bias) {
    return new Networks(2)
        .conv("conv1", channels, 3, ConvGeometry.of(1, 1), bias)
        .batchNorm("bn1")
        .then("relu1", new Relu())
        .then("pool", new GlobalAveragePool())
        .then("flatten", new Flatten())
        .linear("fc", CLASSES)
        .build("one-layer");
  }

  private Networks then(String name, Op op) {
    at = builder.node(name, op, at).output(0);
    return this;
  }

  private Networks conv(
      String name, int channels, int kernel, ConvGeometry geometry, boolean bias) {
    int in = at.spec().shape().dim(1) / geometry.groups();
    Value w =
        random(
            name + ".weight",
            Math.sqrt(2.0 / (in * kernel * kernel)),
            0,
            channels,
            in,
            kernel,
            kernel);
    Conv2d op = new Conv2d(geometry);
    at =
        bias
            ? builder.add(name, op, at, w, random(name + ".bias", 0.2, 0, channels))
            : builder.add(name, op, at, w);
    return this;
  }

  private Networks linear(String name, int features) {
    int in = at.spec().shape().dim(1);
    Value w = random(name + ".weight", Math.sqrt(2.0 / in), 0, features, in);
    at = builder.add(name, new Linear(), at, w, random(name + ".bias", 0.2, 0, features));
    return this;
  }

  /** Every fourth gamma is negative. */
  private Networks batchNorm(String name) {
    int c = at.spec().shape().dim(1);
    Value gamma = random(name + ".gamma", 0.2, 1, c);
    float[] values = contents.get(gamma.name()).floats();
    for (int i = 3; i < c; i += 4) {
      values[i] = -values[i];
    }
    contents.put(gamma.name(), Tensors.vector(values));
    Value mean = builder.state(name + ".mean", TensorSpec.f32(c));
    Value var = builder.state(name + ".var", TensorSpec.f32(c));
    contents.put(mean.name(), HostTensor.filled(mean.spec().shape(), 0));
    contents.put(var.name(), HostTensor.filled(var.spec().shape(), 1));
    BatchNorm op = new BatchNorm(1e-5f, 0.1f, BatchNorm.Mode.TRAIN);
    at = builder.node(name, op, at, gamma, random(name + ".beta", 0.2, 0, c), mean, var).output(0);
    return this;
  }

  private Networks block(String name, int channels, int stride) {
    Value x = at;
    conv(name + ".conv1", channels, 3, ConvGeometry.of(stride, 1), false)
        .batchNorm(name + ".bn1")
        .then(name + ".relu1", new Relu())
        .conv(name + ".conv2", channels, 3, ConvGeometry.of(1, 1), false)
        .batchNorm(name + ".bn2");
    Value y = at;
    at = x;
    if (stride != 1) {
      conv(name + ".shortcut", channels, 1, ConvGeometry.of(stride, 0), false)
          .batchNorm(name + ".shortcut_bn");
    }
    at = builder.add(name + ".add", new Add(), y, at);
    return then(name + ".relu2", new Relu());
  }

  private Value random(String name, double scale, float shift, int... dims) {
    Shape shape = Shape.of(dims);
    int n = Math.toIntExact(shape.elements());
    float[] values = EdgeValues.ordinary(n, name.hashCode(), (float) scale, shift);
    contents.put(name, HostTensor.of(shape, values));
    return builder.param(name, new TensorSpec(DType.F32, shape));
  }

  private Model build(String name) {
    return new Model(name, builder.build(at), contents);
  }

  /** Of convolutions and linear layers, for one image. */
  public static long multiplications(Model model) {
    long count = 0;
    for (Node node : model.graph().nodes()) {
      if (node.op() instanceof Conv2d || node.op() instanceof Linear) {
        Shape w = node.input(1).spec().shape();
        Shape y = node.output(0).spec().withBatch(1).shape();
        count += y.elements() * (w.elements() / w.dim(0));
      }
    }
    return count;
  }

  /** Images for a model. */
  public static HostTensor images(Model model, int batch, long seed) {
    Shape shape = model.graph().inputs().get(0).spec().shape().withBatch(batch);
    return HostTensor.of(shape, EdgeValues.ordinary(Math.toIntExact(shape.elements()), seed));
  }

  /** Labels, all classes in turn. */
  public static int[] labels(int batch) {
    int[] labels = new int[batch];
    Arrays.setAll(labels, i -> (i * 3 + 1) % CLASSES);
    return labels;
  }
}
