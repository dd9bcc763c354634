package org.quantrain.op;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.fail;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.quantrain.backend.cpu.CpuBackend;
import org.quantrain.plan.MemoryPlanner;
import org.quantrain.runtime.Backend;
import org.quantrain.tensor.HostTensor;
import org.quantrain.testkit.CaseRun;
import org.quantrain.testkit.Example;
import org.quantrain.testkit.Expected;
import org.quantrain.testkit.OpCase;
import org.quantrain.testkit.OpCases;
import org.quantrain.testkit.Oracle;

/** Every example of every operation on the CPU backend, against the plain-Java oracle. */
class OpCaseTest {
  private static Backend oneThread;
  private static Backend twoThreads;

  @BeforeAll
  static void open() {
    oneThread = CpuBackend.open(1);
    twoThreads = CpuBackend.open(2);
  }

  @AfterAll
  static void close() {
    oneThread.close();
    twoThreads.close();
  }

  static Stream<OpCase> cases() {
    return OpCases.all().stream();
  }

  private static void report(OpCase opCase, List<String> differences) {
    if (!differences.isEmpty()) {
      fail(
          opCase.name()
              + ": "
              + differences.size()
              + " differences\n  "
              + String.join("\n  ", differences.subList(0, Math.min(20, differences.size()))));
    }
  }

  @ParameterizedTest
  @MethodSource("cases")
  void everyExampleComputesWhatTheOracleSays(OpCase opCase) {
    List<String> found = new ArrayList<>();
    for (Example example : opCase.examples().get()) {
      try (CaseRun run = new CaseRun(example, twoThreads, MemoryPlanner.greedy(), true)) {
        run.run();
        List<HostTensor> outputs = run.outputs();
        Expected expected =
            Oracle.expect(
                example.op(),
                new Oracle.Call(example.inputs(), outputs, CaseRun.OBSERVER_MOMENTUM));
        expected.differences(outputs, run.state()).forEach(d -> found.add(example + ": " + d));
        run.changedInputs().forEach(d -> found.add(example + " changed its " + d));
      }
    }
    report(opCase, found);
  }

  @ParameterizedTest
  @MethodSource("cases")
  void theSameInputsGiveTheSameBitsAgainWithOneThreadAndWithNaivePlanning(OpCase opCase) {
    List<String> found = new ArrayList<>();
    for (Example example : opCase.examples().get()) {
      try (CaseRun first = new CaseRun(example, twoThreads, MemoryPlanner.greedy(), true);
          CaseRun single = new CaseRun(example, oneThread, MemoryPlanner.naive(), true)) {
        first.run();
        List<HostTensor> outputs = first.outputs();
        List<HostTensor> state = List.copyOf(first.state().values());
        first.resetState();
        first.run();
        compare(example + " again", outputs, first.outputs(), found);
        compare(example + " again, state", state, List.copyOf(first.state().values()), found);
        single.run();
        compare(example + " on one thread", outputs, single.outputs(), found);
        compare(
            example + " on one thread, state", state, List.copyOf(single.state().values()), found);
      }
    }
    report(opCase, found);
  }

  @ParameterizedTest
  @MethodSource("cases")
  void outputsThatNothingReadsDoNotChangeTheOthers(OpCase opCase) {
    List<String> found = new ArrayList<>();
    for (Example example : opCase.examples().get()) {
      int count = example.outputSpecs().size();
      List<Integer> kept = new ArrayList<>();
      for (int i = 0; i < count; i++) {
        if (!example.op().isOptional(i)) {
          kept.add(i);
        }
      }
      if (kept.size() == count) {
        continue;
      }
      try (CaseRun all = new CaseRun(example, twoThreads, MemoryPlanner.greedy(), true);
          CaseRun some = new CaseRun(example, twoThreads, MemoryPlanner.greedy(), false)) {
        all.run();
        some.run();
        List<HostTensor> outputs = all.outputs();
        compare(
            example.toString(), kept.stream().map(outputs::get).toList(), some.outputs(), found);
      }
    }
    report(opCase, found);
  }

  private static void compare(
      String what, List<HostTensor> expected, List<HostTensor> actual, List<String> found) {
    assertEquals(expected.size(), actual.size());
    for (int i = 0; i < expected.size(); i++) {
      Expected.compareBits(what + " " + i, expected.get(i), actual.get(i), found);
    }
  }
}
