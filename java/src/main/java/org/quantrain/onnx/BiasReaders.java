package org.quantrain.onnx;

import org.quantrain.graph.Value;

/** An Add of a constant that is the bias of the layer in front of it. */
final class BiasReaders {
  private BiasReaders() {}

  /** Reads the Add as the layer with its bias, if it is one. */
  static boolean read(Importing in, Arguments a) {
    for (int i = 0; i < 2; i++) {
      OnnxNode layer = in.producer(a.node().input(i));
      Constant bias = a.constant(1 - i);
      if (layer == null || bias == null || !layer.output().equals(a.node().input(i))) {
        continue;
      }
      Arguments product = in.arguments(layer);
      if (MatrixReaders.isLinear(in, layer)) {
        int n = product.constant(1).shape().dim(1);
        if (MatrixReaders.isVector(bias, n)
            && bias.rank() <= in.computed(layer.output()).spec().shape().rank()) {
          Value b = in.vector(a, 1 - i, n, Value.Role.PARAM);
          MatrixReaders.linear(in, a, product, b);
          return true;
        }
      } else if (layer.op().equals("Conv") && !product.has(2) && isPerChannel(in, layer, bias)) {
        ConvolutionReaders.conv(in, a, product, 1 - i);
        return true;
      }
    }
    return false;
  }

  /** The constant broadcasts to the layer's output with one element for each channel. */
  private static boolean isPerChannel(Importing in, OnnxNode layer, Constant c) {
    Value y = in.computed(layer.output());
    int channels = y == null ? -1 : y.spec().shape().dim(1);
    int behind = y == null ? 0 : y.spec().shape().rank() - 2;
    int at = c.rank() - 1 - behind;
    return at >= 0
        && c.rank() <= behind + 2
        && c.kind() == Constant.Kind.REAL
        && c.elements() == channels
        && c.shape().dim(at) == channels;
  }
}
