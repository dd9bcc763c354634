package org.quantrain.integer;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;
import org.quantrain.onnx.MemoryOrder;
import org.quantrain.op.ConvGeometry;
import org.quantrain.op.PoolWindow;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.HostTensor;
import org.quantrain.tensor.Shape;
import org.quantrain.tensor.TensorSpec;

/** The contract written down a second time: NCHW, one element after the other, no native code. */
final class PlainJavaCodes implements CodesSource {
  private final IntegerModel model;
  private final Map<String, int[]> values = new HashMap<>();
  private final Map<String, Long> largestSums = new HashMap<>();
  private int batch;

  PlainJavaCodes(IntegerModel model) {
    this.model = model;
  }

  @Override
  public String description() {
    return "plain Java";
  }

  @Override
  public CodesBatch run(HostTensor images) {
    batch = images.shape().dim(0);
    values.clear();
    Map<String, HostTensor> codes = new LinkedHashMap<>();
    HostTensor logits = null;
    for (IntegerLayer layer : model.layers()) {
      if (layer instanceof IntegerLayer.Logits last) {
        logits = logits(last);
      } else {
        IntegerLayer.ToCodes step = (IntegerLayer.ToCodes) layer;
        int[] y = run(step, images);
        values.put(step.name(), y);
        byte[] bytes = new byte[y.length];
        for (int i = 0; i < y.length; i++) {
          bytes[i] = (byte) y[i];
        }
        TensorSpec spec = new TensorSpec(DType.U8, step.y().shape().withBatch(batch));
        codes.put(step.name(), MemoryOrder.fromOnnx(spec, bytes));
      }
    }
    return new CodesBatch(codes, logits);
  }

  private int[] run(IntegerLayer.ToCodes layer, HostTensor images) {
    CodesTensor y = layer.y();
    if (layer instanceof IntegerLayer.QuantizeInput) {
      FloatBuffer floats =
          ByteBuffer.wrap(MemoryOrder.toOnnx(images))
              .order(ByteOrder.LITTLE_ENDIAN)
              .asFloatBuffer();
      int[] q = new int[floats.capacity()];
      for (int i = 0; i < q.length; i++) {
        q[i] = quantize(floats.get(i), y);
      }
      return q;
    } else if (layer instanceof IntegerLayer.Conv conv) {
      int[] acc = conv(conv);
      return requantized(acc, conv.w(), y);
    } else if (layer instanceof IntegerLayer.Linear linear) {
      return requantized(product(linear.x(), linear.w()), linear.w(), y);
    } else if (layer instanceof IntegerLayer.Add add) {
      return add(add);
    } else if (layer instanceof IntegerLayer.Concat concat) {
      return concat(concat);
    } else if (layer instanceof IntegerLayer.MaxPool pool) {
      return pooled(pool.x(), pool.window(), y, true, false);
    } else if (layer instanceof IntegerLayer.AveragePool pool) {
      if (pool.window().isAllOf(pool.x().shape())) {
        return global(pool.x(), y);
      }
      return pooled(pool.x(), pool.window(), y, false, pool.countPadding());
    } else if (layer instanceof IntegerLayer.GlobalAveragePool pool) {
      return global(pool.x(), y);
    } else if (layer instanceof IntegerLayer.RequantizeCodes requantize) {
      CodesTensor x = requantize.x();
      int[] in = values.get(x.name());
      int[] q = new int[in.length];
      for (int i = 0; i < q.length; i++) {
        q[i] = quantize((float) (in[i] - x.zeroPoint()) * x.scale(), y);
      }
      return q;
    }
    if (layer instanceof IntegerLayer.Slice slice) {
      int[] starts = new int[y.shape().rank()];
      int[] steps = {1, 1, 1, 1};
      starts[slice.part().axis()] = slice.part().start();
      steps[slice.part().axis()] = slice.part().step();
      return taken(slice.x(), y, starts, steps);
    } else if (layer instanceof IntegerLayer.Pad pad) {
      int[] starts = pad.pad().before().stream().mapToInt(before -> -before).toArray();
      return taken(pad.x(), y, starts, new int[] {1, 1, 1, 1});
    }
    return values.get(((IntegerLayer.Flatten) layer).x().name());
  }

