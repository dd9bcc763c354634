package org.quantrain.zoo;

import org.quantrain.graph.Model;
import org.quantrain.graph.Value;
import org.quantrain.op.ConvGeometry;
import org.quantrain.op.PoolWindow;

/**
 * Two 5x5 convolutions with bias, ReLU and 2x2 max pooling, then two linear layers: LeNet-5's
 * layout (LeCun et al. 1998) with today's activation and padding, so that it also takes 8x8 images.
 */
final class LeNet {
  private LeNet() {}

  static Model build(String name, ImageSize size, long seed) {
    NetworkBuilder net = new NetworkBuilder(seed);
    Value x = net.input(size.channels(), size.height(), size.width());
    x = net.relu("relu1", net.convBias("conv1", x, 16, 5, ConvGeometry.of(1, 2)));
    x = net.maxPool("pool1", x, PoolWindow.of(2, 2));
    x = net.relu("relu2", net.convBias("conv2", x, 32, 5, ConvGeometry.of(1, 2)));
    x = net.maxPool("pool2", x, PoolWindow.of(2, 2));
    x = net.relu("relu3", net.linear("fc1", net.flatten("flatten", x), 128, 2));
    return net.build(name, net.linear("fc2", x, size.classes(), 1));
  }
}
