package org.quantrain.zoo;

import java.util.List;
import org.quantrain.graph.Model;
import org.quantrain.graph.Value;
import org.quantrain.op.ConvGeometry;

/**
 * Networks of depthwise convolutions: MobileNetV1 (Howard et al. 2017, arXiv:1704.04861) and V2
 * (Sandler et al. 2018, arXiv:1801.04381).
 *
 * <p>Small images: the first convolution and the first stage that halves the image do not, so that
 * 32x32 pixels come down to 4x4.
 */
final class MobileNet {
  /** Options of both networks. */
  static final List<String> OPTIONS = List.of("width", "activation");

  /** Channels out and stride of each depthwise-separable block: table 1 of the V1 paper. */
  private static final int[][] V1 = {
    {64, 1}, {128, 2}, {128, 1}, {256, 2}, {256, 1}, {512, 2}, {512, 1}, {512, 1}, {512, 1},
    {512, 1}, {512, 1}, {1024, 2}, {1024, 1}
  };

  /** Expansion, channels out, repeats and first stride: table 2 of the V2 paper. */
  private static final int[][] V2 = {
    {1, 16, 1, 1}, {6, 24, 2, 2}, {6, 32, 3, 2}, {6, 64, 4, 2}, {6, 96, 3, 1}, {6, 160, 3, 2},
    {6, 320, 1, 1}
  };

  private final NetworkBuilder net;
  private final ImageSize size;
  private final double width;
  private final float upper;
  private Value at;

  private MobileNet(NetworkName name, ImageSize size, long seed) {
    this.net = new NetworkBuilder(seed);
    this.size = size;
    this.width = width(name);
    this.upper = upper(name);
    this.at = net.input(size.channels(), size.height(), size.width());
    convolution("conv1", 32, 3, ConvGeometry.of(size.isSmall() ? 1 : 2, 1));
  }

  /** Checks the values of the options. */
  static void check(NetworkName name) {
    name.allow(OPTIONS);
    width(name);
    upper(name);
  }

  private static double width(NetworkName name) {
    return name.number("width", 1, 0.1, 4);
  }

  private static float upper(NetworkName name) {
    String word = name.word("activation", "relu6", List.of("relu6", "relu"));
    return word.equals("relu6") ? 6 : Float.POSITIVE_INFINITY;
  }

  static Model v1(NetworkName name, ImageSize size, long seed) {
    MobileNet mobile = new MobileNet(name, size, seed);
    for (int i = 0; i < V1.length; i++) {
      String block = "block" + (i + 1);
      // Block 2 is the first that halves the image.
      mobile.depthwise(block + ".depthwise", size.isSmall() && i == 1 ? 1 : V1[i][1]);
      mobile.convolution(block + ".pointwise", V1[i][0], 1, ConvGeometry.of(1, 0));
    }
    return mobile.build(name.name());
  }

  static Model v2(NetworkName name, ImageSize size, long seed) {
    MobileNet mobile = new MobileNet(name, size, seed);
    int block = 0;
    for (int stage = 0; stage < V2.length; stage++) {
      int first = size.isSmall() && stage == 1 ? 1 : V2[stage][3];
      for (int i = 0; i < V2[stage][2]; i++) {
        mobile.invertedResidual(
            "block" + ++block, V2[stage][0], V2[stage][1], i == 0 ? first : 1);
      }
    }
    // A narrow network keeps the wide last layer: section 6.1 of the paper.
    int last = mobile.width > 1 ? mobile.scaled(1280) : 1280;
    mobile.unscaled("conv2", last, 1, ConvGeometry.of(1, 0));
    return mobile.build(name.name());
  }

  /** Channels at this width: a multiple of 8, at least 8, and not more than 10 % below. */
  private int scaled(int channels) {
    double wanted = channels * width;
    int rounded = Math.max(8, (int) (wanted + 4) / 8 * 8);
    return rounded < 0.9 * wanted ? rounded + 8 : rounded;
  }

  private int channels() {
    return at.spec().shape().dim(1);
  }

  private void convolution(String name, int channels, int kernel, ConvGeometry geometry) {
    unscaled(name, scaled(channels), kernel, geometry);
  }

  /** Convolution, batch norm and activation. */
  private void unscaled(String name, int channels, int kernel, ConvGeometry geometry) {
    Value x = net.conv(name, at, channels, kernel, geometry);
    at = net.relu(name + ".relu", net.batchNorm(name + ".bn", x), upper);
  }

  private void depthwise(String name, int stride) {
    unscaled(name, channels(), 3, ConvGeometry.of(stride, 1).withGroups(channels()));
  }

  /** Expands, filters by channel, projects without an activation; added where shapes agree. */
  private void invertedResidual(String name, int expansion, int channels, int stride) {
    Value x = at;
    if (expansion != 1) {
      unscaled(name + ".expand", channels() * expansion, 1, ConvGeometry.of(1, 0));
    }
    depthwise(name + ".depthwise", stride);
    int out = scaled(channels);
    Value y = net.conv(name + ".project", at, out, 1, ConvGeometry.of(1, 0));
    at = net.batchNorm(name + ".project.bn", y);
    if (stride == 1 && x.spec().shape().dim(1) == out) {
      at = net.add(name + ".add", x, at);
    }
  }

  private Model build(String name) {
    Value x = net.flatten("flatten", net.globalAveragePool("pool", at));
    return net.build(name, net.linear("fc", x, size.classes(), 1));
  }
}
