package org.quantrain.zoo;

import java.util.List;
import org.quantrain.graph.Model;
import org.quantrain.graph.Value;
import org.quantrain.op.ConvGeometry;
import org.quantrain.op.PoolWindow;

/**
 * Residual networks (He et al. 2016, arXiv:1512.03385). Where a block changes its shape, the
 * shortcut is a 1x1 convolution with batch norm: option B of the paper, for the CIFAR networks too,
 * for which the paper took option A (subsampling and zero channels, no parameters).
 */
final class ResNet {
  /** Options of the CIFAR networks: channels over those of the paper. */
  static final List<String> OPTIONS = List.of("width");

  private final NetworkBuilder net;
  private final boolean bottleneck;
  private Value at;
  private int blocks;

  private ResNet(NetworkBuilder net, boolean bottleneck, Value input) {
    this.net = net;
    this.bottleneck = bottleneck;
    this.at = input;
  }

  /** Checks the values of the options. */
  static void check(NetworkName name) {
    name.allow(OPTIONS);
    channels(name);
  }

  /** Of the first stage. */
  private static int channels(NetworkName name) {
    return (int) Math.round(16 * name.number("width", 1, 0.25, 16));
  }

  /**
   * Section 4.2: a 3x3 convolution, three stages of 16, 32 and 64 channels, the second and third
   * halving the image; 6 * blocksPerStage + 2 layers. With one block per stage this is the ResNet-8
   * of the MLPerf Tiny benchmark, with batch norm on the shortcut.
   */
  static Model cifar(NetworkName name, int blocksPerStage, ImageSize size, long seed) {
    int channels = channels(name);
    NetworkBuilder net = new NetworkBuilder(seed);
    ResNet resnet = new ResNet(net, false, net.input(size.channels(), size.height(), size.width()));
    resnet.stem(channels, 3, ConvGeometry.of(1, 1));
    resnet.stage(channels, blocksPerStage, 1);
    resnet.stage(2 * channels, blocksPerStage, 2);
    resnet.stage(4 * channels, blocksPerStage, 2);
    return resnet.build(name.name(), size.classes());
  }

  /**
   * Table 1: four stages from 64 to 512 channels. Bottleneck blocks have their stride in the 3x3
   * convolution ("v1.5"), not in the 1x1 before it. Small images: a 3x3 convolution without stride
   * or pooling in place of the 7x7 one.
   */
  static Model imagenet(
      String name, int[] blocksPerStage, boolean bottleneck, ImageSize size, long seed) {
    NetworkBuilder net = new NetworkBuilder(seed);
    ResNet resnet =
        new ResNet(net, bottleneck, net.input(size.channels(), size.height(), size.width()));
    if (size.isSmall()) {
      resnet.stem(64, 3, ConvGeometry.of(1, 1));
    } else {
      resnet.stem(64, 7, ConvGeometry.of(2, 3));
      resnet.at = net.maxPool("pool1", resnet.at, PoolWindow.of(3, 2, 1));
    }
    for (int stage = 0; stage < blocksPerStage.length; stage++) {
      resnet.stage(64 << stage, blocksPerStage[stage], stage == 0 ? 1 : 2);
    }
    return resnet.build(name, size.classes());
  }

  private void stem(int channels, int kernel, ConvGeometry geometry) {
    Value x = net.conv("conv1", at, channels, kernel, geometry);
    at = net.relu("relu1", net.batchNorm("bn1", x));
  }

  private void stage(int channels, int count, int stride) {
    for (int i = 0; i < count; i++) {
      block("block" + ++blocks, channels, i == 0 ? stride : 1);
    }
  }

  private void block(String name, int channels, int stride) {
    Value x = at;
    int out = bottleneck ? 4 * channels : channels;
    Value y;
    if (bottleneck) {
      y = norm(name, 1, net.conv(name + ".conv1", x, channels, 1, ConvGeometry.of(1, 0)));
      y = net.relu(name + ".relu1", y);
      y = norm(name, 2, net.conv(name + ".conv2", y, channels, 3, ConvGeometry.of(stride, 1)));
      y = net.relu(name + ".relu2", y);
      y = norm(name, 3, net.conv(name + ".conv3", y, out, 1, ConvGeometry.of(1, 0)));
    } else {
      y = norm(name, 1, net.conv(name + ".conv1", x, channels, 3, ConvGeometry.of(stride, 1)));
      y = net.relu(name + ".relu1", y);
      y = norm(name, 2, net.conv(name + ".conv2", y, channels, 3, ConvGeometry.of(1, 1)));
    }
    Value shortcut = x;
    if (stride != 1 || x.spec().shape().dim(1) != out) {
      shortcut = net.conv(name + ".shortcut", x, out, 1, ConvGeometry.of(stride, 0));
      shortcut = net.batchNorm(name + ".shortcut_bn", shortcut);
    }
    String last = bottleneck ? ".relu3" : ".relu2";
    at = net.relu(name + last, net.add(name + ".add", y, shortcut));
  }

  private Value norm(String block, int index, Value x) {
    return net.batchNorm(block + ".bn" + index, x);
  }

  private Model build(String name, int classes) {
    Value x = net.flatten("flatten", net.globalAveragePool("pool", at));
    return net.build(name, net.linear("fc", x, classes, 1));
  }
}
