package org.quantrain.train;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.quantrain.io.AtomicFile;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.HostTensor;
import org.quantrain.tensor.Shape;
import org.quantrain.tensor.TensorSpec;

/**
 * The safetensors file format: 8 bytes little-endian header length, a JSON header that says each
 * tensor's type, shape and place, then the tensors. Shapes are those in memory: of channels-last
 * tensors of rank 4, [N, H, W, C]. The metadata carry a SHA-256 of the header (with the digest's
 * own digits as zeros) and the data, so that any changed byte is found. Equal contents give equal
 * bytes.
 *
 * <p>Files are untrusted: every length is checked against the file before anything is allocated.
 */
public final class Safetensors {
  private static final String DIGEST = "sha256";
  private static final String NO_DIGEST = "0".repeat(64);
  private static final int MAX_HEADER = 16 << 20;
  private static final ObjectMapper JSON =
      JsonMapper.builder().enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION).build();

  private Safetensors() {}

  /** Contents of a file. */
  public record File(Map<String, String> metadata, Map<String, HostTensor> tensors) {}

  /** The file is there completely or not at all. */
  static void write(Path path, File file) throws IOException {
    AtomicFile.write(path, parts(file));
  }

  /** The contents of the file. */
  public static byte[] toBytes(File file) throws IOException {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    for (ByteBuffer part : parts(file)) {
      bytes.write(part.array(), part.position(), part.remaining());
    }
    return bytes.toByteArray();
  }

  private static List<ByteBuffer> parts(File file) throws IOException {
    TreeMap<String, HostTensor> tensors = new TreeMap<>(file.tensors());
    byte[] header = header(file.metadata(), tensors, NO_DIGEST);
    MessageDigest sha = sha256();
    sha.update(header);
    tensors.values().forEach(t -> sha.update(t.buffer()));
    header = header(file.metadata(), tensors, HexFormat.of().formatHex(sha.digest()));

    ByteBuffer length = ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN);
    List<ByteBuffer> parts = new ArrayList<>();
    parts.add(length.putLong(header.length).flip());
    parts.add(ByteBuffer.wrap(header));
    tensors.values().forEach(t -> parts.add(t.buffer()));
    return parts;
  }

  private static byte[] header(
      Map<String, String> metadata, TreeMap<String, HostTensor> tensors, String digest)
      throws IOException {
    ObjectNode root = JSON.createObjectNode();
    ObjectNode meta = root.putObject("__metadata__");
    new TreeMap<>(metadata).forEach(meta::put);
    meta.put(DIGEST, digest);
    long offset = 0;
    for (Map.Entry<String, HostTensor> e : tensors.entrySet()) {
      ObjectNode entry = root.putObject(e.getKey());
      entry.put("dtype", typeName(e.getValue().spec().dtype()));
      int[] dims = memoryDims(e.getValue().spec());
      var shape = entry.putArray("shape");
      for (int d : dims) {
        shape.add(d);
      }
      long bytes = e.getValue().spec().bytes();
      entry.putArray("data_offsets").add(offset).add(offset + bytes);
      offset += bytes;
    }
    byte[] json = JSON.writeValueAsBytes(root);
    // The format asks for data that start at a multiple of 8; spaces after the JSON are allowed.
    byte[] padded = new byte[(json.length + 7) / 8 * 8];
    Arrays.fill(padded, (byte) ' ');
    System.arraycopy(json, 0, padded, 0, json.length);
    return padded;
  }

  /**
   * @throws CheckpointException if the file is missing, truncated, changed or not of this format
   */
  static File read(Path path) throws IOException {
    byte[] bytes;
    try {
      bytes = Files.readAllBytes(path);
    } catch (NoSuchFileException e) {
      throw new CheckpointException("checkpoint " + path + ": no such file");
    } catch (OutOfMemoryError e) {
      throw new CheckpointException("checkpoint " + path + ": larger than memory");
    }
    if (bytes.length < 8) {
      throw corrupt(path, "it has " + bytes.length + " bytes");
    }
    long length = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).getLong();
    if (length < 2 || length > MAX_HEADER || length > bytes.length - 8) {
      throw corrupt(path, "its header claims " + length + " bytes, the file has " + bytes.length);
    }
    int data = 8 + (int) length;
    JsonNode root;
    try {
      root = JSON.readTree(bytes, 8, (int) length);
    } catch (JsonProcessingException e) {
      throw corrupt(path, "its header is not JSON, or has a name twice");
    }
    JsonNode meta = root.path("__metadata__");
    String digest = meta.path(DIGEST).asText("");
    if (digest.length() != 64 || !digest.equals(digestOf(bytes, data, digest))) {
      throw corrupt(path, "its contents do not match its SHA-256");
    }
    Map<String, String> metadata = new TreeMap<>();
    meta.properties().forEach(e -> metadata.put(e.getKey(), e.getValue().asText()));
    metadata.remove(DIGEST);
    Map<String, HostTensor> tensors = new TreeMap<>();
    long read = 0;
    for (Map.Entry<String, JsonNode> e : root.properties()) {
      if (!e.getKey().equals("__metadata__")) {
        HostTensor tensor = tensor(path, e.getKey(), e.getValue(), bytes, data);
        // Tensors that share bytes could stand for more memory than there is.
        read += tensor.spec().bytes();
        if (read > bytes.length - data) {
          throw corrupt(path, "its tensors overlap, at the latest " + e.getKey());
        }
        tensors.put(e.getKey(), tensor);
      }
    }
    return new File(metadata, tensors);
  }

  private static String digestOf(byte[] bytes, int data, String digest) {
    MessageDigest sha = sha256();
    String header = new String(bytes, 8, data - 8, StandardCharsets.ISO_8859_1);
    int at = header.indexOf(digest);
    if (at < 0) {
      return "";
    }
    String blank = header.substring(0, at) + NO_DIGEST + header.substring(at + 64);
    sha.update(blank.getBytes(StandardCharsets.ISO_8859_1));
    sha.update(bytes, data, bytes.length - data);
    return HexFormat.of().formatHex(sha.digest());
  }

  private static HostTensor tensor(Path path, String name, JsonNode entry, byte[] bytes, int data)
      throws CheckpointException {
    DType dtype =
        switch (entry.path("dtype").asText()) {
          case "F32" -> DType.F32;
          case "I32" -> DType.S32;
          default -> throw corrupt(path, "tensor " + name + " has type " + entry.path("dtype"));
        };
    List<Integer> dims = new ArrayList<>();
    for (JsonNode d : entry.path("shape")) {
      if (!d.canConvertToInt() || d.asInt() < 0) {
        throw corrupt(path, "tensor " + name + " has dimension " + d);
      }
      dims.add(d.asInt());
    }
    long begin = entry.path("data_offsets").path(0).asLong(-1);
    long end = entry.path("data_offsets").path(1).asLong(-1);
    TensorSpec spec;
    try {
      spec = new TensorSpec(dtype, logical(dims));
    } catch (IllegalArgumentException e) {
      throw corrupt(path, "tensor " + name + ": " + e.getMessage());
    }
    if (begin < 0 || end < begin || end > bytes.length - data || end - begin != spec.bytes()) {
      throw corrupt(path, "tensor " + name + " lies outside the file");
    }
    byte[] values = new byte[(int) (end - begin)];
    System.arraycopy(bytes, data + (int) begin, values, 0, values.length);
    return HostTensor.ofBytes(spec, values);
  }

  private static int[] memoryDims(TensorSpec spec) {
    int[] d = spec.shape().dims();
    return d.length == 4 && spec.isChannelsLast() ? new int[] {d[0], d[2], d[3], d[1]} : d;
  }

  private static Shape logical(List<Integer> d) {
    return d.size() == 4
        ? Shape.of(d.get(0), d.get(3), d.get(1), d.get(2))
        : Shape.of(d.stream().mapToInt(Integer::intValue).toArray());
  }

  private static String typeName(DType dtype) {
    return switch (dtype) {
      case F32 -> "F32";
      case S32 -> "I32";
      case S8 -> "I8";
      case U8 -> "U8";
      default -> throw new IllegalArgumentException("expected F32, S32, S8 or U8, got " + dtype);
    };
  }

  private static CheckpointException corrupt(Path path, String why) {
    return new CheckpointException("checkpoint " + path + " is corrupt: " + why);
  }

  private static MessageDigest sha256() {
    try {
      return MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e);
    }
  }
}
