package org.quantrain.plan;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.bytedeco.javacpp.Pointer;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.quantrain.autodiff.TrainingGraph;
import org.quantrain.backend.cpu.CpuBackend;
import org.quantrain.graph.Graph;
import org.quantrain.graph.GraphBuilder;
import org.quantrain.graph.Node;
import org.quantrain.graph.Value;
import org.quantrain.op.Add;
import org.quantrain.op.Conv2d;
import org.quantrain.op.ConvGeometry;
import org.quantrain.op.FakeQuant;
import org.quantrain.op.Quantize;
import org.quantrain.op.Relu;
import org.quantrain.runtime.Backend;
import org.quantrain.runtime.ParameterStore;
import org.quantrain.runtime.QuantrainException;
import org.quantrain.runtime.Sgd;
import org.quantrain.runtime.StepScalars;
import org.quantrain.tensor.HostTensor;
import org.quantrain.tensor.QuantSpec;
import org.quantrain.tensor.Shape;
import org.quantrain.tensor.TensorSpec;
import org.quantrain.testkit.EdgeValues;

class PlanTest {
  private static final QuantSpec UINT8 = new QuantSpec(8, false, false, false, false);

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
  void greedyAndNaivePlacementTrainToTheSameBits() {
    for (SmallNetworks.Training net : List.of(SmallNetworks.mixed(), SmallNetworks.resNet8(8))) {
      Map<String, HostTensor> naive = train(net, MemoryPlanner.naive(), 4);
      Map<String, HostTensor> greedy = train(net, MemoryPlanner.greedy(), 4);
      assertEquals(naive.keySet(), greedy.keySet());
      naive.forEach((name, t) -> assertArrayEquals(t.bytes(), greedy.get(name).bytes(), name));
    }
  }

  @Test
  void theSameStepsGiveTheSameBitsTwice() {
    SmallNetworks.Training net = SmallNetworks.resNet8(8);
    Map<String, HostTensor> first = train(net, MemoryPlanner.greedy(), 3);
    Map<String, HostTensor> second = train(net, MemoryPlanner.greedy(), 3);
    first.forEach((name, t) -> assertArrayEquals(t.bytes(), second.get(name).bytes(), name));
  }

  /** What is prepared for one number of threads runs with that number. */
  @Test
  void plansOfTwoBackendsTakeTurns() {
    SmallNetworks.Training net = SmallNetworks.resNet8(8);
    try (Backend one = CpuBackend.open(1);
        Backend two = CpuBackend.open(2);
        ParameterStore ofOne = store(net, one);
        ParameterStore ofTwo = store(net, two);
        Plan first = compile(net, ofOne, MemoryPlanner.greedy());
        Plan second = compile(net, ofTwo, MemoryPlanner.greedy())) {
      SmallNetworks.feed(first, 1);
      SmallNetworks.feed(second, 1);
      first.run();
      Map<String, HostTensor> alone = gradients(ofOne);
      second.run();
      first.run();
      gradients(ofOne).forEach((n, g) -> assertArrayEquals(alone.get(n).bytes(), g.bytes(), n));
    }
  }

  @Test
  void aTimedRunLeavesTheSameBitsAndATimeForEveryNode() {
    SmallNetworks.Training net = SmallNetworks.mixed();
    try (ParameterStore store = store(net);
        Plan plan = compile(net, store, MemoryPlanner.greedy())) {
      SmallNetworks.feed(plan, 1);
      plan.run();
      float loss = plan.readFloat(net.loss().output(0));
      Map<String, HostTensor> gradients = gradients(store);
      long[] nanoseconds = new long[plan.graph().nodes().size()];
      plan.runTimed(nanoseconds);
      assertEquals(loss, plan.readFloat(net.loss().output(0)));
      gradients.forEach(
          (name, g) -> assertArrayEquals(g.bytes(), store.gradient(name).bytes(), name));
      for (int i = 0; i < nanoseconds.length; i++) {
        assertTrue(nanoseconds[i] > 0, plan.graph().nodes().get(i).name());
      }
    }
  }

  @Test
  void lossFallsOnARepeatedBatch() {
    SmallNetworks.Training net = SmallNetworks.mixed();
    try (ParameterStore store = store(net);
        Plan plan = compile(net, store, MemoryPlanner.greedy());
        Sgd sgd = new Sgd(store, new Sgd.Options(0.9f, 1e-4f, true))) {
      store.scalars().set(StepScalars.Slot.LEARNING_RATE, 0.05f);
      SmallNetworks.feed(plan, 1);
      plan.run();
      float before = plan.readFloat(net.loss().output(0));
      for (int step = 0; step < 30; step++) {
        sgd.step();
        plan.run();
      }
      float after = plan.readFloat(net.loss().output(0));
      assertTrue(after < 0.8 * before, before + " to " + after);
      assertTrue(plan.readInt(net.loss().output(1)) > 8);
      assertEquals(List.of(), store.nonFiniteGradients());
    }
  }

