package org.quantrain.train;

import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assertions.fail;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.sun.management.ThreadMXBean;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.quantrain.tensor.HostTensor;
import org.quantrain.tensor.Shape;
import org.quantrain.testkit.MutatedBytes;

/**
 * Damaged and hostile checkpoints, most of them with a digest that fits: each is refused with one
 * clear line or is a checkpoint. {@code -Dquantrain.mutations=50000} for more of them.
 */
class MutatedCheckpointsTest {
  private static final int MUTATIONS = Integer.getInteger("quantrain.mutations", 2000);
  private static final int FIRST = Integer.getInteger("quantrain.firstMutation", 1);
  private static final long MOST_NANOS = 5_000_000_000L;
  private static final long MOST_BYTES = 64L << 20;
  private static final ObjectMapper JSON = new ObjectMapper();

  private static final String[] VALUES = {
    "0", "-1", "1", "3", "2147483647", "2147483648", "-9223372036854775808", "1e300", "0.5",
    "\"F32\"", "\"I32\"", "\"BF16\"", "\"\"", "null", "[]", "[1,2]", "{}", "true"
  };

  private static final ThreadMXBean THREADS = (ThreadMXBean) ManagementFactory.getThreadMXBean();

  @TempDir Path folder;

  @Test
  void everyFileIsRefusedInOneLineOrIsACheckpoint() throws Exception {
    Path path = folder.resolve("mutated.safetensors");
    HostTensor w = HostTensor.filled(Shape.of(64, 16, 3, 3), 0.5f);
    HostTensor count = HostTensor.of(Shape.of(1), 7);
    Map<String, HostTensor> contents = Map.of("w", w, "q.count", count);
    new Checkpoint(Stage.QAT, "abc", 3, 2, 140, 0.125, contents, Map.of("w", w), contents)
        .write(path);
    byte[] good = Files.readAllBytes(path);
    List<String> failures = new ArrayList<>();
    int valid = 0;
    for (int seed = FIRST; seed < FIRST + MUTATIONS; seed++) {
      Random random = new Random(seed * 0x9E3779B97F4A7C15L);
      byte[] mutated = random.nextInt(4) == 0 ? MutatedBytes.of(good, random) : of(good, random);
      Files.write(path, mutated);
      long before = THREADS.getCurrentThreadAllocatedBytes();
      long start = System.nanoTime();
      try {
        Checkpoint.read(path);
        valid++;
      } catch (CheckpointException e) {
        if (e.getMessage().contains("\n") || !e.getMessage().contains(path.toString())) {
          failures.add("seed " + seed + ": no clear line: " + e.getMessage());
        }
      } catch (Throwable e) {
        failures.add("seed " + seed + ": " + e + " at " + e.getStackTrace()[0]);
      }
      long allocated = THREADS.getCurrentThreadAllocatedBytes() - before;
      long nanos = System.nanoTime() - start;
      if (allocated > MOST_BYTES + 2L * mutated.length || nanos > MOST_NANOS) {
        failures.add("seed " + seed + ": " + allocated + " bytes, " + nanos / 1e9 + " s");
      }
    }
    if (!failures.isEmpty()) {
      fail(failures.size() + " of " + MUTATIONS + ":\n" + String.join("\n", failures));
    }
    assertTrue(valid > 0, "none was a checkpoint");
  }

  /** The same tensors under a header that says something else, with its digest. */
  private static byte[] of(byte[] good, Random random) throws Exception {
    int length = (int) ByteBuffer.wrap(good).order(ByteOrder.LITTLE_ENDIAN).getLong();
    ObjectNode root = (ObjectNode) JSON.readTree(good, 8, length);
    int changes = 1 + random.nextInt(3);
    for (int i = 0; i < changes; i++) {
      change(root, random);
    }
    String header = JSON.writeValueAsString(root);
    if (random.nextInt(8) == 0) {
      // A name twice, which no tree can hold.
      header = header.substring(0, header.length() - 1) + ",\"best/w\":{}}";
    }
    return withDigest(header, good, 8 + length);
  }

  private static void change(ObjectNode root, Random random) throws Exception {
    List<String> names = new ArrayList<>();
    root.fieldNames().forEachRemaining(names::add);
    String name = names.get(random.nextInt(names.size()));
    JsonNode entry = root.get(name);
    JsonNode value = JSON.readTree(VALUES[random.nextInt(VALUES.length)]);
    if (!(entry instanceof ObjectNode object)) {
      root.remove(name);
      return;
    }
    List<String> keys = new ArrayList<>();
    object.fieldNames().forEachRemaining(keys::add);
    String key = keys.isEmpty() ? "shape" : keys.get(random.nextInt(keys.size()));
    switch (random.nextInt(6)) {
      case 0 -> object.set(key, value);
      case 1 -> object.remove(key);
      case 2 -> root.set(name, value);
      case 3 -> {
        // Many tensors that share the same bytes.
        int copies = random.nextInt(20) == 0 ? 2000 : 3;
        for (int i = 0; i < copies; i++) {
          root.set("model/copy" + i, entry);
        }
      }
      default -> {
        if (object.get(key) instanceof ArrayNode array && !array.isEmpty()) {
          array.set(random.nextInt(array.size()), value);
        } else {
          object.set(key, value);
        }
      }
    }
  }

  private static byte[] withDigest(String json, byte[] good, int data) throws Exception {
    String digest = JSON.readTree(json).path("__metadata__").path("sha256").asText("");
    if (digest.length() == 64) {
      String zeros = json.replace(digest, "0".repeat(64));
      MessageDigest sha = MessageDigest.getInstance("SHA-256");
      sha.update(zeros.getBytes(StandardCharsets.UTF_8));
      sha.update(good, data, good.length - data);
      json = json.replace(digest, HexFormat.of().formatHex(sha.digest()));
    }
    byte[] header = json.getBytes(StandardCharsets.UTF_8);
    ByteBuffer file =
        ByteBuffer.allocate(8 + header.length + good.length - data).order(ByteOrder.LITTLE_ENDIAN);
    return file.putLong(header.length).put(header).put(good, data, good.length - data).array();
  }
}
