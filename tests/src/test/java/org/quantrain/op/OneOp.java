package org.quantrain.op;

import java.util.List;
import java.util.Map;
import org.quantrain.backend.cpu.CpuBackend;
import org.quantrain.graph.Op;
import org.quantrain.plan.MemoryPlanner;
import org.quantrain.runtime.Backend;
import org.quantrain.tensor.HostTensor;
import org.quantrain.testkit.CaseRun;
import org.quantrain.testkit.Example;

/** Runs one operation once on the CPU backend. */
final class OneOp {
  /**
   * One for all tests, which JUnit runs on one thread: opening proves the integer products anew.
   */
  private static final Backend BACKEND = CpuBackend.open(2);

  private OneOp() {}

  /** Outputs, and updated state by the index of the input. */
  record Result(List<HostTensor> outputs, Map<Integer, HostTensor> state) {
    HostTensor output(int i) {
      return outputs.get(i);
    }
  }

  static Result run(Op op, HostTensor... inputs) {
    Example example = new Example("one", op, List.of(inputs));
    try (CaseRun run = new CaseRun(example, BACKEND, MemoryPlanner.greedy(), true)) {
      run.run();
      return new Result(run.outputs(), run.state());
    }
  }
}
