package org.quantrain.onnx;

import static org.quantrain.onnx.Arguments.require;

import org.quantrain.op.ConvGeometry;
import org.quantrain.op.PoolWindow;
import org.quantrain.tensor.Shape;

/**
 * The window of a convolution or pooling, in two dimensions; in a file of one, the height is 1.
 *
 * @param pads above, left, below, right
 */
record Window(int[] kernel, int[] stride, int[] dilation, int[] pads) {

  /**
   * The window of a node.
   *
   * @param x the image [N,C,H,W]
   * @param spatial dimensions in the file, 1 or 2
   * @param kernel height and width where the node need not say it, else null
   */
  static Window of(OnnxNode node, Shape x, int spatial, int[] kernel) {
    if (kernel == null || node.attributes().containsKey("kernel_shape")) {
      int[] said = pair(node, "kernel_shape", 1, spatial);
      require(
          kernel == null || (said[0] == kernel[0] && said[1] == kernel[1]),
          "kernel_shape differs from the weights");
      kernel = said;
    }
    int[] stride = pair(node, "strides", 1, spatial);
    int[] dilation = pair(node, "dilations", 1, spatial);
    require(stride[0] > 0 && stride[1] > 0, "strides: expected at least 1");
    int[] pads = new int[4];
    String auto = node.text("auto_pad", "NOTSET");
    switch (auto) {
      case "NOTSET", "" -> {
        int[] given = node.sizes("pads", new int[2 * spatial]);
        for (int i = 0; i < spatial; i++) {
          pads[2 - spatial + i] = given[i];
          pads[4 - spatial + i] = given[spatial + i];
        }
      }
      case "VALID" -> {}
      case "SAME_UPPER", "SAME_LOWER" -> {
        for (int i = 0; i < 2; i++) {
          int size = x.dim(2 + i);
          int out = (size + stride[i] - 1) / stride[i];
          int span = dilation[i] * (kernel[i] - 1) + 1;
          int total = Math.max(0, (out - 1) * stride[i] + span - size);
          pads[i] = auto.equals("SAME_UPPER") ? total / 2 : total - total / 2;
          pads[2 + i] = total - pads[i];
        }
      }
      default -> throw new IllegalArgumentException("auto_pad " + auto);
    }
    return new Window(kernel, stride, dilation, pads);
  }

  /** Two numbers for height and width; what is left out, and the height of a line, is orElse. */
  static int[] pair(OnnxNode node, String attribute, int orElse, int spatial) {
    if (spatial == 2) {
      return node.sizes(attribute, orElse, orElse);
    }
    return new int[] {orElse, node.sizes(attribute, orElse)[0]};
  }

  /** With more padding around the image. */
  Window padded(int[] more) {
    int[] sum = new int[4];
    for (int i = 0; i < 4; i++) {
      sum[i] = pads[i] + more[i];
    }
    return new Window(kernel, stride, dilation, sum);
  }

  /**
   * The window of a transposed convolution with the padding that cuts its output to a size.
   *
   * @param x the image that is convolved
   * @param extra rows and columns more at the end, increased where the output is smaller
   * @param upper of an odd padding, the end gets the larger half
   */
  Window cutTo(int[] size, Shape x, int[] extra, boolean upper) {
    int[] cut = new int[4];
    for (int i = 0; i < 2; i++) {
      int span = dilation[i] * (kernel[i] - 1) + 1;
      int total = stride[i] * (x.dim(2 + i) - 1) + span + extra[i] - size[i];
      extra[i] += Math.max(0, -total);
      total = Math.max(0, total);
      cut[i] = upper ? total / 2 : total - total / 2;
      cut[2 + i] = total - cut[i];
    }
    return new Window(kernel, stride, dilation, cut);
  }

  ConvGeometry convolution(int groups) {
    return new ConvGeometry(
        stride[0], stride[1], pads[0], pads[1], pads[2], pads[3], dilation[0], dilation[1], groups);
  }

  PoolWindow pooling() {
    return new PoolWindow(
        kernel[0], kernel[1], stride[0], stride[1], pads[0], pads[1], pads[2], pads[3]);
  }

  /**
   * With the padding below and to the right that a last window needs which the image does not fill
   * (ceil_mode). A window that would start in that padding is left out.
   */
  Window roundedUp(Shape x) {
    int[] more = new int[4];
    for (int i = 0; i < 2; i++) {
      int padded = x.dim(2 + i) + pads[i] + pads[2 + i];
      int rest = padded - kernel[i];
      require(rest >= 0, "the window is larger than the padded input " + x);
      int steps = (rest + stride[i] - 1) / stride[i];
      if (steps * stride[i] >= x.dim(2 + i) + pads[i]) {
        steps--;
      }
      more[2 + i] = Math.max(0, steps * stride[i] - rest);
    }
    return padded(more);
  }
}
