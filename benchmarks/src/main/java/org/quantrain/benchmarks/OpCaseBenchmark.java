package org.quantrain.benchmarks;

import java.util.List;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.AuxCounters;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;
import org.quantrain.backend.cpu.CpuBackend;
import org.quantrain.plan.MemoryPlanner;
import org.quantrain.runtime.Backend;
import org.quantrain.tensor.HostTensor;
import org.quantrain.testkit.CaseRun;
import org.quantrain.testkit.Example;
import org.quantrain.testkit.OpCases;
import org.quantrain.testkit.Oracle;

/**
 * One operation on the CPU backend, on the example that its test case gives for benchmarks. The
 * bytes are the sizes of the buffers in the call, summed by the case; what a kernel reads twice
 * does not count twice.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.Throughput)
@OutputTimeUnit(TimeUnit.SECONDS)
// Inputs are made on the Java heap, some in double precision to check the answer.
@Fork(value = 1, jvmArgsAppend = "-Xmx6g")
@Warmup(iterations = 2, time = 500, timeUnit = TimeUnit.MILLISECONDS)
@Measurement(iterations = 10, time = 250, timeUnit = TimeUnit.MILLISECONDS)
public class OpCaseBenchmark {
  /** Checked against the cases by {@link KernelTable}. */
  @Param({
    "Add",
    "Relu",
    "ReluBackward",
    "ChannelSum",
    "Flatten",
    "Unflatten",
    "SoftmaxCrossEntropy",
    "Conv2d",
    "Conv2dBackwardData",
    "Conv2dBackwardWeights",
    "ConvCodes",
    "Linear",
    "LinearBackwardData",
    "LinearBackwardWeights",
    "LinearCodes",
    "MaxPool",
    "MaxPoolBackward",
    "AveragePool",
    "AveragePoolBackward",
    "AveragePoolCodes",
    "GlobalAveragePool",
    "GlobalAveragePoolBackward",
    "GlobalPoolSum",
    "Quantize",
    "RequantizeCodes",
    "Dequantize",
    "SteBackward",
    "QuantizeWeight",
    "TimesSign",
    "MinMax",
    "UpdateQParams",
    "AddCodes",
    "AddCodesRange",
    "AccStats",
    "AccRange",
    "Multiplier",
    "PoolMultiplier",
    "Requantize",
    "DequantizeAcc",
    "BatchNorm",
    "BatchNormBackward",
    "BatchNormStats",
    "BatchNormStatsBackward",
    "BatchNormAbsorb",
    "BatchNormAbsorbBackward",
    "FoldWeight",
    "FoldWeightBackward",
    "ConvBnFold",
    "ConvBnFoldBackward",
    "ConvBnCorrect",
    "ConvBnCorrectBackward"
  })
  public String op;

  private Backend backend;
  private Example example;
  private CaseRun run;

  /** Work done, shown by JMH per second beside the calls. */
  @State(Scope.Thread)
  @AuxCounters(AuxCounters.Type.OPERATIONS)
  public static class Work {
    private double bytes;
    private double operations;

    @Setup(Level.Iteration)
    public void reset() {
      bytes = 0;
      operations = 0;
    }

    public double gigabytes() {
      return bytes / 1e9;
    }

    public double gigaflops() {
      return operations / 1e9;
    }
  }

  @Setup
  public void prepare() {
    backend = CpuBackend.open();
    example = OpCases.of(op).benchmark().get();
    run = new CaseRun(example, backend, MemoryPlanner.greedy(), true);
    // A product of this size takes the plain-Java oracle minutes; its small examples stand for it.
    Example checked = example.operations() == 0 ? example : OpCases.of(op).examples().get().get(1);
    try (CaseRun check = new CaseRun(checked, backend, MemoryPlanner.greedy(), true)) {
      check.run();
      List<HostTensor> outputs = check.outputs();
      Oracle.Call call = new Oracle.Call(checked.inputs(), outputs, CaseRun.OBSERVER_MOMENTUM);
      List<String> differences =
          Oracle.expect(checked.op(), call).differences(outputs, check.state());
      if (!differences.isEmpty()) {
        throw new IllegalStateException(checked + ": " + String.join("; ", differences));
      }
    }
  }

  @TearDown
  public void close() {
    run.close();
    backend.close();
  }

  @Benchmark
  public void run(Work work) {
    run.run();
    work.bytes += example.bytes();
    work.operations += example.operations();
  }
}
