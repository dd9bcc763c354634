package org.quantrain.backend;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.quantrain.backend.cpu.CpuBackend;
import org.quantrain.graph.Op;
import org.quantrain.op.Conv2d;
import org.quantrain.op.Conv2dBackwardData;
import org.quantrain.op.Conv2dBackwardWeights;
import org.quantrain.op.ConvGeometry;
import org.quantrain.op.Dequantize;
import org.quantrain.op.Linear;
import org.quantrain.op.LinearBackwardData;
import org.quantrain.op.LinearBackwardWeights;
import org.quantrain.runtime.Backend;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.HostTensor;
import org.quantrain.tensor.Shape;
import org.quantrain.tensor.TensorSpec;

/** Float convolutions and linear layers against plain loops in double. */
class ConvolutionTest {
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
  void forwardAndBothGradientsMatchPlainLoops() {
    SplittableRandom random = new SplittableRandom(7);
    for (int run = 0; run < 60; run++) {
      int groups = pick(random, 1, 1, 2, 4, 16);
      int groupChannels = pick(random, 1, 1, 2, 3, 8);
      int groupOutputs = pick(random, 1, 1, 2, 8);
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
      Shape x = Shape.of(2, groups * groupChannels, random.nextInt(5, 10), random.nextInt(5, 10));
      Shape w =
          Shape.of(
              groups * groupOutputs, groupChannels, random.nextInt(1, 4), random.nextInt(1, 4));
      check(geometry, x, w, random);
    }
  }

  @Test
  void depthwiseMatchesPlainLoops() {
    SplittableRandom random = new SplittableRandom(8);
    for (int channels : new int[] {1, 5, 32, 48}) {
      ConvGeometry geometry = ConvGeometry.of(1 + channels % 2, 1).withGroups(channels);
      check(geometry, Shape.of(3, channels, 8, 7), Shape.of(channels, 1, 3, 3), random);
    }
  }

  @Test
  void biasIsAddedToEveryPixel() {
    SplittableRandom random = new SplittableRandom(9);
    ConvGeometry geometry = ConvGeometry.of(1, 1);
    HostTensor x = normal(random, Shape.of(2, 3, 5, 5));
    HostTensor w = normal(random, Shape.of(6, 3, 3, 3));
    HostTensor bias = normal(random, Shape.of(6));
    double[] y = Loops.forward(geometry, x, w);
    for (int i = 0; i < y.length; i++) {
      y[i] += bias.floats()[i % 6];
    }
    close(y, run(new Conv2d(geometry), x, w, bias), 27);
  }

  @Test
  void linearLayersMatchPlainLoops() {
    SplittableRandom random = new SplittableRandom(10);
    for (int[] size : new int[][] {{1, 1, 1}, {3, 31, 10}, {16, 64, 33}, {7, 207, 1}}) {
      HostTensor x = normal(random, Shape.of(size[0], size[1]));
      HostTensor w = normal(random, Shape.of(size[2], size[1]));
      HostTensor bias = normal(random, Shape.of(size[2]));
      HostTensor dy = normal(random, Shape.of(size[0], size[2]));
      double[] y = new double[size[0] * size[2]];
      double[] dx = new double[size[0] * size[1]];
      double[] dw = new double[size[2] * size[1]];
      for (int n = 0; n < size[0]; n++) {
        for (int o = 0; o < size[2]; o++) {
          double g = dy.floats()[n * size[2] + o];
          y[n * size[2] + o] += bias.floats()[o];
          for (int i = 0; i < size[1]; i++) {
            double xi = x.floats()[n * size[1] + i];
            double wi = w.floats()[o * size[1] + i];
            y[n * size[2] + o] += xi * wi;
            dx[n * size[1] + i] += g * wi;
            dw[o * size[1] + i] += g * xi;
          }
        }
      }
      close(y, run(new Linear(), x, w, bias), size[1]);
      close(dx, run(new LinearBackwardData(), dy, w), size[2]);
      close(dw, run(new LinearBackwardWeights(), x, dy), size[0]);
    }
  }

  @Test
  void theSameInputsGiveTheSameBits() {
    SplittableRandom random = new SplittableRandom(11);
    ConvGeometry geometry = ConvGeometry.of(1, 1);
    HostTensor x = normal(random, Shape.of(16, 16, 14, 14));
    HostTensor w = normal(random, Shape.of(32, 16, 3, 3));
    HostTensor dy = normal(random, Shape.of(16, 32, 14, 14));
    List<Op> ops =
        List.of(
            new Conv2d(geometry),
            new Conv2dBackwardData(geometry, x.shape()),
            new Conv2dBackwardWeights(geometry, w.shape()));
    List<List<HostTensor>> inputs = List.of(List.of(x, w), List.of(dy, w), List.of(x, dy));
    for (int i = 0; i < ops.size(); i++) {
      float[] first = SingleNode.run(backend, ops.get(i), inputs.get(i)).get(0).floats();
      for (int repeat = 0; repeat < 3; repeat++) {
        float[] again = SingleNode.run(backend, ops.get(i), inputs.get(i)).get(0).floats();
        assertArrayEquals(first, again, 0, ops.get(i).kind());
      }
    }
  }

