package org.quantrain.benchmarks;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.quantrain.bench.Sampler;
import org.quantrain.graph.Graph;
import org.quantrain.graph.GraphBuilder;
import org.quantrain.graph.Value;
import org.quantrain.op.Conv2d;
import org.quantrain.op.ConvCodes;
import org.quantrain.op.ConvGeometry;
import org.quantrain.op.LinearCodes;
import org.quantrain.op.Lowering;
import org.quantrain.op.MatMul;
import org.quantrain.plan.Plan;
import org.quantrain.plan.PlanCompiler;
import org.quantrain.plan.PlanOptions;
import org.quantrain.runtime.Backend;
import org.quantrain.runtime.ParameterStore;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.Shape;
import org.quantrain.tensor.TensorSpec;

/**
 * What this machine does at most: the limits that the nodes of a step are held against.
 *
 * @param copy bytes that a copy from memory reads and writes in a second
 * @param floats operations in a second of a float32 product, the faster of a large matrix and a
 *     large convolution; a multiplication and an addition are two
 * @param codes likewise of codes, by the road that products of codes take here
 */
record MachineRates(double copy, double floats, double codes) {
  private static final long COPY_BYTES = 64 << 20;
  private static final int SIDE = 1024;
  private static final int CHANNELS = 64;
  private static final Shape IMAGES = Shape.of(32, CHANNELS, 16, 16);
  private static final Shape KERNEL = Shape.of(CHANNELS, CHANNELS, 3, 3);
  private static final ConvGeometry GEOMETRY = ConvGeometry.of(1, 1);

  static MachineRates measure(Backend backend, int samples, int threads) {
    double matrix = 2.0 * SIDE * SIDE * SIDE;
    double convolution = 2.0 * KERNEL.elements() * IMAGES.elements() / CHANNELS;
    double floats =
        Math.max(
            matrix / seconds(backend, samples, floatMatrix()),
            convolution / seconds(backend, samples, floatConvolution()));
    double codes =
        Math.max(
            matrix / seconds(backend, samples, codeMatrix()),
            convolution / seconds(backend, samples, codeConvolution()));
    return new MachineRates(copyBandwidth(samples, threads), floats, codes);
  }

  private static double copyBandwidth(int samples, int threads) {
    int ways = NativeCases.qt_cases_copies_open(COPY_BYTES, threads);
    List<Runnable> copies = new ArrayList<>();
    for (int i = 0; i < ways; i++) {
      int way = i;
      copies.add(() -> NativeCases.qt_cases_copy(way));
    }
    double seconds = Arrays.stream(Sampler.medians(samples, copies)).min().orElse(Double.NaN);
    NativeCases.qt_cases_copies_close();
    return 2.0 * COPY_BYTES / seconds;
  }

  /** Of one run of a graph whose inputs are all 0. */
  private static double seconds(Backend backend, int samples, Graph graph) {
    try (ParameterStore store = new ParameterStore(backend, List.of(), Map.of());
        Plan plan = PlanCompiler.compile(graph, 1, backend, store, PlanOptions.defaults())) {
      return Sampler.medians(samples, List.of(plan::run))[0];
    }
  }

  private static Graph floatMatrix() {
    GraphBuilder b = new GraphBuilder();
    Value x = b.input("x", TensorSpec.f32(SIDE, SIDE));
    Value w = b.input("w", TensorSpec.f32(SIDE, SIDE));
    return b.build(b.add("y", new MatMul(false, false), x, w));
  }

  private static Graph floatConvolution() {
    GraphBuilder b = new GraphBuilder();
    Value x = b.input("x", new TensorSpec(DType.F32, IMAGES));
    Value w = b.input("w", new TensorSpec(DType.F32, KERNEL));
    return b.build(b.add("y", new Conv2d(GEOMETRY), x, w));
  }

  private static Graph codeMatrix() {
    GraphBuilder b = new GraphBuilder();
    List<Value> in = codes(b, Shape.of(SIDE, SIDE), Shape.of(SIDE, SIDE));
    return b.build(b.node("acc", new LinearCodes(Lowering.INTEGER), in).output());
  }

  private static Graph codeConvolution() {
    GraphBuilder b = new GraphBuilder();
    List<Value> in = codes(b, IMAGES, KERNEL);
    return b.build(b.node("acc", new ConvCodes(GEOMETRY, Lowering.INTEGER), in).output());
  }

  private static List<Value> codes(GraphBuilder b, Shape x, Shape w) {
    return List.of(
        b.input("x", new TensorSpec(DType.U8, x)),
        b.input("x.scale", TensorSpec.f32(1)),
        b.input("x.zeroPoint", new TensorSpec(DType.S32, Shape.of(1))),
        b.input("w", new TensorSpec(DType.S8, w)),
        b.input("w.scale", TensorSpec.f32(1)));
  }

  /** Seconds that so much takes at least. */
  double floor(long bytes, long operations, boolean onCodes) {
    return Math.max(bytes / copy, operations / (onCodes ? codes : floats));
  }
}
