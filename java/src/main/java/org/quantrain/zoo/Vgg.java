package org.quantrain.zoo;

import org.quantrain.graph.Model;
import org.quantrain.graph.Value;
import org.quantrain.op.ConvGeometry;
import org.quantrain.op.PoolWindow;

/**
 * VGG-11 (Simonyan and Zisserman 2014, arXiv:1409.1556, table 1, column A) with batch norm. The
 * three linear layers of the paper for images of 64 pixels and more; small images have one behind a
 * global average pool. Pooling stops when the image is one pixel.
 */
final class Vgg {
  private static final int[][] STAGES = {{64}, {128}, {256, 256}, {512, 512}, {512, 512}};
  private static final int FEATURES = 4096;

  private Vgg() {}

  static Model vgg11(String name, ImageSize size, long seed) {
    NetworkBuilder net = new NetworkBuilder(seed);
    Value x = net.input(size.channels(), size.height(), size.width());
    int layer = 0;
    for (int stage = 0; stage < STAGES.length; stage++) {
      for (int channels : STAGES[stage]) {
        layer++;
        x = net.conv("conv" + layer, x, channels, 3, ConvGeometry.of(1, 1));
        x = net.relu("relu" + layer, net.batchNorm("bn" + layer, x));
      }
      if (Math.min(x.spec().shape().dim(2), x.spec().shape().dim(3)) > 1) {
        x = net.maxPool("pool" + (stage + 1), x, PoolWindow.of(2, 2));
      }
    }
    if (size.isSmall()) {
      x = net.flatten("flatten", net.globalAveragePool("pool", x));
    } else {
      x = net.flatten("flatten", x);
      x = net.relu("fc1.relu", net.linear("fc1", x, FEATURES, 2));
      x = net.relu("fc2.relu", net.linear("fc2", x, FEATURES, 2));
    }
    return net.build(name, net.linear("fc", x, size.classes(), 1));
  }
}
