package org.quantrain.zoo;

import java.util.List;
import org.quantrain.graph.Model;
import org.quantrain.graph.Value;
import org.quantrain.op.ConvGeometry;
import org.quantrain.op.PoolWindow;

/** Networks by name, with initial weights. */
public final class Zoo {
  private static final List<String> NAMES = List.of("lenet", "resnet8");

  private Zoo() {}

  public static List<String> names() {
    return NAMES;
  }

  /**
   * A network for images of this size.
   *
   * @throws IllegalArgumentException if the name is unknown (naming those there are) or the image
   *     too small
   */
  public static Model build(
      String name, int channels, int height, int width, int classes, long seed) {
    if (Math.min(height, width) < 4 && NAMES.contains(name)) {
      throw new IllegalArgumentException(
          "model " + name + ": images of at least 4x4, got " + height + "x" + width);
    }
    return switch (name) {
      case "lenet" -> lenet(channels, height, width, classes, seed);
      case "resnet8" -> resnet8(channels, height, width, classes, seed);
      default ->
          throw new IllegalArgumentException(
              "unknown model '"
                  + name
                  + "'; models are: "
                  + String.join(", ", NAMES)
                  + ", or a path to an .onnx file");
    };
  }

  /**
   * Two 5x5 convolutions with bias, ReLU and 2x2 max pooling, then two linear layers: LeNet-5's
   * layout (LeCun et al. 1998) with today's activation and padding, so that it also takes 8x8
   * images.
   */
  public static Model lenet(int channels, int height, int width, int classes, long seed) {
    NetworkBuilder net = new NetworkBuilder(seed);
    Value x = net.input(channels, height, width);
    x = net.relu("relu1", net.convBias("conv1", x, 16, 5, ConvGeometry.of(1, 2)));
    x = net.maxPool("pool1", x, PoolWindow.of(2, 2));
    x = net.relu("relu2", net.convBias("conv2", x, 32, 5, ConvGeometry.of(1, 2)));
    x = net.maxPool("pool2", x, PoolWindow.of(2, 2));
    x = net.relu("relu3", net.linear("fc1", net.flatten("flatten", x), 128, 2));
    return net.build("lenet", net.linear("fc2", x, classes, 1));
  }

  /**
   * Three residual blocks of 16, 32 and 64 channels (He et al. 2016, arXiv:1512.03385), the second
   * and third halving the image; the shortcut of those two is a 1x1 convolution. The ResNet-8 of
   * the MLPerf Tiny benchmark, with batch norm on the shortcut.
   */
  public static Model resnet8(int channels, int height, int width, int classes, long seed) {
    NetworkBuilder net = new NetworkBuilder(seed);
    Value x = net.input(channels, height, width);
    x = net.conv("conv1", x, 16, 3, ConvGeometry.of(1, 1));
    x = net.relu("relu1", net.batchNorm("bn1", x));
    x = block(net, "block1", x, 16, 1);
    x = block(net, "block2", x, 32, 2);
    x = block(net, "block3", x, 64, 2);
    x = net.flatten("flatten", net.globalAveragePool("pool", x));
    return net.build("resnet8", net.linear("fc", x, classes, 1));
  }

  private static Value block(NetworkBuilder net, String name, Value x, int channels, int stride) {
    Value y = net.conv(name + ".conv1", x, channels, 3, ConvGeometry.of(stride, 1));
    y = net.relu(name + ".relu1", net.batchNorm(name + ".bn1", y));
    y = net.conv(name + ".conv2", y, channels, 3, ConvGeometry.of(1, 1));
    y = net.batchNorm(name + ".bn2", y);
    Value shortcut = x;
    if (stride != 1 || x.spec().shape().dim(1) != channels) {
      shortcut = net.conv(name + ".shortcut", x, channels, 1, ConvGeometry.of(stride, 0));
      shortcut = net.batchNorm(name + ".shortcut_bn", shortcut);
    }
    return net.relu(name + ".relu2", net.add(name + ".add", y, shortcut));
  }
}
