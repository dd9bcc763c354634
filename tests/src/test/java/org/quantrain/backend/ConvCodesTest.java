package org.quantrain.backend;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.quantrain.backend.cpu.CpuBackend;
import org.quantrain.op.ConvCodes;
import org.quantrain.op.ConvGeometry;
import org.quantrain.op.LinearCodes;
import org.quantrain.op.Lowering;
import org.quantrain.runtime.Backend;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.HostTensor;
import org.quantrain.tensor.Shape;
import org.quantrain.tensor.TensorSpec;

/** The three lowerings of products on codes give the same accumulators, to the bit. */
class ConvCodesTest {
  private static Backend backend;

  @BeforeAll
  static void open() {
    backend = CpuBackend.open();
  }

  @AfterAll
  static void close() {
    backend.close();
  }

  @Test
  void theThreeLoweringsAgreeOnRandomGeometries() {
    SplittableRandom random = new SplittableRandom(1);
    for (int run = 0; run < 60; run++) {
      int groups = pick(random, 1, 1, 1, 2, 3, 8);
      int groupChannels = pick(random, 1, 1, 2, 3, 4, 8, 16, 17);
      int groupOutputs = pick(random, 1, 1, 2, 4, 5, 16);
      int r = random.nextInt(1, 4);
      int s = random.nextInt(1, 4);
      ConvGeometry geometry =
          new ConvGeometry(
              random.nextInt(1, 3),
              random.nextInt(1, 3),
              random.nextInt(0, 3),
              random.nextInt(0, 3),
              random.nextInt(0, 3),
              random.nextInt(0, 3),
              random.nextInt(1, 3),
              random.nextInt(1, 3),
              groups);
      int h = random.nextInt(5, 12);
      int w = random.nextInt(5, 12);
      Shape x = Shape.of(random.nextInt(1, 4), groups * groupChannels, h, w);
      Shape k = Shape.of(groups * groupOutputs, groupChannels, r, s);
      compare(geometry, x, k, random);
    }
  }

  @Test
  void depthwiseAgrees() {
    SplittableRandom random = new SplittableRandom(2);
    for (int channels : new int[] {1, 7, 16, 33, 64}) {
      for (int stride = 1; stride <= 2; stride++) {
        ConvGeometry geometry = ConvGeometry.of(stride, 1).withGroups(channels);
        compare(geometry, Shape.of(2, channels, 9, 8), Shape.of(channels, 1, 3, 3), random);
      }
    }
  }

  @Test
  void sumsTooLongForOneFloatAgree() {
    SplittableRandom random = new SplittableRandom(3);
    // 58 * 9 products of up to 128 * 255 pass 2^24, also where the channels do not split evenly.
    compare(ConvGeometry.of(1, 1), Shape.of(1, 64, 6, 6), Shape.of(8, 64, 3, 3), random);
    compare(ConvGeometry.of(1, 1), Shape.of(1, 131, 5, 5), Shape.of(4, 131, 3, 3), random);
    compare(ConvGeometry.of(1, 0), Shape.of(2, 1100, 3, 3), Shape.of(5, 1100, 1, 1), random);
    ConvGeometry grouped = ConvGeometry.of(2, 1).withGroups(2);
    compare(grouped, Shape.of(1, 140, 5, 5), Shape.of(4, 70, 3, 3), random);
  }

  @Test
  void aWindowTooLargeToSplitByChannelsAgrees() {
    SplittableRandom random = new SplittableRandom(4);
    compare(ConvGeometry.of(1, 0), Shape.of(1, 2, 30, 25), Shape.of(2, 2, 27, 20), random);
  }

  @Test
  void linearLayersAgree() {
    SplittableRandom random = new SplittableRandom(5);
    for (int in : new int[] {1, 3, 64, 256, 257, 514, 515, 1500}) {
      for (DType type : List.of(DType.U8, DType.S8)) {
        HostTensor x = codes(random, type, Shape.of(5, in));
        HostTensor w = codes(random, DType.S8, Shape.of(10, in));
        compare(
            List.of(Lowering.values()).stream()
                .map(l -> SingleNode.run(backend, new LinearCodes(l), inputs(x, 17, w)))
                .toList(),
            "linear " + in + " " + type);
      }
    }
  }

