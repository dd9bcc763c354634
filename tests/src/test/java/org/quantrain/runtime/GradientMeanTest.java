package org.quantrain.runtime;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;

import java.nio.FloatBuffer;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.quantrain.backend.cpu.CpuBackend;
import org.quantrain.graph.Value;
import org.quantrain.tensor.HostTensor;
import org.quantrain.tensor.TensorSpec;

class GradientMeanTest {
  private static final int SIZE = 5;
  private static final Value PARAM = new Value("w", TensorSpec.f32(SIZE), Value.Role.PARAM);

  @Test
  void everyStepHasTheMeanOfItsOwnParts() {
    try (Backend backend = CpuBackend.open(1);
        ParameterStore store =
            new ParameterStore(
                backend, List.of(PARAM), Map.of("w", HostTensor.zeros(PARAM.spec())));
        GradientMean mean = new GradientMean(store, 3)) {
      for (int step = 0; step < 2; step++) {
        for (int part = 0; part < 3; part++) {
          FloatBuffer gradient =
              store.memory(Arena.GRADS).host(store.offset(PARAM), 4 * SIZE).buffer().asFloatBuffer();
          for (int i = 0; i < SIZE; i++) {
            gradient.put(i * (part + 1) + 10 * step);
          }
          mean.after(part).run();
        }
        float[] expected = new float[SIZE];
        for (int i = 0; i < SIZE; i++) {
          expected[i] = (i + 2 * i + 3 * i + 30 * step) * (1f / 3);
        }
        assertArrayEquals(expected, store.gradient("w").floats());
      }
    }
  }
}
