package org.quantrain.plan;

import java.nio.ByteBuffer;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.SplittableRandom;
import org.quantrain.autodiff.Backprop;
import org.quantrain.autodiff.TrainingGraph;
import org.quantrain.graph.Graph;
import org.quantrain.graph.GraphBuilder;
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
import org.quantrain.op.SoftmaxCrossEntropy;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.HostTensor;
import org.quantrain.tensor.Shape;
import org.quantrain.tensor.TensorSpec;

/** Networks for tests of plans, with contents and one batch. */
final class SmallNetworks {
  static final int CLASSES = 10;

  private final GraphBuilder builder = new GraphBuilder();
  private final Map<String, HostTensor> contents = new LinkedHashMap<>();
  private final SplittableRandom random = new SplittableRandom(3);

  /** A training graph with the contents of its parameters and state. */
  record Training(TrainingGraph graph, Node loss, Map<String, HostTensor> contents) {
    Graph forward() {
      return graph.graph();
    }
  }

  private SmallNetworks() {}

  /**
   * Residual network on 1x28x28: a stem, three stages of one block each (8 weighted layers), a
   * classifier.
   */
  static Training resNet8(int width) {
    SmallNetworks net = new SmallNetworks();
    Value image = net.builder.input("image", TensorSpec.f32(Shape.BATCH, 1, 28, 28));
    Value x = net.relu("stem", net.convBn("stem", image, width, 3, 1));
    for (int stage = 0; stage < 3; stage++) {
      String name = "stage" + stage;
      int channels = width << stage;
      int stride = stage == 0 ? 1 : 2;
      Value y = net.relu(name + ".a", net.convBn(name + ".a", x, channels, 3, stride));
      y = net.convBn(name + ".b", y, channels, 3, 1);
      Value skip = stage == 0 ? x : net.convBn(name + ".skip", x, channels, 1, stride);
      x = net.relu(name, net.builder.add(name + ".add", new Add(), y, skip));
    }
    return net.classify(net.builder.add("pool", new GlobalAveragePool(), x));
  }

  /** A small one with max pooling, a grouped convolution and a flatten of several pixels. */
  static Training mixed() {
    SmallNetworks net = new SmallNetworks();
    Value image = net.builder.input("image", TensorSpec.f32(Shape.BATCH, 1, 28, 28));
    Value x = net.relu("a", net.convBn("a", image, 8, 3, 2));
    x = net.builder.node("max", new MaxPool(PoolWindow.of(2, 2)), x).output(0);
    ConvGeometry depthwise = ConvGeometry.of(1, 1).withGroups(8);
    Value w = net.param("dw.w", 0.3, 8, 1, 3, 3);
    x = net.builder.add("dw", new Conv2d(depthwise), x, w, net.param("dw.b", 0.1, 8));
    return net.classify(net.relu("dw", x));
  }

  private Training classify(Value x) {
    Value flat = builder.add("flatten", new Flatten(), x);
    int features = flat.spec().shape().dim(1);
    Value w = param("fc.w", 1 / Math.sqrt(features), CLASSES, features);
    Value logits = builder.add("fc", new Linear(), flat, w, param("fc.b", 0.1, CLASSES));
    Value labels = builder.input("labels", new TensorSpec(DType.S32, Shape.of(Shape.BATCH)));
    Node loss = builder.node("loss", new SoftmaxCrossEntropy(0.1f), logits, labels);
    Graph forward = builder.build(logits, loss.output(0), loss.output(1));
    return new Training(Backprop.of(forward), loss, contents);
  }

  private Value relu(String name, Value x) {
    return builder.add(name + ".relu", new Relu(), x);
  }

  private Value convBn(String name, Value x, int channels, int kernel, int stride) {
    int in = x.spec().shape().dim(1);
    Value w =
        param(name + ".w", Math.sqrt(2.0 / (in * kernel * kernel)), channels, in, kernel, kernel);
    Value y = builder.add(name, new Conv2d(ConvGeometry.of(stride, kernel / 2)), x, w);
    BatchNorm norm = new BatchNorm(1e-5f, 0.1f, BatchNorm.Mode.TRAIN);
    contents.put(name + ".gamma", HostTensor.filled(Shape.of(channels), 1));
    contents.put(name + ".mean", HostTensor.filled(Shape.of(channels), 0));
    contents.put(name + ".var", HostTensor.filled(Shape.of(channels), 1));
    return builder
        .node(
            name + ".bn",
            norm,
            y,
            builder.param(name + ".gamma", TensorSpec.f32(channels)),
            param(name + ".beta", 0.1, channels),
            builder.state(name + ".mean", TensorSpec.f32(channels)),
            builder.state(name + ".var", TensorSpec.f32(channels)))
        .output(0);
  }

  private Value param(String name, double deviation, int... dims) {
    float[] values = new float[(int) Shape.of(dims).elements()];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) (random.nextGaussian() * deviation);
    }
    contents.put(name, HostTensor.of(Shape.of(dims), values));
    return builder.param(name, TensorSpec.f32(dims));
  }

  /** Fills the inputs "image" and "labels" of a plan with one batch, the same for the same seed. */
  static void feed(Plan plan, long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    ByteBuffer image = plan.input("image");
    for (int i = 0; i < image.limit(); i += Float.BYTES) {
      image.putFloat(i, (float) random.nextGaussian());
    }
    ByteBuffer labels = plan.input("labels");
    for (int i = 0; i < labels.limit(); i += Integer.BYTES) {
      labels.putInt(i, random.nextInt(CLASSES));
    }
  }
}
