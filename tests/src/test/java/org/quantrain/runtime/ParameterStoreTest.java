package org.quantrain.runtime;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.quantrain.backend.cpu.CpuBackend;
import org.quantrain.graph.Value;
import org.quantrain.tensor.HostTensor;
import org.quantrain.tensor.Shape;
import org.quantrain.tensor.TensorSpec;

class ParameterStoreTest {
  private static final Value WEIGHT =
      new Value("conv.w", TensorSpec.f32(3, 2, 1, 1), Value.Role.PARAM);
  private static final Value BIAS = new Value("conv.b", TensorSpec.f32(3), Value.Role.PARAM);
  private static final Value LAST = new Value("fc.w", TensorSpec.f32(5, 7), Value.Role.PARAM);
  private static final Value COUNT = new Value("q.count", TensorSpec.s32(1), Value.Role.STATE);
  private static final Value SCALE = new Value("q.scale", TensorSpec.f32(1), Value.Role.STATE);

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
  void parametersGradientsAndVelocitiesShareAlignedOffsets() {
    try (ParameterStore store = store()) {
      assertEquals(0, store.offset(WEIGHT));
      assertEquals(64, store.offset(BIAS));
      assertEquals(128, store.offset(LAST));
      assertEquals(0, store.offset(COUNT));
      assertEquals(64, store.offset(SCALE));
      for (Arena arena : List.of(Arena.PARAMS, Arena.GRADS, Arena.OPTIMIZER)) {
        assertEquals(128 + 192, store.memory(arena).bytes());
        assertEquals(0, store.memory(arena).address() % 64);
      }
      assertEquals(List.of(WEIGHT, BIAS, LAST, COUNT, SCALE), store.values());
    }
  }

  @Test
  void aSnapshotRestoresTheContents() {
    try (ParameterStore store = store()) {
      Map<String, HostTensor> before = store.snapshot();
      store.set("conv.b", HostTensor.of(Shape.of(3), 7f, 8f, 9f));
      store.set("q.count", HostTensor.of(Shape.of(1), 5));
      store.setVelocity("conv.b", HostTensor.of(Shape.of(3), 1f, 2f, 3f));
      assertArrayEquals(new float[] {7, 8, 9}, store.get("conv.b").floats());
      assertArrayEquals(new int[] {5}, store.get("q.count").ints());
      store.restore(before);
      assertArrayEquals(contents().get("conv.b").floats(), store.get("conv.b").floats());
      assertArrayEquals(new int[] {0}, store.get("q.count").ints());
      assertArrayEquals(new float[] {1, 2, 3}, store.velocities().get("conv.b").floats());
      store.clearVelocities();
      assertArrayEquals(new float[3], store.velocity("conv.b").floats());
    }
  }

  @Test
  void valuesOfSeveralGraphsAreOneEntryByName() {
    List<Value> twice = new ArrayList<>(values());
    twice.add(new Value("conv.b", TensorSpec.f32(3), Value.Role.PARAM));
    try (ParameterStore store = new ParameterStore(backend, twice, contents())) {
      assertEquals(5, store.values().size());
    }
  }

  @Test
  void allProblemsAreReportedAtOnce() {
    List<Value> values = new ArrayList<>(values());
    values.add(new Value("conv.b", TensorSpec.f32(4), Value.Role.PARAM));
    values.add(new Value("codes", TensorSpec.s32(4), Value.Role.PARAM));
    Map<String, HostTensor> contents = new LinkedHashMap<>(contents());
    contents.remove("fc.w");
    contents.put("q.scale", HostTensor.filled(Shape.of(2), 1));
    String text =
        assertThrows(QuantrainException.class, () -> new ParameterStore(backend, values, contents))
            .getMessage();
    for (String part :
        List.of("conv.b F32[4]", "codes S32[4]", "fc.w F32[5x7] has no", "contents F32[2]")) {
      assertTrue(text.contains(part), text);
    }
  }

  @Test
  void wrongNamesAndShapesAreRefused() {
    try (ParameterStore store = store()) {
      assertThrows(IllegalArgumentException.class, () -> store.get("nothing"));
      assertThrows(IllegalArgumentException.class, () -> store.velocity("q.scale"));
      assertThrows(
          IllegalArgumentException.class,
          () -> store.set("conv.b", HostTensor.filled(Shape.of(4), 0)));
    }
  }

