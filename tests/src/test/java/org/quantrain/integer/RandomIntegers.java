package org.quantrain.integer;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.quantrain.graph.Graph;
import org.quantrain.graph.GraphBuilder;
import org.quantrain.graph.Node;
import org.quantrain.graph.Op;
import org.quantrain.graph.Value;
import org.quantrain.onnx.QdqMetadata;
import org.quantrain.onnx.QdqWriter;
import org.quantrain.op.AddCodes;
import org.quantrain.op.AveragePoolCodes;
import org.quantrain.op.ConvCodes;
import org.quantrain.op.ConvGeometry;
import org.quantrain.op.DequantizeAcc;
import org.quantrain.op.Flatten;
import org.quantrain.op.FoldWeight;
import org.quantrain.op.GlobalPoolSum;
import org.quantrain.op.LinearCodes;
import org.quantrain.op.Lowering;
import org.quantrain.op.MaxPool;
import org.quantrain.op.Multiplier;
import org.quantrain.op.PoolMultiplier;
import org.quantrain.op.PoolWindow;
import org.quantrain.op.Quantize;
import org.quantrain.op.Requantize;
import org.quantrain.op.RequantizeCodes;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.HostTensor;
import org.quantrain.tensor.QuantSpec;
import org.quantrain.tensor.Shape;
import org.quantrain.tensor.TensorSpec;

/** Integer graphs as lowering makes them, with random weights, scales and biases. */
final class RandomIntegers {
  private final GraphBuilder builder = new GraphBuilder();
  private final Map<Value, HostTensor> contents = new HashMap<>();
  private final Random random;
  private final boolean powersOfTwo;
  private Graph graph;
  private TensorSpec inputSpec;
  private int weightBits = 8;

  /** Codes with what is needed to read them. */
  record Codes(Value codes, Value scale, Value zeroPoint, float s, int bits) {}

  /**
   * @param powersOfTwo scales that make ties frequent
   */
  RandomIntegers(long seed, boolean powersOfTwo) {
    this.random = new Random(seed);
    this.powersOfTwo = powersOfTwo;
  }

  private float about(double scale) {
    double s = scale * (0.7 + 0.6 * random.nextDouble());
    return (float) (powersOfTwo ? Math.pow(2, Math.rint(Math.log(s) / Math.log(2))) : s);
  }

  private static QuantSpec unsigned(int bits) {
    return new QuantSpec(bits, false, false, false, false);
  }

  private Value scale(String name, float s) {
    Value v = builder.state(name + ".scale", TensorSpec.f32(1));
    contents.put(v, HostTensor.of(Shape.of(1), s));
    return v;
  }

  private Value zeroPoint(String name, int z) {
    Value v = builder.state(name + ".zero", TensorSpec.s32(1));
    contents.put(v, HostTensor.of(Shape.of(1), z));
    return v;
  }

  Codes input(int c, int h, int w, int zero) {
    inputSpec = TensorSpec.f32(Shape.BATCH, c, h, w);
    float s = about(0.02);
    Value x = builder.input("image", inputSpec);
    Value scale = scale("input", s);
    Value zp = zeroPoint("input", zero);
    Value y = builder.node("input.codes", new Quantize(unsigned(8)), x, scale, zp).output(0);
    return new Codes(y, scale, zp, s, 8);
  }

  private Node fold(String name, Codes x, Shape shape, boolean perChannel) {
    int k = shape.dim(0);
    QuantSpec spec = new QuantSpec(weightBits, true, true, true, perChannel);
    int qmax = spec.qmax();
    Value w = builder.param(name + ".weight", new TensorSpec(DType.F32, shape));
    Node fold = builder.node(name + ".fold", new FoldWeight(spec, false, false, 0), w, x.scale());
    byte[] codes = new byte[(int) shape.elements()];
    for (int i = 0; i < codes.length; i++) {
      codes[i] = (byte) (random.nextInt(2 * qmax + 1) - qmax);
    }
    float[] sw = new float[k];
    float[] so = new float[k];
    int[] bias = new int[k];
    double step = 0.0635 / qmax;
    float common = about(step);
    for (int i = 0; i < k; i++) {
      sw[i] = perChannel ? about(step) : common;
      so[i] = x.s() * sw[i];
      bias[i] = (random.nextInt(20001) - 10000) * qmax / 127;
    }
    contents.put(fold.output(0), HostTensor.ofBytes(new TensorSpec(DType.S8, shape), codes));
    contents.put(fold.output(1), HostTensor.of(Shape.of(k), sw));
    contents.put(fold.output(2), HostTensor.of(Shape.of(k), so));
    contents.put(fold.output(3), HostTensor.of(Shape.of(k), bias));
    return fold;
  }

