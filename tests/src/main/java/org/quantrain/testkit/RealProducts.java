package org.quantrain.testkit;

import org.quantrain.op.ConvGeometry;
import org.quantrain.op.PoolWindow;
import org.quantrain.tensor.Shape;

/**
 * Convolution, matrix product and mean pooling over real numbers, values in logical order (N,C,H,W
 * and K,C,R,S): written from the definition, with no layout in common with the kernels.
 */
final class RealProducts {
  private RealProducts() {}

  /** One product of a convolution: y[out] += x[in] * w[weight]. */
  private interface Term {
    void at(int out, int in, int weight);
  }

  private static void convolution(ConvGeometry g, Shape x, Shape w, Shape y, Term term) {
    int height = x.dim(2);
    int width = x.dim(3);
    int groupIn = w.dim(1);
    int groupOut = w.dim(0) / g.groups();
    for (int n = 0; n < y.dim(0); n++) {
      for (int k = 0; k < y.dim(1); k++) {
        for (int p = 0; p < y.dim(2); p++) {
          for (int q = 0; q < y.dim(3); q++) {
            int out = ((n * y.dim(1) + k) * y.dim(2) + p) * y.dim(3) + q;
            for (int c = 0; c < groupIn; c++) {
              int channel = k / groupOut * groupIn + c;
              for (int r = 0; r < w.dim(2); r++) {
                int h = p * g.strideH() - g.padTop() + r * g.dilationH();
                if (h < 0 || h >= height) {
                  continue;
                }
                for (int s = 0; s < w.dim(3); s++) {
                  int v = q * g.strideW() - g.padLeft() + s * g.dilationW();
                  if (v >= 0 && v < width) {
                    term.at(
                        out,
                        ((n * x.dim(1) + channel) * height + h) * width + v,
                        ((k * groupIn + c) * w.dim(2) + r) * w.dim(3) + s);
                  }
                }
              }
            }
          }
        }
      }
    }
  }

  /**
   * Evaluated thousands of times in one gradient check, hence its own loops, rows of the image
   * innermost.
   */
  static double[] conv(ConvGeometry g, Shape xs, double[] x, Shape ws, double[] w) {
    Shape ys = g.output(xs, ws);
    double[] y = new double[Math.toIntExact(ys.elements())];
    int channels = xs.dim(1);
    int height = xs.dim(2);
    int width = xs.dim(3);
    int groupIn = ws.dim(1);
    int kernelH = ws.dim(2);
    int kernelW = ws.dim(3);
    int outputs = ys.dim(1);
    int groupOut = outputs / g.groups();
    int rows = ys.dim(2);
    int columns = ys.dim(3);
    int stride = g.strideW();
    for (int i = 0; i < ys.dim(0) * outputs * groupIn * kernelH * kernelW; i++) {
      int s = i % kernelW;
      int r = i / kernelW % kernelH;
      int c = i / kernelW / kernelH % groupIn;
      int k = i / kernelW / kernelH / groupIn % outputs;
      int n = i / kernelW / kernelH / groupIn / outputs;
      double weight = w[((k * groupIn + c) * kernelH + r) * kernelW + s];
      int plane = (n * channels + k / groupOut * groupIn + c) * height;
      int left = s * g.dilationW() - g.padLeft();
      int first = left >= 0 ? 0 : (-left + stride - 1) / stride;
      int last = Math.min(columns, (width - left + stride - 1) / stride);
      for (int p = 0; p < rows; p++) {
        int h = p * g.strideH() - g.padTop() + r * g.dilationH();
        if (h < 0 || h >= height) {
          continue;
        }
        int in = (plane + h) * width + left;
        int out = ((n * outputs + k) * rows + p) * columns;
        for (int q = first; q < last; q++) {
          y[out + q] += x[in + q * stride] * weight;
        }
      }
    }
    return y;
  }

  /** Gradient of the input; dy has the shape of the output. */
  static double[] convBackwardData(ConvGeometry g, Shape xs, Shape ws, double[] w, double[] dy) {
    double[] dx = new double[Math.toIntExact(xs.elements())];
    convolution(g, xs, ws, g.output(xs, ws), (o, i, k) -> dx[i] += dy[o] * w[k]);
    return dx;
  }

  static double[] convBackwardWeights(ConvGeometry g, Shape xs, double[] x, Shape ws, double[] dy) {
    double[] dw = new double[Math.toIntExact(ws.elements())];
    convolution(g, xs, ws, g.output(xs, ws), (o, i, k) -> dw[k] += dy[o] * x[i]);
    return dw;
  }

  /** a [m,k] times b [k,n], each possibly transposed in memory. */
  static double[] product(
      int m, int n, int k, double[] a, boolean aTransposed, double[] b, boolean bTransposed) {
    double[] y = new double[m * n];
    for (int i = 0; i < m; i++) {
      for (int j = 0; j < n; j++) {
        double sum = 0;
        for (int l = 0; l < k; l++) {
          sum += a[aTransposed ? l * m + i : i * k + l] * b[bTransposed ? j * k + l : l * n + j];
        }
        y[i * n + j] = sum;
      }
    }
    return y;
  }

  /** x [N,I] times w [O,I] transposed. */
  static double[] linear(Shape xs, double[] x, Shape ws, double[] w) {
    return product(xs.dim(0), ws.dim(0), xs.dim(1), x, false, w, true);
  }

  /** Adds a bias for each of dimension 1. */
  static void addBias(Shape ys, double[] y, double[] bias) {
    int inner = y.length / ys.dim(0) / ys.dim(1);
    for (int i = 0; i < y.length; i++) {
      y[i] += bias[i / inner % ys.dim(1)];
    }
  }

  /** Mean over windows; {@code countPadding} divides by the whole window. */
  static double[] averagePool(PoolWindow window, boolean countPadding, Shape xs, double[] x) {
    Shape ys = window.output(xs);
    double[] y = new double[Math.toIntExact(ys.elements())];
    for (int o = 0; o < y.length; o++) {
      int q = o % ys.dim(3);
      int p = o / ys.dim(3) % ys.dim(2);
      int plane = o / ys.dim(3) / ys.dim(2);
      int cells = 0;
      for (int r = 0; r < window.kernelH(); r++) {
        for (int s = 0; s < window.kernelW(); s++) {
          int h = p * window.strideH() - window.padTop() + r;
          int v = q * window.strideW() - window.padLeft() + s;
          if (h >= 0 && h < xs.dim(2) && v >= 0 && v < xs.dim(3)) {
            y[o] += x[(plane * xs.dim(2) + h) * xs.dim(3) + v];
            cells++;
          }
        }
      }
      y[o] /= countPadding ? window.kernelH() * window.kernelW() : cells;
    }
    return y;
  }
}
