package org.quantrain.backend.cpu;

import org.quantrain.backend.shared.At;
import org.quantrain.backend.shared.NativeTypes;
import org.quantrain.backend.shared.Scratch;
import org.quantrain.backend.shared.Steps;
import org.quantrain.internal.bind.QuantrainNative;
import org.quantrain.internal.bind.qt_conv2d_pairs_args;
import org.quantrain.internal.bind.qt_pair_weights_args;
import org.quantrain.op.ConvGeometry;
import org.quantrain.op.Requantize;
import org.quantrain.runtime.Binding;

/**
 * Products of codes by our own kernels, in 16-bit units: exact on every processor, and at most twice
 * as many of them go at a time as products of floats. Weights are brought into their order first,
 * once where they are constant.
 */
final class PairedProducts {
  /** Output channels that lie beside each other in the weights. */
  private static final long PANEL = 16;

  private PairedProducts() {}

  /** Whether there is a kernel for this convolution. */
  static boolean take(Convolution conv) {
    ConvGeometry g = conv.geometry();
    boolean close =
        Math.max(g.padTop(), g.padBottom()) < conv.r()
            && Math.max(g.padLeft(), g.padRight()) < conv.s();
    return close
        && g.dilationH() == 1
        && g.dilationW() == 1
        && (conv.groups() == 1 || isDepthwise(conv));
  }

  private static boolean isDepthwise(Convolution conv) {
    return conv.groups() == conv.c() && conv.k() == conv.c();
  }

  static String addSums(Cpu cpu, Steps steps, Binding b, Convolution conv) {
    return add(cpu, steps, b, conv, args(b, conv).acc(At.ints(b.output(0))));
  }

  /** Multiplier, zero-point and bias are the inputs behind those of a convolution. */
  static String addCodes(
      Cpu cpu, Steps steps, Binding b, Convolution conv, Requantize requantize) {
    qt_conv2d_pairs_args args =
        args(b, conv)
            .codes(At.any(b.output(0)))
            .multiplier(At.floats(b.input(5)))
            .zero_point(At.ints(b.input(6)))
            .bias(b.inputs().size() > 7 ? At.ints(b.input(7)) : null)
            .code_type(NativeTypes.codeType(b.output(0)))
            .qmin(requantize.spec().qmin())
            .qmax(requantize.spec().qmax())
            .relu(requantize.relu() ? 1 : 0);
    return add(cpu, steps, b, conv, args) + ", requantized";
  }

  private static qt_conv2d_pairs_args args(Binding b, Convolution conv) {
    qt_conv2d_pairs_args args =
        new qt_conv2d_pairs_args()
            .x(At.any(b.input(0)))
            .x_zero_point(At.ints(b.input(2)))
            .k(conv.k())
            .groups(conv.groups())
            .x_type(NativeTypes.codeType(b.input(0)));
    conv.describe(args.window());
    return args;
  }

  private static String add(
      Cpu cpu, Steps steps, Binding b, Convolution conv, qt_conv2d_pairs_args args) {
    long run = conv.s() * conv.groupChannels();
    long panels = (conv.k() + PANEL - 1) / PANEL;
    Steps ordering = steps.readying(b.input(3));
    Scratch.Region pairs =
        ordering.scratch().region(panels * conv.r() * ((run + 1) / 2) * 2 * PANEL);
    qt_pair_weights_args order =
        new qt_pair_weights_args().w(At.bytes(b.input(3))).k(conv.k()).runs(conv.r()).length(run);
    pairs.whenKnown(address -> order.pairs(At.bytes(address)));
    pairs.whenKnown(address -> args.pairs(At.bytes(address)));
    ordering.add(cpu.call(b, order, QuantrainNative::qt_pair_weights));
    steps.add(cpu.call(b, args, QuantrainNative::qt_conv2d_pairs));
    return "codes in pairs";
  }
}