  Codes conv(String name, Codes x, int k, int kernel, ConvGeometry g, int bits, int zero) {
    Shape w = Shape.of(k, x.codes().spec().shape().dim(1) / g.groups(), kernel, kernel);
    Op op = new ConvCodes(g, Lowering.INTEGER);
    return requantized(name, x, fold(name, x, w, true), op, bits, zero);
  }

  Codes perTensorConv(String name, Codes x, int k, int kernel, ConvGeometry g) {
    Shape w = Shape.of(k, x.codes().spec().shape().dim(1) / g.groups(), kernel, kernel);
    return requantized(name, x, fold(name, x, w, false), new ConvCodes(g, Lowering.INTEGER), 8, 0);
  }

  Codes linear(String name, Codes x, int outputs, int bits) {
    Shape w = Shape.of(outputs, x.codes().spec().shape().dim(1));
    return requantized(name, x, fold(name, x, w, true), new LinearCodes(Lowering.INTEGER), bits, 0);
  }

  private Codes requantized(String name, Codes x, Node fold, Op op, int bits, int zero) {
    Value acc =
        builder.add(
            name + ".acc", op, x.codes(), x.scale(), x.zeroPoint(), fold.output(0), fold.output(1));
    double terms = fold.output(0).spec().shape().elementsPerSample();
    double input = 0.3 * (1 << x.bits()) * x.s();
    float s = about(Math.sqrt(terms) * input * 64 * 0.0005 * 2 / (1 << bits));
    Value scale = scale(name, s);
    Value zp = zeroPoint(name, zero);
    Value m = builder.add(name + ".m", new Multiplier(), fold.output(2), scale);
    Requantize requantize = new Requantize(unsigned(bits), zero == 0);
    Value y = builder.node(name + ".codes", requantize, acc, m, zp, fold.output(3)).output(0);
    return new Codes(y, scale, zp, s, bits);
  }

  Codes add(String name, Codes a, Codes b, int bits, int zero) {
    float s = about((a.s() * (1 << a.bits()) + b.s() * (1 << b.bits())) / (1 << bits));
    Value scale = scale(name, s);
    Value zp = zeroPoint(name, zero);
    Value y =
        builder
            .node(
                name + ".codes",
                new AddCodes(unsigned(bits), zero == 0),
                List.of(
                    a.codes(),
                    a.scale(),
                    a.zeroPoint(),
                    b.codes(),
                    b.scale(),
                    b.zeroPoint(),
                    scale,
                    zp))
            .output(0);
    return new Codes(y, scale, zp, s, bits);
  }

  Codes requantize(String name, Codes x, int bits, int zero) {
    float s = about(0.8 * x.s() * (1 << x.bits()) / (1 << bits));
    Value scale = scale(name, s);
    Value zp = zeroPoint(name, zero);
    RequantizeCodes op = new RequantizeCodes(unsigned(bits));
    Value y =
        builder.node(name + ".codes", op, x.codes(), x.scale(), x.zeroPoint(), scale, zp).output(0);
    return new Codes(y, scale, zp, s, bits);
  }

  Codes maxPool(String name, Codes x, PoolWindow window) {
    Value y = builder.node(name + ".codes", new MaxPool(window), x.codes()).output(0);
    return new Codes(y, x.scale(), x.zeroPoint(), x.s(), x.bits());
  }

  Codes averagePool(String name, Codes x, PoolWindow window, boolean countPadding, int bits) {
    return averagePool(name, x, window, countPadding, bits, 0);
  }