  /** y[i] = x[start + step * i] in every dimension, the zero-point outside of x. */
  private int[] taken(CodesTensor x, CodesTensor y, int[] starts, int[] steps) {
    int[] in = values.get(x.name());
    int[] q = new int[batch * (int) y.shape().elementsPerSample()];
    for (int i = 0; i < q.length; i++) {
      int rest = i;
      int stride = 1;
      int from = 0;
      boolean inside = true;
      for (int d = y.shape().rank() - 1; d >= 0; d--) {
        int size = d == 0 ? batch : y.shape().dim(d);
        int place = starts[d] + steps[d] * (rest % size);
        int dim = d == 0 ? batch : x.shape().dim(d);
        inside &= place >= 0 && place < dim;
        from += place * stride;
        stride *= dim;
        rest /= size;
      }
      q[i] = inside ? in[from] : x.zeroPoint();
    }
    return q;
  }

  private static int quantize(float x, CodesTensor y) {
    float v = x / y.scale();
    v = Math.max(-y.zeroPoint(), Math.min(y.qmax() - y.zeroPoint(), v));
    return (int) Math.rint(v) + y.zeroPoint();
  }

  private static int requantize(int acc, float m, CodesTensor y) {
    float v = (float) acc * m;
    v = Math.max(-y.zeroPoint(), Math.min(y.qmax() - y.zeroPoint(), v));
    return (int) Math.rint(v) + y.zeroPoint();
  }

  private static int saturate(float v, CodesTensor y) {
    return (int) Math.max(0, Math.min(y.qmax(), Math.rint(v)));
  }

  private int[] requantized(int[] acc, IntegerWeights w, CodesTensor y) {
    float[] so = w.outScale().floats();
    int[] bias = w.bias().ints();
    int inner = acc.length / batch / so.length;
    int[] q = new int[acc.length];
    for (int i = 0; i < q.length; i++) {
      int k = i / inner % so.length;
      noteSum(y.name(), acc[i], bias[k]);
      q[i] = requantize(acc[i] + bias[k], so[k] / y.scale(), y);
    }
    return q;
  }

  private static byte[] onnxCodes(IntegerWeights w) {
    return MemoryOrder.toOnnx(w.codes());
  }

  private int[] product(CodesTensor x, IntegerWeights weights) {
    int[] in = values.get(x.name());
    byte[] w = onnxCodes(weights);
    int outputs = weights.codes().shape().dim(0);
    int inputs = weights.codes().shape().dim(1);
    int[] acc = new int[batch * outputs];
    for (int n = 0; n < batch; n++) {
      for (int o = 0; o < outputs; o++) {
        for (int i = 0; i < inputs; i++) {
          acc[n * outputs + o] += (in[n * inputs + i] - x.zeroPoint()) * w[o * inputs + i];
        }
      }
    }
    return acc;
  }

  private int[] conv(IntegerLayer.Conv layer) {
    int[] in = values.get(layer.x().name());
    byte[] weights = onnxCodes(layer.w());
    ConvGeometry g = layer.geometry();
    Shape x = layer.x().shape();
    Shape w = layer.w().codes().shape();
    Shape y = layer.y().shape();
    int[] acc = new int[batch * (int) y.elementsPerSample()];
    int at = 0;
    for (int n = 0; n < batch; n++) {
      for (int k = 0; k < y.dim(1); k++) {
        int firstChannel = k / (w.dim(0) / g.groups()) * w.dim(1);
        for (int p = 0; p < y.dim(2); p++) {
          for (int q = 0; q < y.dim(3); q++, at++) {
            for (int c = 0; c < w.dim(1); c++) {
              for (int r = 0; r < w.dim(2); r++) {
                for (int s = 0; s < w.dim(3); s++) {
                  int h = p * g.strideH() - g.padTop() + r * g.dilationH();
                  int v = q * g.strideW() - g.padLeft() + s * g.dilationW();
                  if (h >= 0 && v >= 0 && h < x.dim(2) && v < x.dim(3)) {
                    int plane = n * x.dim(1) + firstChannel + c;
                    int code = in[(plane * x.dim(2) + h) * x.dim(3) + v];
                    acc[at] +=
                        (code - layer.x().zeroPoint())
                            * weights[((k * w.dim(1) + c) * w.dim(2) + r) * w.dim(3) + s];
                  }
                }
              }
            }
          }
        }
      }
    }
    return acc;
  }