  @Test
  void gradientsThatAreNotFiniteAreNamed() {
    try (ParameterStore store = store()) {
      assertEquals(List.of(), store.nonFiniteGradients());
      gradient(store, BIAS, Float.MAX_VALUE, -Float.MAX_VALUE, 0);
      assertEquals(List.of(), store.nonFiniteGradients());
      gradient(store, BIAS, 1, Float.NEGATIVE_INFINITY, 0);
      gradient(store, WEIGHT, 1, Float.NaN, 0);
      assertEquals(List.of("conv.w", "conv.b"), store.nonFiniteGradients());
    }
  }

  @Test
  void sgdFollowsItsFormulaAndDecaysMatricesOnly() {
    for (boolean nesterov : new boolean[] {false, true}) {
      try (ParameterStore store = store();
          Sgd sgd = new Sgd(store, new Sgd.Options(0.9f, 0.01f, nesterov))) {
        store.scalars().set(StepScalars.Slot.LEARNING_RATE, 0.5f);
        gradient(store, WEIGHT, 1, 2, 3, 4, 5, 6);
        gradient(store, BIAS, 1, 2, 3);
        Map<String, HostTensor> start = store.snapshot();
        sgd.step();
        sgd.step();
        for (Value param : List.of(WEIGHT, BIAS, LAST)) {
          float decay = param == BIAS ? 0 : 0.01f;
          float[] expected = start.get(param.name()).floats();
          float[] gradient = store.gradient(param.name()).floats();
          float[] velocity = new float[expected.length];
          for (int step = 0; step < 2; step++) {
            for (int i = 0; i < expected.length; i++) {
              float g = gradient[i] + decay * expected[i];
              velocity[i] = 0.9f * velocity[i] + g;
              expected[i] -= 0.5f * (nesterov ? g + 0.9f * velocity[i] : velocity[i]);
            }
          }
          // A kernel may fuse none of these operations: equal to the bit.
          assertArrayEquals(expected, store.get(param.name()).floats(), param.name());
          assertArrayEquals(velocity, store.velocity(param.name()).floats(), param.name());
        }
        assertArrayEquals(start.get("q.scale").floats(), store.get("q.scale").floats());
      }
    }
  }

  @Test
  void stepScalarsKeepWhatIsSet() {
    try (ParameterStore store = store()) {
      store.scalars().set(StepScalars.Slot.LEARNING_RATE, 0.25f);
      store.scalars().set(StepScalars.Slot.OBSERVER_MOMENTUM, 0.1f);
      assertEquals(0.25f, store.scalars().get(StepScalars.Slot.LEARNING_RATE));
      assertEquals(0.1f, store.scalars().get(StepScalars.Slot.OBSERVER_MOMENTUM));
    }
  }

  private static void gradient(ParameterStore store, Value param, float... values) {
    store
        .memory(Arena.GRADS)
        .host(store.offset(param), param.spec().bytes())
        .buffer()
        .asFloatBuffer()
        .put(values);
  }

  private static List<Value> values() {
    return List.of(WEIGHT, COUNT, BIAS, SCALE, LAST).stream()
        .sorted((a, b) -> a.role().compareTo(b.role()))
        .toList();
  }

  private static Map<String, HostTensor> contents() {
    Map<String, HostTensor> contents = new LinkedHashMap<>();
    for (Value v : List.of(WEIGHT, BIAS, LAST)) {
      float[] values = new float[(int) v.spec().shape().elements()];
      for (int i = 0; i < values.length; i++) {
        values[i] = (i + 1) * 0.37f;
      }
      contents.put(v.name(), HostTensor.of(v.spec().shape(), values));
    }
    contents.put("q.count", HostTensor.of(Shape.of(1), 0));
    contents.put("q.scale", HostTensor.filled(Shape.of(1), 0.125f));
    return contents;
  }

  private static ParameterStore store() {
    return new ParameterStore(backend, values(), contents());
  }
}