  Codes averagePool(
      String name, Codes x, PoolWindow window, boolean countPadding, int bits, int zero) {
    float s = about(0.7 * x.s() * (1 << x.bits()) / (1 << bits));
    Value scale = scale(name, s);
    Value zp = zeroPoint(name, zero);
    AveragePoolCodes op = new AveragePoolCodes(window, countPadding, unsigned(bits));
    Value y =
        builder.node(name + ".codes", op, x.codes(), x.scale(), x.zeroPoint(), scale, zp).output(0);
    return new Codes(y, scale, zp, s, bits);
  }

  Codes globalPool(String name, Codes x, int bits) {
    Shape shape = x.codes().spec().shape();
    float s = about(0.5 * x.s() * (1 << x.bits()) / (1 << bits));
    Value scale = scale(name, s);
    Value zp = zeroPoint(name, 0);
    Value acc = builder.add(name + ".acc", new GlobalPoolSum(), x.codes(), x.zeroPoint());
    PoolMultiplier multiplier = new PoolMultiplier(shape.dim(1), shape.dim(2) * shape.dim(3));
    Value m = builder.add(name + ".m", multiplier, x.scale(), scale);
    Value y =
        builder.node(name + ".codes", new Requantize(unsigned(bits), false), acc, m, zp).output(0);
    return new Codes(y, scale, zp, s, bits);
  }

  Codes flatten(String name, Codes x) {
    Value y = builder.node(name + ".codes", new Flatten(), x.codes()).output(0);
    return new Codes(y, x.scale(), x.zeroPoint(), x.s(), x.bits());
  }

  RandomIntegers logits(Codes x, int classes, boolean perChannel) {
    Node fold = fold("fc", x, Shape.of(classes, x.codes().spec().shape().dim(1)), perChannel);
    Value acc =
        builder.add(
            "fc.acc",
            new LinearCodes(Lowering.INTEGER),
            x.codes(),
            x.scale(),
            x.zeroPoint(),
            fold.output(0),
            fold.output(1));
    graph =
        builder.build(
            builder.add("logits", new DequantizeAcc(), acc, fold.output(2), fold.output(3)));
    return this;
  }

  Graph graph() {
    return graph;
  }

  HostTensor contents(Value value) {
    return contents.get(value);
  }

  /** Changes what one tensor holds. */
  void replace(String value, HostTensor other) {
    contents.replaceAll((v, t) -> v.name().equals(value) ? other : t);
  }

  Path write(Path folder) throws IOException {
    Path file = folder.resolve("model.onnx");
    QdqWriter.write(graph, contents::get, Map.of(QdqMetadata.TARGET, "ort"), file);
    return file;
  }

  /** Batches of random images; the last one is short. */
  List<ImageBatch> images(int batches, int rows) {
    List<ImageBatch> all = new ArrayList<>();
    TensorSpec spec = inputSpec.withBatch(rows);
    for (int b = 0; b < batches; b++) {
      float[] pixels = new float[(int) spec.shape().elements()];
      for (int i = 0; i < pixels.length; i++) {
        pixels[i] = (float) random.nextGaussian();
      }
      int[] labels = new int[rows];
      Arrays.setAll(labels, i -> random.nextInt(10));
      int count = b == batches - 1 ? Math.max(1, rows - 3) : rows;
      all.add(new ImageBatch(HostTensor.of(spec.shape(), pixels), count, labels));
    }
    return all;
  }

  // ---- whole networks

  /** A residual network with 8-bit grids. */
  static RandomIntegers residual(long seed, boolean powersOfTwo) {
    RandomIntegers net = new RandomIntegers(seed, powersOfTwo);
    Codes x = net.input(3, 9, 11, 117);
    Codes a = net.conv("stem", x, 8, 3, ConvGeometry.of(1, 1), 8, 0);
    Codes b = net.conv("one", a, 8, 3, ConvGeometry.of(1, 1), 8, 0);
    Codes c = net.conv("two", b, 8, 3, ConvGeometry.of(1, 1), 8, 131);
    Codes d = net.add("sum", c, a, 8, 0);
    Codes e = net.conv("down", d, 16, 3, ConvGeometry.of(2, 1), 8, 120);
    Codes f = net.conv("skip", d, 16, 1, ConvGeometry.of(2, 0), 8, 99);
    Codes g = net.add("sum2", e, f, 8, 0);
    Codes h = net.globalPool("pool", g, 8);
    return net.logits(net.flatten("flat", h), 10, true);
  }

