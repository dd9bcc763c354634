package org.quantrain.testkit;

import static org.quantrain.testkit.Arithmetic.clamp;
import static org.quantrain.testkit.Arithmetic.dequantize;
import static org.quantrain.testkit.Arithmetic.inRange;
import static org.quantrain.testkit.Arithmetic.rint;
import static org.quantrain.testkit.Oracle.U;

import java.util.Arrays;
import org.quantrain.op.AveragePool;
import org.quantrain.op.AveragePoolBackward;
import org.quantrain.op.AveragePoolCodes;
import org.quantrain.op.AveragePoolOnGrid;
import org.quantrain.op.GlobalAveragePool;
import org.quantrain.op.GlobalAveragePoolBackward;
import org.quantrain.op.GlobalPoolSum;
import org.quantrain.op.MaxPool;
import org.quantrain.op.MaxPoolBackward;
import org.quantrain.op.PoolWindow;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.HostTensor;
import org.quantrain.tensor.Shape;
import org.quantrain.tensor.TensorSpec;
import org.quantrain.testkit.Expected.Near;

/**
 * Pooling on channels-last memory. Sums go over a window, and over the windows that cover a cell,
 * in row-major order: exact.
 */
final class PoolRules {
  private PoolRules() {}

  static void register() {
    Oracle.rule(MaxPool.class, PoolRules::maxPool);
    Oracle.rule(MaxPoolBackward.class, PoolRules::maxPoolBackward);
    Oracle.rule(AveragePool.class, PoolRules::averagePool);
    Oracle.rule(AveragePoolBackward.class, PoolRules::averagePoolBackward);
    Oracle.rule(AveragePoolCodes.class, PoolRules::averagePoolCodes);
    Oracle.rule(GlobalAveragePool.class, PoolRules::globalAveragePool);
    Oracle.rule(GlobalAveragePoolBackward.class, PoolRules::globalAveragePoolBackward);
    Oracle.rule(AveragePoolOnGrid.class, PoolRules::averagePoolOnGrid);
    Oracle.rule(GlobalPoolSum.class, PoolRules::globalPoolSum);
  }

  /** A cell of a window that lies inside the input. */
  private interface Cell {
    void at(int out, int in, int cell);
  }

  /** All cells, output by output, each window in row-major order. */
  private static void forEachCell(PoolWindow window, Shape x, Cell cell) {
    Shape y = window.output(x);
    int channels = x.dim(1);
    for (int n = 0; n < y.dim(0); n++) {
      for (int p = 0; p < y.dim(2); p++) {
        for (int q = 0; q < y.dim(3); q++) {
          for (int c = 0; c < channels; c++) {
            int out = ((n * y.dim(2) + p) * y.dim(3) + q) * channels + c;
            for (int r = 0; r < window.kernelH(); r++) {
              for (int s = 0; s < window.kernelW(); s++) {
                int h = p * window.strideH() - window.padTop() + r;
                int v = q * window.strideW() - window.padLeft() + s;
                if (h >= 0 && h < x.dim(2) && v >= 0 && v < x.dim(3)) {
                  cell.at(
                      out,
                      ((n * x.dim(2) + h) * x.dim(3) + v) * channels + c,
                      r * window.kernelW() + s);
                }
              }
            }
          }
        }
      }
    }
  }

  /** What each window's sum is divided by. */
  private static float[] counts(PoolWindow window, boolean countPadding, Shape x) {
    float[] counts = new float[Math.toIntExact(window.output(x).elements())];
    if (countPadding) {
      Arrays.fill(counts, window.kernelH() * window.kernelW());
    } else {
      forEachCell(window, x, (out, in, cell) -> counts[out]++);
    }
    return counts;
  }

  private static Expected maxPool(MaxPool op, Oracle.Call call) {
    HostTensor x = call.in(0);
    boolean codes = x.spec().dtype().isCodes();
    float[] values = codes ? toFloats(x.codes()) : x.floats();
    Shape y = op.window().output(x.shape());
    float[] best = new float[Math.toIntExact(y.elements())];
    int[] argmax = EdgeValues.all(best.length, -1);
    forEachCell(
        op.window(),
        x.shape(),
        (out, in, cell) -> {
          boolean first = argmax[out] < 0;
          // The first of equals stays, and so does the first NaN.
          if (first || (!(values[in] <= best[out]) && !Float.isNaN(best[out]))) {
            best[out] = values[in];
            argmax[out] = cell;
          }
        });
    return Expected.bits(
        codes ? Tensors.codes(x.spec().dtype(), y, toInts(best)) : HostTensor.of(y, best),
        Tensors.codes(DType.U8, y, argmax));
  }

  private static float[] toFloats(int[] values) {
    float[] out = new float[values.length];
    for (int i = 0; i < out.length; i++) {
      out[i] = values[i];
    }
    return out;
  }

  private static int[] toInts(float[] values) {
    int[] out = new int[values.length];
    for (int i = 0; i < out.length; i++) {
      out[i] = (int) values[i];
    }
    return out;
  }

