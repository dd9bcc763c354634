package org.quantrain.benchmarks;

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

/**
 * One native kernel on the data of its timed case, on buffers allocated before. {@code kernel} is a
 * name that {@code ./quantrain bench kernels --list} prints; the same cases are compared with every
 * instruction set and with the CUDA kernels by the native driver.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.Throughput)
@OutputTimeUnit(TimeUnit.SECONDS)
@Fork(1)
@Warmup(iterations = 2, time = 500, timeUnit = TimeUnit.MILLISECONDS)
@Measurement(iterations = 10, time = 250, timeUnit = TimeUnit.MILLISECONDS)
public class KernelBenchmark {
  @Param("fake_quant")
  public String kernel;

  @Param({"16777216", "1048576"})
  public long elements;

  /** 0: as many as there are cores. */
  @Param("0")
  public int threads;

  private long bytes;

  /** Work done, shown by JMH per second beside the calls. */
  @State(Scope.Thread)
  @AuxCounters(AuxCounters.Type.OPERATIONS)
  public static class Work {
    private double bytes;

    @Setup(Level.Iteration)
    public void reset() {
      bytes = 0;
    }

    public double gigabytes() {
      return bytes / 1e9;
    }
  }

  @Setup
  public void open() {
    NativeCases.open(kernel, elements, threads);
    bytes = NativeCases.qt_cases_bytes();
  }

  @TearDown
  public void close() {
    NativeCases.qt_cases_close();
  }

  @Benchmark
  public int run(Work work) {
    work.bytes += bytes;
    return NativeCases.qt_cases_run();
  }
}
