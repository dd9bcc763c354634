package org.quantrain.backend.cpu;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.function.Consumer;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.IntPointer;
import org.bytedeco.javacpp.Pointer;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.quantrain.backend.shared.Steps;
import org.quantrain.internal.bind.QuantrainNative;
import org.quantrain.internal.bind.qt_context;
import org.quantrain.internal.bind.qt_fake_quant_args;
import org.quantrain.runtime.QuantrainException;

/** Bad arguments of a native kernel arrive in Java as an exception with the kernel's text. */
class BadArgumentsTest {
  private static final int N = 64;

  private static Cpu cpu;

  private final FloatPointer x = new FloatPointer(N + 1);
  private final FloatPointer y = new FloatPointer(N + 1);
  private final FloatPointer scale = new FloatPointer(new float[] {0.5f});
  private final IntPointer zeroPoint = new IntPointer(new int[] {0});
  private final BytePointer mask = new BytePointer(N / 8);

  @BeforeAll
  static void open() {
    cpu = new Cpu(1, null);
  }

  @AfterAll
  static void close() {
    cpu.close();
  }

  private void run(Consumer<qt_fake_quant_args> change) {
    qt_fake_quant_args args = new qt_fake_quant_args();
    Pointer.memset(args, 0, args.sizeof());
    args.x(x).y(y).scale(scale).zero_point(zeroPoint).mask(mask);
    args.outer(1).channels(1).inner(N).qmin(-7).qmax(7);
    change.accept(args);
    try (Steps.Step step = cpu.call(null, args, QuantrainNative::qt_fake_quant)) {
      step.run();
    }
  }

  private void assertRefused(String text, Consumer<qt_fake_quant_args> change) {
    QuantrainException e = assertThrows(QuantrainException.class, () -> run(change));
    assertTrue(e.getMessage().startsWith("[fake_quant] " + text), e.getMessage());
  }

  private static FloatPointer at(FloatPointer p, long bytes) {
    return new FloatPointer(
        new Pointer() {
          {
            address = p.address() + bytes;
          }
        });
  }

  @Test
  void validArgumentsRun() {
    x.put(0, 1.3f);
    run(args -> {});
    assertArrayEquals(new float[] {1.5f}, new float[] {y.get(0)});
  }

  @Test
  void moreThreadsThanASystemHasAreRefused() {
    try (qt_context context = new qt_context()) {
      assertEquals(
          QuantrainNative.QT_INVALID_ARGUMENT, QuantrainNative.qt_context_create(context, 1025));
    }
    assertThrows(IllegalArgumentException.class, () -> CpuBackend.open(1025));
    assertThrows(IllegalArgumentException.class, () -> CpuBackend.open(0));
  }

  @Test
  void missingPointersAreRefused() {
    assertRefused("x: ", args -> args.x(null));
    assertRefused("y: ", args -> args.y(null));
    assertRefused("scale: ", args -> args.scale(null));
    assertRefused("zero_point: ", args -> args.zero_point(null));
  }

  @Test
  void misalignedPointersAreRefused() {
    assertRefused("x: expected an address aligned to 4 bytes", args -> args.x(at(x, 1)));
    assertRefused("y: expected an address aligned to 4 bytes", args -> args.y(at(y, 2)));
  }

  @Test
  void overlappingBuffersAreRefused() {
    assertRefused("y: expected no overlap with x", args -> args.y(at(x, 4)));
    x.put(0, 0.5f); // as a scale it is valid
    assertRefused("y: expected no overlap with scale", args -> args.y(x).x(x).scale(x));
  }

  @Test
  void impossibleSizesAreRefused() {
    assertRefused("outer, channels, inner: ", args -> args.outer(-1));
    assertRefused("outer, channels, inner: ", args -> args.inner(Long.MIN_VALUE));
    assertRefused("outer, channels, inner: ", args -> args.outer(1L << 40).inner(1L << 40));
  }

  @Test
  void gridsOfNoBitsAndOfSeventeenAreRefused() {
    assertRefused("q", args -> args.qmin(0).qmax(0));
    assertRefused("qmax: ", args -> args.qmin(0).qmax((1 << 17) - 1));
    assertRefused("qmin: ", args -> args.qmin(-(1 << 16)).qmax((1 << 16) - 1));
  }

  @Test
  void scalesThatAreNotPositiveAndFiniteAreRefused() {
    for (float bad : new float[] {0f, -0f, -1f, Float.NaN, Float.POSITIVE_INFINITY}) {
      scale.put(0, bad);
      assertRefused("scale[0]: ", args -> {});
    }
  }

  @Test
  void zeroPointsOutsideTheGridAreRefused() {
    zeroPoint.put(0, 8);
    assertRefused("zero_point[0]: ", args -> {});
  }
}