  private static Expected maxPoolBackward(MaxPoolBackward op, Oracle.Call call) {
    float[] dy = call.floats(0);
    int[] argmax = call.codes(1);
    float[] dx = new float[Math.toIntExact(op.x().elements())];
    forEachCell(
        op.window(), op.x(), (out, in, cell) -> dx[in] += argmax[out] == cell ? dy[out] : 0f);
    return Expected.bits(HostTensor.of(op.x(), dx));
  }

  private static Expected averagePool(AveragePool op, Oracle.Call call) {
    float[] x = call.floats(0);
    Shape xs = call.in(0).shape();
    float[] counts = counts(op.window(), op.countPadding(), xs);
    float[] y = new float[counts.length];
    forEachCell(op.window(), xs, (out, in, cell) -> y[out] += x[in]);
    for (int i = 0; i < y.length; i++) {
      y[i] /= counts[i];
    }
    return Expected.bits(HostTensor.of(op.window().output(xs), y));
  }

  private static Expected averagePoolBackward(AveragePoolBackward op, Oracle.Call call) {
    float[] dy = call.floats(0);
    float[] counts = counts(op.window(), op.countPadding(), op.x());
    float[] dx = new float[Math.toIntExact(op.x().elements())];
    forEachCell(op.window(), op.x(), (out, in, cell) -> dx[in] += dy[out] / counts[out]);
    return Expected.bits(HostTensor.of(op.x(), dx));
  }

  private static Expected averagePoolCodes(AveragePoolCodes op, Oracle.Call call) {
    int[] x = call.codes(0);
    Shape xs = call.in(0).shape();
    float[] counts = counts(op.window(), op.countPadding(), xs);
    float[] sums = new float[counts.length];
    forEachCell(
        op.window(),
        xs,
        (out, in, cell) -> sums[out] += dequantize(x[in], call.scalar(1), call.integer(2)));
    int[] codes = new int[sums.length];
    boolean[] mask = new boolean[sums.length];
    for (int i = 0; i < sums.length; i++) {
      float level = sums[i] / counts[i] / call.scalar(3) + call.integer(4);
      codes[i] = (int) rint(clamp(level, op.spec().qmin(), op.spec().qmax()));
      mask[i] = inRange(level, op.spec().qmin(), op.spec().qmax());
    }
    Shape y = op.window().output(xs);
    return Expected.bits(Tensors.codes(op.spec().container(), y, codes), Tensors.mask(y, mask));
  }

  private static Expected averagePoolOnGrid(AveragePoolOnGrid op, Oracle.Call call) {
    int[] x = call.codes(0);
    Shape xs = call.in(0).shape();
    float[] counts = counts(op.window(), false, xs);
    int[] mean = new int[counts.length];
    forEachCell(op.window(), xs, (out, in, cell) -> mean[out] += x[in]);
    for (int i = 0; i < mean.length; i++) {
      double exact = mean[i] / (double) counts[i];
      mean[i] = (int) (Math.signum(exact) * Math.floor(Math.abs(exact) + 0.5));
    }
    Shape y = op.window().output(xs);
    return Expected.bits(Tensors.codes(call.in(0).spec().dtype(), y, mean));
  }

  private static Expected globalAveragePool(GlobalAveragePool op, Oracle.Call call) {
    float[] x = call.floats(0);
    Shape xs = call.in(0).shape();
    int channels = xs.dim(1);
    int cells = xs.dim(2) * xs.dim(3);
    double[] mean = new double[xs.dim(0) * channels];
    double[] bound = new double[mean.length];
    for (int i = 0; i < x.length; i++) {
      int out = i / channels / cells * channels + i % channels;
      mean[out] += (double) x[i] / cells;
      bound[out] += (cells + 1) * U * Math.abs((double) x[i] / cells);
    }
    return Expected.of(new Near(mean, bound));
  }

  private static Expected globalAveragePoolBackward(
      GlobalAveragePoolBackward op, Oracle.Call call) {
    float[] dy = call.floats(0);
    int channels = op.x().dim(1);
    int cells = op.x().dim(2) * op.x().dim(3);
    float[] dx = new float[Math.toIntExact(op.x().elements())];
    for (int i = 0; i < dx.length; i++) {
      // A gradient starts at +0, so -0 does not survive.
      dx[i] = 0f + dy[i / channels / cells * channels + i % channels] / (float) cells;
    }
    return Expected.bits(HostTensor.of(op.x(), dx));
  }

  private static Expected globalPoolSum(GlobalPoolSum op, Oracle.Call call) {
    int[] x = call.codes(0);
    Shape xs = call.in(0).shape();
    int channels = xs.dim(1);
    int cells = xs.dim(2) * xs.dim(3);
    int[] acc = new int[xs.dim(0) * channels];
    for (int i = 0; i < x.length; i++) {
      acc[i / channels / cells * channels + i % channels] += x[i] - call.integer(1);
    }
    HostTensor y = HostTensor.zeros(TensorSpec.s32(xs.dim(0), channels, 1, 1));
    y.buffer().asIntBuffer().put(acc);
    return Expected.bits(y);
  }
}
