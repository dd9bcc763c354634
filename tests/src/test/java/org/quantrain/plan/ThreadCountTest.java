package org.quantrain.plan;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.quantrain.backend.cpu.CpuBackend;
import org.quantrain.graph.Value;
import org.quantrain.runtime.Backend;
import org.quantrain.runtime.ParameterStore;

/**
 * One step with one and with two threads, each in a process of its own, because OpenMP reads its
 * number of threads when it starts.
 */
class ThreadCountTest {
  @TempDir Path folder;

  /** oneDNN sums the weight gradients of a convolution over as many parts as there are threads. */
  @Test
  void onlyConvolutionWeightGradientsDependOnTheNumberOfThreads() throws Exception {
    Map<String, byte[]> one = step(1);
    Map<String, byte[]> two = step(2);
    assertEquals(one.keySet(), two.keySet());
    one.forEach((name, bytes) -> assertArrayEquals(bytes, two.get(name), name));
  }

  private Map<String, byte[]> step(int threads) throws IOException, InterruptedException {
    Path file = folder.resolve("threads" + threads);
    String classPath =
        System.getProperty("surefire.test.class.path", System.getProperty("java.class.path"));
    Path java = Path.of(System.getProperty("java.home"), "bin", "java");
    ProcessBuilder builder =
        new ProcessBuilder(
            java.toString(), "-cp", classPath, Step.class.getName(), file.toString());
    builder.environment().put("OMP_NUM_THREADS", Integer.toString(threads));
    assertEquals(0, builder.inheritIO().start().waitFor());
    Map<String, byte[]> results = new LinkedHashMap<>();
    try (DataInputStream in = new DataInputStream(Files.newInputStream(file))) {
      for (int count = in.readInt(); count > 0; count--) {
        String name = in.readUTF();
        results.put(name, in.readNBytes(in.readInt()));
      }
    }
    return results;
  }

  /** Writes what one training step leaves, without the weight gradients of convolutions. */
  static final class Step {
    public static void main(String[] args) throws IOException {
      Map<String, byte[]> results = new LinkedHashMap<>();
      SmallNetworks.Training net = SmallNetworks.resNet8(16);
      try (Backend backend = CpuBackend.open();
          ParameterStore store =
              new ParameterStore(backend, net.forward().persistent(), net.contents());
          Plan plan =
              PlanCompiler.compile(net.graph(), 64, backend, store, PlanOptions.defaults())) {
        SmallNetworks.feed(plan, 1);
        plan.run();
        for (Value output : net.forward().outputs()) {
          results.put(output.name(), plan.read(output).bytes());
        }
        for (Value value : store.values()) {
          if (value.role() == Value.Role.STATE) {
            results.put(value.name(), store.get(value.name()).bytes());
          } else if (value.spec().shape().rank() != 4) {
            results.put("gradient " + value.name(), store.gradient(value.name()).bytes());
          }
        }
      }
      try (DataOutputStream out = new DataOutputStream(Files.newOutputStream(Path.of(args[0])))) {
        out.writeInt(results.size());
        for (Map.Entry<String, byte[]> result : results.entrySet()) {
          out.writeUTF(result.getKey());
          out.writeInt(result.getValue().length);
          out.write(result.getValue());
        }
      }
    }
  }
}
