package org.quantrain;

import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.management.ThreadMXBean;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.quantrain.graph.Model;
import org.quantrain.integer.IntegerModel;
import org.quantrain.onnx.OnnxException;
import org.quantrain.quant.ExportFormat;
import org.quantrain.quant.QuantPolicy;
import org.quantrain.quant.Target;
import org.quantrain.testkit.Calibrated;
import org.quantrain.testkit.MutatedBytes;
import org.quantrain.testkit.Networks;
import org.quantrain.tflite.TfliteException;

/** Damaged TensorFlow Lite files are refused in one line, soon and in little memory. */
class MutatedTfliteTest {
  private static final int MUTATIONS = Integer.getInteger("quantrain.mutations", 3000);
  private static final int FIRST = Integer.getInteger("quantrain.firstMutation", 1);
  private static final double MOST_SECONDS = 5;
  private static final long MOST_BYTES = 64L << 20;
  private static final ThreadMXBean THREADS = (ThreadMXBean) ManagementFactory.getThreadMXBean();

  @TempDir static Path folder;

  private static final List<byte[]> FILES = new ArrayList<>();

  @BeforeAll
  static void write() throws IOException {
    try (Quantrain quantrain = Quantrain.open()) {
      for (Model model : List.of(Networks.lenetLike(), Networks.resnetLike())) {
        for (ExportFormat format : List.of(ExportFormat.TFLITE, ExportFormat.TFLITE_FLOATS)) {
          QuantizedNetwork quantized =
              quantrain.network(model).quantize(QuantPolicy.forTarget(Target.TFLITE));
          quantized.restore(
              Calibrated.contents(
                  quantized.model(), quantrain.backend(), Networks.images(model, 4, 1)));
          Path file = folder.resolve("whole.tflite");
          quantized.export(file, format, Map.of());
          FILES.add(Files.readAllBytes(file));
        }
      }
    }
  }

  /** Bytes anywhere, or one of the offsets, lengths and indices that the file is made of. */
  private static byte[] mutated(byte[] file, Random random) {
    if (random.nextBoolean()) {
      return MutatedBytes.of(file, random);
    }
    ByteBuffer bytes = ByteBuffer.wrap(file.clone()).order(ByteOrder.LITTLE_ENDIAN);
    int changes = 1 + random.nextInt(3);
    for (int i = 0; i < changes; i++) {
      int at = 4 * random.nextInt(file.length / 4 - 2);
      int value =
          switch (random.nextInt(5)) {
            case 0 -> random.nextInt();
            case 1 -> random.nextInt(16) - 2;
            case 2 -> Integer.MAX_VALUE - random.nextInt(8);
            case 3 -> bytes.getInt(4 * random.nextInt(file.length / 4 - 2));
            default -> random.nextInt(file.length);
          };
      bytes.putInt(at, value);
    }
    return bytes.array();
  }

  @Test
  void everyFileIsRefusedInOneLineOrIsAModel() {
    List<String> failures = new ArrayList<>();
    int valid = 0;
    for (int seed = FIRST; seed < FIRST + MUTATIONS; seed++) {
      Random random = new Random(seed * 0x9E3779B97F4A7C15L);
      byte[] bytes = mutated(FILES.get(random.nextInt(FILES.size())), random);
      long before = THREADS.getCurrentThreadAllocatedBytes();
      long start = THREADS.getCurrentThreadCpuTime();
      try {
        IntegerModel.read("mutated.tflite", bytes);
        valid++;
      } catch (TfliteException | OnnxException e) {
        String message = e.getMessage();
        if (message.contains("\n") || !message.startsWith("mutated.tflite: ")) {
          failures.add("seed " + seed + ": no clear line: " + message);
        }
      } catch (IOException | RuntimeException | Error e) {
        failures.add("seed " + seed + ": " + e + " at " + e.getStackTrace()[0]);
      }
      long allocated = THREADS.getCurrentThreadAllocatedBytes() - before;
      double seconds = (THREADS.getCurrentThreadCpuTime() - start) / 1e9;
      if (allocated > MOST_BYTES + 2L * bytes.length || seconds > MOST_SECONDS) {
        failures.add("seed %d: %d bytes and %.1f s".formatted(seed, allocated, seconds));
      }
    }
    assertTrue(failures.isEmpty(), () -> String.join("\n", failures));
    assertTrue(valid > MUTATIONS / 100, valid + " of " + MUTATIONS + " were models");
  }
}
