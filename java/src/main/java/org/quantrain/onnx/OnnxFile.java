package org.quantrain.onnx;

import ai.onnx.proto.OnnxMl.ModelProto;
import ai.onnx.proto.OnnxMl.StringStringEntryProto;
import com.google.protobuf.CodedInputStream;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.UnsafeByteOperations;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * An ONNX file whose structure is sound: constants are as large as they say, every tensor has one
 * producer, every input exists, there are no cycles. What the nodes mean is not looked at here.
 *
 * @param where how messages name the file
 * @param graphInputs inputs of the network (constants with a default are not among them)
 * @param outputs names of the graph's outputs
 * @param nodes in an order in which each comes after those that it reads from
 * @param constants initializers by name
 */
public record OnnxFile(
    String where,
    String graphName,
    String producer,
    long opset,
    Map<String, String> metadata,
    List<Input> graphInputs,
    List<String> outputs,
    List<OnnxNode> nodes,
    Map<String, OnnxTensor> constants) {

  static final long LARGEST_FILE = Integer.MAX_VALUE - 64;
  private static final int PIECE = 1 << 20;

  /**
   * An input of the network.
   *
   * @param dims -1 where the file names no number
   * @param symbols what it names instead; empty where it says nothing
   */
  public record Input(String name, int type, List<Long> dims, List<String> symbols) {}

  /** Reads and checks a file. */
  public static OnnxFile read(Path file) throws OnnxException {
    ExternalData external = new ExternalData(file.toAbsolutePath().getParent());
    return parse(OnnxException.name(file), readBytes(file), external);
  }

  /** The bytes of a file, which is not larger than a model can be. */
  public static byte[] readBytes(Path file) throws OnnxException {
    String where = OnnxException.name(file);
    try {
      long size = Files.size(file);
      if (size > LARGEST_FILE) {
        throw new OnnxException(where, "expected less than 2 GiB, got " + size + " bytes");
      }
      try (FileChannel channel = FileChannel.open(file)) {
        return read(channel, new byte[(int) size]);
      }
    } catch (OnnxException e) {
      throw e;
    } catch (IOException e) {
      String reason = e instanceof NoSuchFileException ? "no such file" : e.toString();
      throw new OnnxException(where, "cannot be read: " + reason, e);
    }
  }

  /** In pieces: a channel copies each through native memory of its size. */
  private static byte[] read(FileChannel channel, byte[] bytes) throws IOException {
    int length = 0;
    while (length < bytes.length) {
      int piece = Math.min(PIECE, bytes.length - length);
      int read = channel.read(ByteBuffer.wrap(bytes, length, piece));
      if (read < 0) {
        return Arrays.copyOf(bytes, length);
      }
      length += read;
    }
    return bytes;
  }

  /** Checks the contents of a file; tensors in other files are refused. */
  public static OnnxFile parse(String where, byte[] bytes) throws OnnxException {
    return parse(where, bytes, new ExternalData(null));
  }

  private static OnnxFile parse(String where, byte[] bytes, ExternalData external)
      throws OnnxException {
    try {
      // Tensors stay views of these bytes.
      CodedInputStream in = UnsafeByteOperations.unsafeWrap(bytes).newCodedInput();
      in.enableAliasing(true);
      return new OnnxParser(where, external).read(ModelProto.parseFrom(in));
    } catch (InvalidProtocolBufferException e) {
      throw new OnnxException(
          where, "is no ONNX model, or truncated or damaged: " + e.getMessage(), e);
    } catch (IOException e) {
      throw new OnnxException(where, "cannot be read: " + e, e);
    } catch (IllegalArgumentException e) {
      throw new OnnxException(where, e.getMessage(), e);
    }
  }

  /** Whether the tensor is an initializer. */
  public boolean isConstant(String tensor) {
    return constants.containsKey(tensor);
  }

  /** Nodes that read each tensor; a node that reads it twice is listed twice. */
  public Map<String, List<OnnxNode>> consumers() {
    Map<String, List<OnnxNode>> consumers = new HashMap<>();
    for (OnnxNode node : nodes) {
      for (String in : node.inputs()) {
        consumers.computeIfAbsent(in, k -> new ArrayList<>()).add(node);
      }
    }
    return consumers;
  }

  /**
   * SHA-256, in hexadecimal, over everything that the file says: initializers, nodes with their
   * attributes, inputs, outputs, operator set and metadata, but for the digest that is recorded
   * there. It survives another order of the file, but not another bit of its meaning.
   */
  public String digest() {
    MessageDigest digest;
    try {
      digest = MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("every Java has SHA-256", e);
    }
    update(digest, List.of(graphName, producer, Long.toString(opset)));
    update(digest, graphInputs.stream().map(OnnxFile::digestOf).toList());
    update(digest, outputs);
    new TreeMap<>(metadata)
        .forEach(
            (key, value) -> {
              if (!key.equals(QdqMetadata.DIGEST)) {
                update(digest, List.of(key, value));
              }
            });
    Map<String, OnnxNode> byOutput = new TreeMap<>();
    nodes.forEach(node -> byOutput.put(node.output(), node));
    for (OnnxNode node : byOutput.values()) {
      update(digest, List.of(node.name(), node.domain(), node.op()));
      update(digest, node.inputs());
      update(digest, node.outputs());
      new TreeMap<>(node.attributes())
          .forEach(
              (key, value) -> {
                if (value instanceof OnnxTensor tensor) {
                  update(digest, List.of(key));
                  update(digest, tensor);
                } else {
                  update(digest, List.of(key, value.toString()));
                }
              });
    }
    new TreeMap<>(constants).values().forEach(tensor -> update(digest, tensor));
    return HexFormat.of().formatHex(digest.digest());
  }

  /** A changed model whose digest, where it has one, is its own again. */
  static byte[] sealed(String where, ModelProto.Builder model) throws OnnxException {
    String digest = parse(where, model.build().toByteArray()).digest();
    for (StringStringEntryProto.Builder entry : model.getMetadataPropsBuilderList()) {
      if (entry.getKey().equals(QdqMetadata.DIGEST)) {
        entry.setValue(digest);
      }
    }
    return model.build().toByteArray();
  }

  /** Names of dimensions are left out: they say nothing about the values. */
  private static String digestOf(Input input) {
    return "Input[name=%s, type=%d, dims=%s]".formatted(input.name(), input.type(), input.dims());
  }

  /** Lengths go in as well, so that no two lists give the same bytes. */
  private static void update(MessageDigest digest, List<String> texts) {
    digest.update(ByteBuffer.allocate(4).putInt(texts.size()).array());
    for (String text : texts) {
      byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
      digest.update(ByteBuffer.allocate(4).putInt(bytes.length).array());
      digest.update(bytes);
    }
  }

  private static void update(MessageDigest digest, OnnxTensor tensor) {
    update(
        digest,
        List.of(tensor.name(), OnnxTensor.nameOf(tensor.type()), tensor.shape().toString()));
    digest.update(ByteBuffer.allocate(4).putInt(tensor.contents().remaining()).array());
    digest.update(tensor.buffer());
  }
}