  private int[] add(IntegerLayer.Add layer) {
    int[] a = values.get(layer.a().name());
    int[] b = values.get(layer.b().name());
    CodesTensor y = layer.y();
    float ra = layer.a().scale() / y.scale();
    float rb = layer.b().scale() / y.scale();
    float fix = y.zeroPoint() - Math.fma(ra, layer.a().zeroPoint(), rb * layer.b().zeroPoint());
    int[] q = new int[a.length];
    for (int i = 0; i < q.length; i++) {
      q[i] = saturate(Math.fma(a[i], ra, Math.fma(b[i], rb, fix)), y);
    }
    return q;
  }

  private int[] concat(IntegerLayer.Concat layer) {
    CodesTensor y = layer.y();
    int inner = 1;
    for (int i = layer.axis() + 1; i < y.shape().rank(); i++) {
      inner *= y.shape().dim(i);
    }
    int row = inner * y.shape().dim(layer.axis());
    int[] q = new int[batch * (int) y.shape().elementsPerSample()];
    int start = 0;
    for (CodesTensor x : layer.parts()) {
      int[] in = values.get(x.name());
      int own = inner * x.shape().dim(layer.axis());
      for (int i = 0; i < in.length; i++) {
        float real = (float) (in[i] - x.zeroPoint()) * x.scale();
        q[i / own * row + start + i % own] = quantize(real, y);
      }
      start += own;
    }
    return q;
  }

  private int[] pooled(CodesTensor x, PoolWindow g, CodesTensor y, boolean max, boolean padding) {
    int[] in = values.get(x.name());
    int height = x.shape().dim(2);
    int width = x.shape().dim(3);
    int[] out = new int[batch * (int) y.shape().elementsPerSample()];
    int at = 0;
    for (int plane = 0; plane < batch * x.shape().dim(1); plane++) {
      for (int p = 0; p < y.shape().dim(2); p++) {
        for (int q = 0; q < y.shape().dim(3); q++, at++) {
          int largest = 0;
          float sum = 0;
          int cells = 0;
          for (int r = 0; r < g.kernelH(); r++) {
            for (int s = 0; s < g.kernelW(); s++) {
              int h = p * g.strideH() - g.padTop() + r;
              int v = q * g.strideW() - g.padLeft() + s;
              if (h >= 0 && v >= 0 && h < height && v < width) {
                int code = in[(plane * height + h) * width + v];
                largest = Math.max(largest, code);
                sum += (float) (code - x.zeroPoint()) * x.scale();
                cells++;
              }
            }
          }
          float mean = sum / (padding ? g.kernelH() * g.kernelW() : cells);
          out[at] = max ? largest : saturate(mean / y.scale() + y.zeroPoint(), y);
        }
      }
    }
    return out;
  }

  private int[] global(CodesTensor x, CodesTensor y) {
    int[] in = values.get(x.name());
    int cells = x.shape().dim(2) * x.shape().dim(3);
    float m = x.scale() / (y.scale() * cells);
    int[] out = new int[in.length / cells];
    for (int i = 0; i < in.length; i++) {
      out[i / cells] += in[i] - x.zeroPoint();
    }
    for (int i = 0; i < out.length; i++) {
      out[i] = requantize(out[i], m, y);
    }
    return out;
  }

  private HostTensor logits(IntegerLayer.Logits layer) {
    int[] acc = product(layer.x(), layer.w());
    float[] so = layer.w().outScale().floats();
    int[] bias = layer.w().bias().ints();
    float[] y = new float[acc.length];
    for (int i = 0; i < y.length; i++) {
      noteSum(layer.name(), acc[i], bias[i % bias.length]);
      y[i] = (float) (acc[i] + bias[i % bias.length]) * so[i % so.length];
    }
    return HostTensor.of(Shape.of(batch, so.length), y);
  }

  private void noteSum(String layer, long acc, long bias) {
    largestSums.merge(layer, Math.max(Math.abs(acc), Math.abs(acc + bias)), Math::max);
  }

  @Override
  public Map<String, Long> largestSums() {
    return largestSums;
  }

  @Override
  public void close() {}
}
