package org.quantrain.op;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.fail;

import java.util.ArrayList;
import java.util.List;
import java.util.Set;
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
  /**
   * Float products, most of which are oneDNN's: it cuts their sums by the number of threads, so other
   * threads mean other roundings. They stay within the oracle's bound.
   */
  private static final Set<Class<?>> CUT_BY_THREADS =
      Set.of(
          Conv2d.class,
          Conv2dBackwardData.class,
          Conv2dBackwardWeights.class,
          Linear.class,
          LinearBackwardData.class,
          LinearBackwardWeights.class,
          MatMul.class,
          ConvTranspose2d.class);

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
  void theSameInputsGiveTheSameBitsAgainAndWithNaivePlanning(OpCase opCase) {
    List<String> found = new ArrayList<>();
    for (Example example : opCase.examples().get()) {
      try (CaseRun first = new CaseRun(example, twoThreads, MemoryPlanner.greedy(), true);
          CaseRun naive = new CaseRun(example, twoThreads, MemoryPlanner.naive(), true)) {
        first.run();
        List<HostTensor> outputs = first.outputs();
        List<HostTensor> state = List.copyOf(first.state().values());
        first.resetState();
        first.run();
        compare(example + " again", outputs, first.outputs(), found);
        compare(example + " again, state", state, List.copyOf(first.state().values()), found);
        naive.run();
        compare(example + " planned naively", outputs, naive.outputs(), found);
        compare(
            example + " planned naively, state", state, List.copyOf(naive.state().values()), found);
      }
    }
    report(opCase, found);
  }

  @ParameterizedTest
  @MethodSource("cases")
  void oneThreadComputesWhatTwoCompute(OpCase opCase) {
    List<String> found = new ArrayList<>();
    for (Example example : opCase.examples().get()) {
      try (CaseRun two = new CaseRun(example, twoThreads, MemoryPlanner.greedy(), true);
          CaseRun one = new CaseRun(example, oneThread, MemoryPlanner.greedy(), true)) {
        one.run();
        List<HostTensor> outputs = one.outputs();
        if (CUT_BY_THREADS.contains(opCase.op())) {
          Oracle.Call call = new Oracle.Call(example.inputs(), outputs, CaseRun.OBSERVER_MOMENTUM);
          Oracle.expect(example.op(), call)
              .differences(outputs, one.state())
              .forEach(d -> found.add(example + ": " + d));
        } else {
          two.run();
          compare(example + " on one thread", two.outputs(), outputs, found);
          compare(
              example + " on one thread, state",
              List.copyOf(two.state().values()),
              List.copyOf(one.state().values()),
              found);
        }
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