  /** Every gradient against a central difference of the loss along a direction. */
  @Test
  void gradientsMatchFiniteDifferences() {
    SmallNetworks.Training net = SmallNetworks.mixed();
    try (ParameterStore store = store(net);
        Plan plan = compile(net, store, MemoryPlanner.greedy())) {
      SmallNetworks.feed(plan, 2);
      plan.run();
      Map<String, HostTensor> gradients = new LinkedHashMap<>();
      store.params().forEach(v -> gradients.put(v.name(), store.gradient(v.name())));
      Map<String, HostTensor> start = store.snapshot();
      gradients.forEach(
          (name, gradient) -> {
            float[] g = gradient.floats();
            double norm = 0;
            for (float v : g) {
              norm += (double) v * v;
            }
            norm = Math.sqrt(norm);
            double step = 1e-2;
            double[] losses = new double[2];
            for (int side = 0; side < 2; side++) {
              float[] moved = start.get(name).floats();
              for (int i = 0; i < moved.length; i++) {
                moved[i] += (float) ((side == 0 ? -step : step) * g[i] / norm);
              }
              store.restore(start);
              store.set(name, HostTensor.of(gradient.shape(), moved));
              plan.run();
              losses[side] = plan.readFloat(net.loss().output(0));
            }
            double slope = (losses[1] - losses[0]) / (2 * step);
            // The loss is rounded to 2^-23 of about 2, that is 1e-5 of slope; kinks of ReLU and max
            // pool add more.
            assertEquals(norm, slope, 0.03 * norm + 1e-4, name);
          });
    }
  }

  @Test
  void runningCreatesNoPointer() {
    SmallNetworks.Training net = SmallNetworks.mixed();
    try (ParameterStore store = store(net);
        Plan plan = compile(net, store, MemoryPlanner.greedy());
        Sgd sgd = new Sgd(store, new Sgd.Options(0.9f, 1e-4f, false))) {
      SmallNetworks.feed(plan, 1);
      plan.run();
      sgd.step();
      long count = Pointer.totalCount();
      long bytes = Pointer.totalBytes();
      for (int step = 0; step < 10; step++) {
        plan.run();
        sgd.step();
        plan.readFloat(net.loss().output(0));
      }
      assertEquals(count, Pointer.totalCount());
      assertEquals(bytes, Pointer.totalBytes());
    }
  }

  @Test
  void allUnsupportedNodesAndMissingParametersAreNamedAtOnce() {
    GraphBuilder builder = new GraphBuilder();
    Value x = builder.input("x", TensorSpec.f32(Shape.BATCH, 4));
    Value a = builder.add("first", new FakeQuant("q1", UINT8), x);
    Value b = builder.add("fine", new Relu(), a);
    Value c = builder.add("second", new FakeQuant("q2", UINT8), b);
    Value d = builder.add("sum", new Add(), c, builder.param("p", TensorSpec.f32(Shape.BATCH, 4)));
    Graph graph = builder.build(d);
    try (ParameterStore store = new ParameterStore(backend, List.of(), Map.of())) {
      QuantrainException e =
          assertThrows(
              QuantrainException.class,
              () -> PlanCompiler.compile(graph, 2, backend, store, PlanOptions.defaults()));
      String text = e.getMessage();
      assertTrue(text.contains("3 problems"), text);
      assertTrue(text.contains("[FakeQuant:first]"), text);
      assertTrue(text.contains("[FakeQuant:second]"), text);
      assertTrue(text.contains("(F32[2x4]) -> (F32[2x4])"), text);
      assertTrue(text.contains("p F32"), text);
      assertFalse(text.contains("fine"), text);
    }
  }

  @Test
  void keptValuesAndOutputsAreReadableAndOthersSaySo() {
    GraphBuilder builder = new GraphBuilder();
    Value x = builder.input("x", TensorSpec.f32(Shape.BATCH, 3));
    Value a = builder.add("a", new Relu(2f), x);
    Value b = builder.add("b", new Add(), a, x);
    Value c = builder.add("c", new Add(), b, b);
    Graph graph = builder.build(c);
    try (ParameterStore store = new ParameterStore(backend, List.of(), Map.of());
        Plan plan =
            PlanCompiler.compile(
                graph, 2, backend, store, PlanOptions.defaults().keep(Set.of(a)))) {
      plan.input(x).asFloatBuffer().put(new float[] {-1, 0, 1, 2, 3, 4});
      plan.run();
      assertArrayEquals(new float[] {0, 0, 1, 2, 2, 2}, plan.read(a).floats());
      assertArrayEquals(new float[] {-2, 0, 4, 8, 10, 12}, plan.read(c).floats());
      assertArrayEquals(new float[] {-1, 0, 1, 2, 3, 4}, plan.read(x).floats());
      ByteBuffer target = ByteBuffer.allocate(24).order(ByteOrder.nativeOrder());
      plan.readInto(c, target);
      assertEquals(24, target.position());
      assertEquals(12f, target.getFloat(20));
      assertFalse(plan.isReadable(b));
      IllegalArgumentException e = assertThrows(IllegalArgumentException.class, () -> plan.read(b));
      assertTrue(e.getMessage().contains("b F32"), e.getMessage());
    }
  }