  @Test
  void gradientsOfWeightsMeetCodesWithTheBitsOfTheirValues() {
    SplittableRandom random = new SplittableRandom(12);
    HostTensor scale = HostTensor.of(Shape.of(1), 0.013f);
    for (int kernel = 1; kernel <= 3; kernel++) {
      for (DType type : List.of(DType.U8, DType.S8)) {
        ConvGeometry geometry = ConvGeometry.of(2, kernel / 2);
        Shape w = Shape.of(19, 5, kernel, kernel);
        byte[] codes = new byte[3 * 5 * 11 * 9];
        random.nextBytes(codes);
        TensorSpec spec = new TensorSpec(type, Shape.of(3, 5, 11, 9));
        HostTensor x = HostTensor.ofBytes(spec, codes);
        HostTensor zeroPoint = HostTensor.of(Shape.of(1), 7);
        HostTensor dy = normal(random, geometry.output(x.shape(), w));
        HostTensor values = run(new Dequantize(), x, scale, zeroPoint);
        Op op = new Conv2dBackwardWeights(geometry, w);
        assertArrayEquals(
            run(op, values, dy).floats(), run(op, x, dy, scale, zeroPoint).floats(), 0, "" + type);
      }
    }
  }

  private static void check(ConvGeometry geometry, Shape xs, Shape ws, SplittableRandom random) {
    HostTensor x = normal(random, xs);
    HostTensor w = normal(random, ws);
    HostTensor dy = normal(random, geometry.output(xs, ws));
    int products = ws.dim(1) * ws.dim(2) * ws.dim(3);
    close(Loops.forward(geometry, x, w), run(new Conv2d(geometry), x, w), products);
    close(
        Loops.backwardData(geometry, xs, dy, w),
        run(new Conv2dBackwardData(geometry, xs), dy, w),
        products * ws.dim(0));
    close(
        Loops.backwardWeights(geometry, ws, x, dy),
        run(new Conv2dBackwardWeights(geometry, ws), x, dy),
        (int) dy.shape().elements() / ws.dim(0));
  }

  private static HostTensor run(Op op, HostTensor... inputs) {
    return SingleNode.run(backend, op, List.of(inputs)).get(0);
  }

  /**
   * Each of n additions rounds to half of 2^-23 of a partial sum; products are below 16, and
   * partial sums of n terms of size 1 below 16 + 4 sqrt(n).
   */
  private static void close(double[] expected, HostTensor actual, int products) {
    float[] got = actual.floats();
    assertEquals(expected.length, got.length);
    double tolerance = products * (16 + 4 * Math.sqrt(products)) * 0x1p-24;
    for (int i = 0; i < got.length; i++) {
      assertEquals(expected[i], got[i], tolerance, "element " + i);
    }
  }

  private static HostTensor normal(SplittableRandom random, Shape shape) {
    float[] values = new float[(int) shape.elements()];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) random.nextGaussian();
    }
    return HostTensor.of(shape, values);
  }

  private static int pick(SplittableRandom random, int... values) {
    return values[random.nextInt(values.length)];
  }

  /** One loop nest for the three products; activations NHWC, weights KRSC. */
  private static final class Loops {
    private record Term(int x, int w, int y) {}

    private static List<Term> terms(ConvGeometry g, Shape x, Shape w) {
      Shape y = g.output(x, w);
      int channels = w.dim(1);
      int outputs = w.dim(0) / g.groups();
      List<Term> terms = new ArrayList<>();
      for (int n = 0; n < x.dim(0); n++) {
        for (int p = 0; p < y.dim(2); p++) {
          for (int q = 0; q < y.dim(3); q++) {
            for (int r = 0; r < w.dim(2); r++) {
              for (int s = 0; s < w.dim(3); s++) {
                int h = p * g.strideH() - g.padTop() + r * g.dilationH();
                int v = q * g.strideW() - g.padLeft() + s * g.dilationW();
                if (h < 0 || h >= x.dim(2) || v < 0 || v >= x.dim(3)) {
                  continue;
                }
                for (int k = 0; k < w.dim(0); k++) {
                  for (int c = 0; c < channels; c++) {
                    int inputChannel = k / outputs * channels + c;
                    terms.add(
                        new Term(
                            ((n * x.dim(2) + h) * x.dim(3) + v) * x.dim(1) + inputChannel,
                            ((k * w.dim(2) + r) * w.dim(3) + s) * channels + c,
                            ((n * y.dim(2) + p) * y.dim(3) + q) * w.dim(0) + k));
                  }
                }
              }
            }
          }
        }
      }
      return terms;
    }

    static double[] forward(ConvGeometry g, HostTensor x, HostTensor w) {
      double[] y = new double[(int) g.output(x.shape(), w.shape()).elements()];
      float[] xs = x.floats();
      float[] ws = w.floats();
      terms(g, x.shape(), w.shape()).forEach(t -> y[t.y] += (double) xs[t.x] * ws[t.w]);
      return y;
    }

    static double[] backwardData(ConvGeometry g, Shape x, HostTensor dy, HostTensor w) {
      double[] dx = new double[(int) x.elements()];
      float[] gs = dy.floats();
      float[] ws = w.floats();
      terms(g, x, w.shape()).forEach(t -> dx[t.x] += (double) gs[t.y] * ws[t.w]);
      return dx;
    }

    static double[] backwardWeights(ConvGeometry g, Shape w, HostTensor x, HostTensor dy) {
      double[] dw = new double[(int) w.elements()];
      float[] gs = dy.floats();
      float[] xs = x.floats();
      terms(g, x.shape(), w).forEach(t -> dw[t.w] += (double) gs[t.y] * xs[t.x]);
      return dw;
    }
  }
}