  /** Constant weights are asked what their sums can reach: here just what a float holds. */
  @Test
  void sumsAtTheEndOfWhatAFloatHoldsAgree() {
    for (int last : new int[] {7, 8}) {
      for (int sign : new int[] {1, -1}) {
        // 255 * (518 * 127 + 7) is 2^24 - 1.
        byte[] weights = new byte[3 * 519];
        Arrays.fill(weights, (byte) (sign * 127));
        weights[518] = (byte) (sign * last);
        weights[2 * 519 + 5] = 0;
        HostTensor w =
            HostTensor.ofBytes(new TensorSpec(DType.S8, Shape.of(3, 519, 1, 1)), weights);
        byte[] codes = new byte[519 * 4];
        Arrays.fill(codes, (byte) 255);
        codes[2] = 0;
        codes[4 * 519 - 1] = (byte) 254;
        HostTensor x =
            HostTensor.ofBytes(new TensorSpec(DType.U8, Shape.of(1, 519, 2, 2)), codes);
        compare(
            List.of(Lowering.values()).stream()
                .map(l -> new ConvCodes(ConvGeometry.of(1, 0), l))
                .map(op -> SingleNode.runFrozen(backend, op, inputs(x, 0, w)))
                .toList(),
            "sums of up to 255 * " + sign * (518 * 127 + last));
      }
    }
  }

  @Test
  void theBackendSaysHowIntegersAreComputed() {
    assertTrue(backend.description().contains("integer products"), backend.description());
  }

  private static void compare(ConvGeometry geometry, Shape x, Shape w, SplittableRandom random) {
    for (DType type : List.of(DType.U8, DType.S8)) {
      int[] zeroPoints = type == DType.U8 ? new int[] {0, 17, 255} : new int[] {0, -128, 127};
      HostTensor codes = codes(random, type, x);
      HostTensor weights = codes(random, DType.S8, w);
      for (int zeroPoint : zeroPoints) {
        compare(
            List.of(Lowering.values()).stream()
                .map(
                    l ->
                        SingleNode.run(
                            backend, new ConvCodes(geometry, l), inputs(codes, zeroPoint, weights)))
                .toList(),
            geometry + " " + x + " " + w + " " + type + " zero-point " + zeroPoint);
        compare(
            List.of(Lowering.values()).stream()
                .map(l -> new ConvCodes(geometry, l))
                .map(op -> SingleNode.runFrozen(backend, op, inputs(codes, zeroPoint, weights)))
                .toList(),
            geometry + " " + x + " " + w + " " + type + " constant, zero-point " + zeroPoint);
      }
    }
  }

  private static void compare(List<List<HostTensor>> results, String what) {
    int[] reference = results.get(Lowering.REFERENCE.ordinal()).get(0).ints();
    for (Lowering lowering : Lowering.values()) {
      assertArrayEquals(
          reference, results.get(lowering.ordinal()).get(0).ints(), () -> lowering + " of " + what);
    }
  }

  private static List<HostTensor> inputs(HostTensor x, int zeroPoint, HostTensor w) {
    HostTensor scale = HostTensor.filled(Shape.of(1), 0.1f);
    return List.of(x, scale, HostTensor.of(Shape.of(1), zeroPoint), w, scale);
  }

  /** Full-range codes, a third of them at the ends of the range. */
  private static HostTensor codes(SplittableRandom random, DType type, Shape shape) {
    byte[] bytes = new byte[(int) shape.elements()];
    random.nextBytes(bytes);
    byte low = type == DType.U8 ? 0 : Byte.MIN_VALUE;
    byte high = type == DType.U8 ? (byte) 255 : Byte.MAX_VALUE;
    // One tensor in four is nearly constant at an end: the largest sums there are.
    boolean extreme = random.nextInt(4) == 0;
    for (int i = 0; i < bytes.length; i++) {
      int choice = random.nextInt(extreme ? 20 : 6);
      if (choice == 0) {
        bytes[i] = low;
      } else if (choice == 1 || extreme) {
        bytes[i] = high;
      }
    }
    return HostTensor.ofBytes(new TensorSpec(type, shape), bytes);
  }

  private static int pick(SplittableRandom random, int... values) {
    return values[random.nextInt(values.length)];
  }
}
