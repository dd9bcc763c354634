package org.quantrain.op;

import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.quantrain.backend.cpu.CpuBackend;
import org.quantrain.plan.MemoryPlanner;
import org.quantrain.runtime.Backend;
import org.quantrain.runtime.QuantrainException;
import org.quantrain.tensor.HostTensor;
import org.quantrain.testkit.CaseRun;
import org.quantrain.testkit.Example;
import org.quantrain.testkit.Expected;
import org.quantrain.testkit.OpCase;
import org.quantrain.testkit.OpCases;

/** Our kernels are compiled for several instruction sets, and all give the same bits. */
class InstructionSetTest {
  private static Backend best;

  @BeforeAll
  static void open() {
    best = CpuBackend.open();
  }

  @AfterAll
  static void close() {
    best.close();
  }

  @ParameterizedTest
  @ValueSource(strings = {"baseline", "avx2", "avx512"})
  void everyOperationGivesTheSameBits(String isa) {
    Backend backend = openOrNull(isa);
    assumeTrue(backend != null, "this processor has no " + isa);
    List<String> found = new ArrayList<>();
    int compared = 0;
    try (backend) {
      for (OpCase opCase : OpCases.all()) {
        for (Example example : opCase.examples().get()) {
          try (CaseRun expected = new CaseRun(example, best, MemoryPlanner.greedy(), true);
              CaseRun actual = new CaseRun(example, backend, MemoryPlanner.greedy(), true)) {
            expected.run();
            actual.run();
            compare(example + " outputs", expected.outputs(), actual.outputs(), found);
            compare(
                example + " state",
                List.copyOf(expected.state().values()),
                List.copyOf(actual.state().values()),
                found);
            compared++;
          }
        }
      }
    }
    assertTrue(compared > 100, "only " + compared + " examples");
    assertTrue(found.isEmpty(), found.size() + " differ\n" + String.join("\n", found));
  }

  private static Backend openOrNull(String isa) {
    try {
      return CpuBackend.openWith(isa);
    } catch (QuantrainException e) {
      return null;
    }
  }

  private static void compare(
      String what, List<HostTensor> expected, List<HostTensor> actual, List<String> found) {
    for (int i = 0; i < expected.size(); i++) {
      Expected.compareBits(what + " " + i, expected.get(i), actual.get(i), found);
    }
  }
}