  /** Depthwise and grouped convolutions, odd geometry, all poolings, linear layers. */
  static RandomIntegers varied(long seed, boolean powersOfTwo) {
    RandomIntegers net = new RandomIntegers(seed, powersOfTwo);
    Codes x = net.input(3, 17, 14, 128);
    Codes a = net.perTensorConv("stem", x, 8, 3, ConvGeometry.of(1, 1));
    Codes b = net.conv("depth", a, 8, 3, ConvGeometry.of(1, 1).withGroups(8), 8, 0);
    Codes c = net.conv("grouped", b, 12, 3, new ConvGeometry(1, 2, 0, 1, 2, 0, 2, 1, 4), 8, 0);
    Codes d = net.maxPool("max", c, new PoolWindow(3, 2, 2, 1, 1, 0, 1, 1));
    Codes e = net.averagePool("mean", d, PoolWindow.of(2, 2), false, 8);
    Codes f = net.linear("hidden", net.flatten("flat", e), 19, 8);
    return net.logits(f, 10, false);
  }

  /** Average pools of windows, strides and padding of every kind, on grids of every kind. */
  static RandomIntegers averaging(long seed, boolean powersOfTwo) {
    RandomIntegers net = new RandomIntegers(seed, powersOfTwo);
    Random random = net.random;
    Codes x = net.input(1 + random.nextInt(4), 19, 22, 100 + random.nextInt(50));
    if (random.nextBoolean()) {
      x = net.window("first", x);
    }
    for (int i = 0; i < 3; i++) {
      int zero = random.nextBoolean() ? 0 : 100 + random.nextInt(50);
      x = net.conv("conv" + i, x, 5 + random.nextInt(16), 3, ConvGeometry.of(1, 1), 8, zero);
      x = net.window("mean" + i, x);
    }
    Shape image = x.codes().spec().shape();
    PoolWindow whole = new PoolWindow(image.dim(2), image.dim(3), 1, 1, 0, 0, 0, 0);
    x = net.averagePool("pool", x, whole, random.nextBoolean(), 8, 0);
    return net.logits(net.flatten("flat", x), 10, true);
  }

  private Codes window(String name, Codes x) {
    int h = 1 + random.nextInt(4);
    int w = 1 + random.nextInt(4);
    PoolWindow window =
        new PoolWindow(
            h,
            w,
            1 + random.nextInt(2),
            1 + random.nextInt(2),
            random.nextInt(h),
            random.nextInt(w),
            random.nextInt(h),
            random.nextInt(w));
    int bits = random.nextInt(3) > 0 ? 8 : 4 + random.nextInt(4);
    int zero = random.nextBoolean() ? 0 : (1 << bits) / 2 - random.nextInt(4);
    return averagePool(name, x, window, random.nextBoolean(), bits, zero);
  }

  /** Weights of 2 to 4 bits, 4-bit grids inside, 8 bits where an add needs them. */
  static RandomIntegers narrow(long seed, boolean powersOfTwo) {
    RandomIntegers net = new RandomIntegers(seed, powersOfTwo);
    net.weightBits = 4;
    Codes x = net.input(3, 8, 8, 121);
    Codes wide = net.conv("stem", x, 7, 3, ConvGeometry.of(1, 1), 8, 0);
    Codes four = net.requantize("stem4", wide, 4, 0);
    net.weightBits = 2;
    Codes a = net.conv("one", four, 8, 3, ConvGeometry.of(1, 1), 4, 0);
    net.weightBits = 3;
    Codes b = net.conv("two", a, 7, 3, ConvGeometry.of(1, 1), 8, 127);
    Codes sum = net.add("sum", b, wide, 8, 0);
    Codes eight = net.requantize("again", sum, 8, 3);
    Codes three = net.requantize("sum3", eight, 3, 1);
    Codes c = net.conv("three", three, 16, 3, ConvGeometry.of(2, 1), 2, 0);
    Codes d = net.averagePool("mean", c, PoolWindow.of(3, 1, 1), true, 4);
    Codes e = net.globalPool("pool", d, 5);
    return net.logits(net.flatten("flat", e), 10, true);
  }
}