  @Test
  void optionalOutputsNobodyReadsGetNoMemory() {
    GraphBuilder builder = new GraphBuilder();
    Value x = builder.input("x", TensorSpec.f32(Shape.BATCH, 640));
    Node quantize =
        builder.node(
            "q",
            new Quantize(UINT8),
            x,
            builder.state("scale", TensorSpec.f32(1)),
            builder.state("zero", TensorSpec.s32(1)));
    Map<String, HostTensor> contents =
        Map.of(
            "scale", HostTensor.filled(Shape.of(1), 0.5f), "zero", HostTensor.of(Shape.of(1), 3));
    Graph without = builder.build(quantize.output(0));
    Graph with = builder.build(quantize.outputs());
    try (ParameterStore store = new ParameterStore(backend, without.persistent(), contents);
        Plan small = PlanCompiler.compile(without, 1, backend, store, PlanOptions.defaults());
        Plan large = PlanCompiler.compile(with, 1, backend, store, PlanOptions.defaults())) {
      assertEquals(4 * 640 + 640, small.memory().acts());
      assertEquals(4 * 640 + 640 + 128, large.memory().acts());
      for (Plan plan : List.of(small, large)) {
        plan.input(x).asFloatBuffer().put(new float[] {0.4f, 0.75f, -9f, 1e9f});
        plan.run();
        int[] codes = plan.read(quantize.output(0)).codes();
        assertArrayEquals(new int[] {4, 5, 0, 255}, java.util.Arrays.copyOf(codes, 4));
      }
      assertEquals(3, large.read(quantize.output(1)).bytes()[0] & 15);
    }
  }

  @Test
  void aGradientOfTwoParametersReachesBoth() {
    SmallNetworks.Training net = SmallNetworks.mixed();
    Graph forward = net.forward();
    // The bias of the classifier and an alias for it: one value is the gradient of both.
    Value bias = forward.params().stream().filter(v -> v.name().equals("fc.b")).findAny().get();
    Value twin = new Value("twin", bias.spec(), Value.Role.PARAM);
    Value unused = new Value("unused", bias.spec(), Value.Role.PARAM);
    Map<Value, Value> gradients = new LinkedHashMap<>(net.graph().gradients());
    gradients.put(twin, gradients.get(bias));
    Map<String, HostTensor> contents = new LinkedHashMap<>(net.contents());
    contents.put("twin", contents.get("fc.b"));
    contents.put("unused", contents.get("fc.b"));
    List<Value> values = new ArrayList<>(forward.persistent());
    values.add(twin);
    values.add(unused);
    try (ParameterStore store = new ParameterStore(backend, values, contents);
        Plan plan =
            PlanCompiler.compile(
                new TrainingGraph(forward, gradients),
                16,
                backend,
                store,
                PlanOptions.defaults())) {
      SmallNetworks.feed(plan, 5);
      plan.run();
      assertArrayEquals(store.gradient("fc.b").bytes(), store.gradient("twin").bytes());
      assertArrayEquals(new float[10], store.gradient("unused").floats());
      assertFalse(java.util.Arrays.equals(new float[10], store.gradient("twin").floats()));
    }
  }

  @Test
  void explainListsNodesMemoryAndLowering() {
    SmallNetworks.Training net = SmallNetworks.resNet8(8);
    try (ParameterStore store = store(net);
        Plan plan = compile(net, store, MemoryPlanner.greedy())) {
      String text = plan.explain();
      assertEquals(1 + plan.graph().nodes().size() + 7, text.lines().count(), "one line per node");
      assertTrue(text.contains("F32[16x1x28x28] F32[8x1x3x3] -> F32[16x8x28x28]"), text);
      assertTrue(text.contains("WORKSPACE"), text);
      assertTrue(plan.memory().acts() < plan.memory().naiveActs() / 2, text);
    }
  }

