package org.quantrain.backend.cpu;

import static org.bytedeco.dnnl.global.dnnl.dnnl_s8;
import static org.bytedeco.dnnl.global.dnnl.dnnl_u8;

import java.nio.ByteBuffer;
import java.nio.IntBuffer;
import java.util.Optional;
import org.quantrain.backend.shared.Scratch;
import org.quantrain.backend.shared.Steps;
import org.quantrain.internal.bind.QuantrainNative;
import org.quantrain.op.ConvGeometry;

/**
 * Proves that oneDNN's int8 convolutions are exact on this processor. Without VNNI or AMX they are
 * not: pairs of products are then added in 16 bits and saturate.
 */
final class IntegerSelfTest {
  private IntegerSelfTest() {}

  /**
   * True if every accumulator of some adversarial convolutions equals that of the integer loops.
   */
  static boolean passes(Cpu cpu) {
    ConvGeometry padded = ConvGeometry.of(1, 1);
    // A deep one for the blocked kernels, one of few channels, a depthwise one, one of a single
    // pixel.
    return passes(cpu, new Convolution(2, 64, 6, 6, 32, 3, 3, 6, 6, padded))
        && passes(cpu, new Convolution(1, 3, 6, 6, 16, 3, 3, 6, 6, padded))
        && passes(cpu, new Convolution(1, 32, 6, 6, 32, 3, 3, 6, 6, padded.withGroups(32)))
        && passes(cpu, Convolution.ofLinear(4, 64, 10));
  }

  private static boolean passes(Cpu cpu, Convolution conv) {
    return passes(cpu, conv, dnnl_u8, 0)
        && passes(cpu, conv, dnnl_u8, 255)
        && passes(cpu, conv, dnnl_s8, 0)
        && passes(cpu, conv, dnnl_s8, -128);
  }

  private static boolean passes(Cpu cpu, Convolution conv, int type, int zeroPoint) {
    try (CpuMemory x = new CpuMemory(conv.inputs());
        CpuMemory w = new CpuMemory(conv.weights());
        CpuMemory z = new CpuMemory(Integer.BYTES);
        CpuMemory acc = new CpuMemory(Integer.BYTES * conv.outputs());
        CpuMemory expected = new CpuMemory(Integer.BYTES * conv.outputs())) {
      boolean unsigned = type == dnnl_u8;
      fill(x, unsigned ? (byte) 255 : -128, unsigned ? 0 : (byte) 127);
      fill(w, (byte) 127, (byte) -128);
      z.view(0, Integer.BYTES).putInt(0, zeroPoint);
      run(
          ProductKernels.build(
              cpu,
              null,
              (making, steps) ->
                  conv.addInteger(
                      cpu.dnnl(),
                      making,
                      steps,
                      type,
                      Scratch.Region.fixed(x.address()),
                      Scratch.Region.fixed(z.address()),
                      weights(conv, making, steps, w),
                      Scratch.Region.fixed(acc.address()))));
      run(
          new Steps(null)
              .add(
                  cpu.call(
                      null,
                      CodeProducts.referenceArgs(
                          conv,
                          unsigned ? QuantrainNative.QT_U8 : QuantrainNative.QT_S8,
                          x.address(),
                          z.address(),
                          w.address(),
                          expected.address()),
                      QuantrainNative::qt_conv2d_codes)));
      return acc.view(0, acc.bytes()).equals(expected.view(0, expected.bytes()));
    }
  }

  /**
   * Name of the implementation of an unsigned convolution without zero-point, if it gets sums right
   * that float32 cannot hold: all operands 255, all weights -128 but for one -127, so that sums are
   * odd.
   */
  static Optional<String> exactImplementation(Cpu cpu, Convolution conv) {
    try (CpuMemory x = new CpuMemory(conv.inputs());
        CpuMemory w = new CpuMemory(conv.weights());
        CpuMemory acc = new CpuMemory(Integer.BYTES * conv.outputs())) {
      fill(x, (byte) 255, (byte) 255);
      fill(w, (byte) -128, (byte) -128);
      long oddTap = (conv.r() / 2 * conv.s() + conv.s() / 2) * conv.groupChannels();
      for (long k = 0; k < conv.k(); k++) {
        w.view(k * conv.products() + oddTap, 1).put(0, (byte) -127);
      }
      String[] name = new String[1];
      run(
          ProductKernels.build(
              cpu,
              null,
              (making, steps) ->
                  name[0] =
                      conv.addInteger(
                          cpu.dnnl(),
                          making,
                          steps,
                          dnnl_u8,
                          Scratch.Region.fixed(x.address()),
                          null,
                          weights(conv, making, steps, w),
                          Scratch.Region.fixed(acc.address()))));
      IntBuffer sums = acc.view(0, acc.bytes()).asIntBuffer();
      for (int i = 0; i < sums.limit(); i++) {
        int pixel = i / (int) conv.k();
        if (sums.get(i) != expected(conv, pixel / (int) conv.q(), pixel % (int) conv.q())) {
          return Optional.empty();
        }
      }
      return Optional.of(name[0]);
    }
  }

  private static Convolution.Weights weights(
      Convolution conv, Dnnl.Making making, Steps steps, CpuMemory w) {
    return new Convolution.Weights(
        conv.krsc(making, dnnl_s8), Scratch.Region.fixed(w.address()), steps);
  }

  private static int expected(Convolution conv, int p, int q) {
    ConvGeometry g = conv.geometry();
    int sum = 0;
    for (int r = 0; r < conv.r(); r++) {
      int h = p * g.strideH() - g.padTop() + r * g.dilationH();
      for (int s = 0; s < conv.s(); s++) {
        int w = q * g.strideW() - g.padLeft() + s * g.dilationW();
        if (h >= 0 && h < conv.h() && w >= 0 && w < conv.w()) {
          sum -= 255 * 128 * (int) conv.groupChannels();
          sum += r == conv.r() / 2 && s == conv.s() / 2 ? 255 : 0;
        }
      }
    }
    return sum;
  }

  /**
   * Mostly {@code often}, whose products of one sign overflow 16 bits soonest, with {@code rarely}
   * mixed in.
   */
  private static void fill(CpuMemory memory, byte often, byte rarely) {
    ByteBuffer view = memory.view(0, memory.bytes());
    for (int i = 0; i < view.limit(); i++) {
      view.put(i, i % 7 == 3 ? rarely : often);
    }
  }

  private static void run(Steps steps) {
    try (steps;
        CpuMemory workspace = new CpuMemory(Math.max(steps.workspaceBytes(), 64))) {
      steps.attach(workspace.address());
      steps.run();
    }
  }
}
