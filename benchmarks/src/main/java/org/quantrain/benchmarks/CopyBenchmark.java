package org.quantrain.benchmarks;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.AuxCounters;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;
import org.quantrain.backend.cpu.CpuBackend;
import org.quantrain.runtime.Backend;
import org.quantrain.runtime.Memory;

/**
 * What the machine's memory can do: a regular copy (no streaming stores) by all cores, on memory of
 * the backend, which is on huge pages where the system has them. Bytes read and bytes written both
 * count, as they do for kernels.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.Throughput)
@OutputTimeUnit(TimeUnit.SECONDS)
@Fork(1)
@Warmup(iterations = 3, time = 500, timeUnit = TimeUnit.MILLISECONDS)
@Measurement(iterations = 10, time = 500, timeUnit = TimeUnit.MILLISECONDS)
public class CopyBenchmark {
  private static final long BYTES = 256L << 20;

  private Backend backend;
  private Memory from;
  private Memory to;
  private ExecutorService threads;
  private final List<Callable<Void>> parts = new ArrayList<>();

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
  public void prepare() {
    backend = CpuBackend.open();
    from = backend.allocate(BYTES);
    to = backend.allocate(BYTES);
    int count = Runtime.getRuntime().availableProcessors();
    threads = Executors.newFixedThreadPool(count);
    long part = BYTES / count / 64 * 64;
    for (int i = 0; i < count; i++) {
      long begin = i * part;
      long bytes = i == count - 1 ? BYTES - begin : part;
      ByteBuffer source = from.host(begin, bytes).buffer();
      ByteBuffer target = to.host(begin, bytes).buffer();
      for (int k = 0; k < bytes; k++) {
        source.put(k, (byte) k);
      }
      parts.add(
          () -> {
            target.put(0, source, 0, source.limit());
            return null;
          });
    }
  }

  @TearDown
  public void close() {
    threads.shutdown();
    from.close();
    to.close();
    backend.close();
  }

  @Benchmark
  public void copy(Work work) throws InterruptedException {
    threads.invokeAll(parts);
    work.bytes += 2.0 * BYTES;
  }
}