  private static Map<String, HostTensor> train(
      SmallNetworks.Training net, MemoryPlanner planner, int steps) {
    try (ParameterStore store = store(net);
        Plan plan = compile(net, store, planner);
        Sgd sgd = new Sgd(store, new Sgd.Options(0.9f, 1e-4f, false))) {
      store.scalars().set(StepScalars.Slot.LEARNING_RATE, 0.1f);
      for (int step = 0; step < steps; step++) {
        SmallNetworks.feed(plan, step);
        plan.run();
        sgd.step();
      }
      Map<String, HostTensor> all = store.snapshot();
      store.velocities().forEach((name, t) -> all.put("velocity " + name, t));
      all.put("loss", plan.read(net.loss().output(0)));
      all.put("correct", plan.read(net.loss().output(1)));
      return all;
    }
  }

  private static ParameterStore store(SmallNetworks.Training net) {
    return store(net, backend);
  }

  private static ParameterStore store(SmallNetworks.Training net, Backend on) {
    return new ParameterStore(on, net.forward().persistent(), net.contents());
  }

  private static Map<String, HostTensor> gradients(ParameterStore store) {
    Map<String, HostTensor> found = new LinkedHashMap<>();
    store.params().forEach(v -> found.put(v.name(), store.gradient(v.name())));
    return found;
  }

  private static Plan compile(
      SmallNetworks.Training net, ParameterStore store, MemoryPlanner planner) {
    return PlanCompiler.compile(
        net.graph(), 16, store.backend(), store, PlanOptions.defaults().with(planner));
  }

  /** conv(x, w + w2): the sum is known before the first run. */
  private static Graph sumOfWeights() {
    GraphBuilder b = new GraphBuilder();
    Value x = b.input("x", TensorSpec.f32(Shape.BATCH, 3, 9, 7));
    Value w = b.param("w", TensorSpec.f32(8, 3, 3, 3));
    Value w2 = b.param("w2", TensorSpec.f32(8, 3, 3, 3));
    Value sum = b.add("sum", new Add(), w, w2);
    Value y = b.add("conv", new Conv2d(ConvGeometry.of(1, 1)), x, sum);
    Value half = b.add("relu", new Relu(), x);
    return b.build(y, b.add("conv2", new Conv2d(ConvGeometry.of(1, 1)), half, sum));
  }

  @Test
  void aFrozenPlanGivesTheBitsOfAnOrdinaryOneInEveryRun() {
    Graph graph = sumOfWeights();
    Shape shape = Shape.of(8, 3, 3, 3);
    Map<String, HostTensor> contents =
        Map.of(
            "w", HostTensor.of(shape, EdgeValues.ordinary(216, 1)),
            "w2", HostTensor.of(shape, EdgeValues.ordinary(216, 2)));
    PlanOptions options = PlanOptions.defaults();
    try (ParameterStore store = new ParameterStore(backend, graph.persistent(), contents);
        Plan ordinary = PlanCompiler.compile(graph, 2, backend, store, options);
        Plan frozen = PlanCompiler.compile(graph, 2, backend, store, options.asFrozen())) {
      for (int run = 0; run < 3; run++) {
        float[] x = EdgeValues.ordinary(2 * 3 * 9 * 7, 10 + run);
        for (Plan plan : List.of(ordinary, frozen)) {
          plan.input("x").asFloatBuffer().put(x);
          plan.run();
        }
        for (Value y : graph.outputs()) {
          assertArrayEquals(ordinary.read(y).bytes(), frozen.read(y).bytes(), y + ", run " + run);
        }
      }
    }
  }

  @Test
  void aFrozenPlanHasTheContentsOfWhenItWasCompiled() {
    Graph graph = sumOfWeights();
    Shape shape = Shape.of(8, 3, 3, 3);
    Map<String, HostTensor> contents =
        Map.of("w", HostTensor.filled(shape, 1), "w2", HostTensor.filled(shape, 2));
    PlanOptions frozen = PlanOptions.defaults().asFrozen();
    try (ParameterStore store = new ParameterStore(backend, graph.persistent(), contents);
        Plan plan = PlanCompiler.compile(graph, 1, backend, store, frozen)) {
      plan.input("x").asFloatBuffer().put(EdgeValues.ordinary(3 * 9 * 7, 3));
      plan.run();
      byte[] before = plan.read(graph.outputs().get(0)).bytes();
      store.set("w", HostTensor.filled(shape, 5));
      plan.run();
      assertArrayEquals(before, plan.read(graph.outputs().get(0)).bytes());
    }
  }

  @Test
  void aGraphThatUpdatesStateCannotBeFrozen() {
    SmallNetworks.Training net = SmallNetworks.resNet8(4);
    try (ParameterStore store = store(net)) {
      PlanOptions frozen = PlanOptions.defaults().asFrozen();
      IllegalArgumentException e =
          assertThrows(
              IllegalArgumentException.class,
              () -> PlanCompiler.compile(net.forward(), 2, backend, store, frozen));
      assertTrue(e.getMessage().contains("bn"), e::getMessage);
    }
  }
}
