package org.quantrain.integer;

import ai.onnx.proto.OnnxMl.GraphProto;
import ai.onnx.proto.OnnxMl.ModelProto;
import ai.onnx.proto.OnnxMl.NodeProto;
import ai.onnx.proto.OnnxMl.TypeProto;
import ai.onnx.proto.OnnxMl.ValueInfoProto;
import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.OrtLoggingLevel;
import ai.onnxruntime.OrtSession;
import java.io.BufferedInputStream;
import java.io.BufferedOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Runs ONNX Runtime in a process of its own, so that a foreign model cannot take the verifier with
 * it. Standard input and output carry {@link ChildProtocol}.
 *
 * <p>Each batch runs twice: with all tensors of codes as outputs, and through the model as it is,
 * because a tensor that is an output cannot be optimized away.
 */
public final class OnnxRuntimeChild {
  private static final OrtSession.SessionOptions.OptLevel LEVEL =
      OrtSession.SessionOptions.OptLevel.ALL_OPT;

  /**
   * Without it, processors with AVX2 or AVX-512 but no VNNI add pairs of products in 16 bits, which
   * saturate; others do not look at it.
   */
  private static final String EXACT_PRODUCTS = "session.x64quantprecision";

  private final DataInputStream in;
  private final DataOutputStream out;
  private final OrtEnvironment environment =
      OrtEnvironment.getEnvironment(OrtLoggingLevel.ORT_LOGGING_LEVEL_ERROR);

  private OnnxRuntimeChild(DataInputStream in, DataOutputStream out) {
    this.in = in;
    this.out = out;
  }

  /** Serves one verification, then ends. */
  public static void main(String[] args) throws IOException {
    DataOutputStream out =
        new DataOutputStream(
            new BufferedOutputStream(new FileOutputStream(FileDescriptor.out), 1 << 20));
    System.setOut(System.err);
    DataInputStream in = new DataInputStream(new BufferedInputStream(System.in, 1 << 20));
    try {
      new OnnxRuntimeChild(in, out).serve();
    } catch (IOException e) {
      // The verifier is gone, there is nobody to tell.
      System.exit(2);
    } catch (Throwable e) {
      out.writeInt(ChildProtocol.FAILED);
      ChildProtocol.writeText(out, e.toString());
      out.flush();
      System.exit(1);
    }
  }

  private void serve() throws IOException, OrtException {
    if (in.readInt() != ChildProtocol.START) {
      throw new IllegalStateException("started by something that is not the verifier");
    }
    byte[] model = ChildProtocol.readBytes(in, Integer.MAX_VALUE);
    int threads = in.readInt();
    List<String> codes = new ArrayList<>();
    int count = in.readInt();
    for (int i = 0; i < count; i++) {
      codes.add(ChildProtocol.readText(in));
    }
    String logits = ChildProtocol.readText(in);
    String input = ChildProtocol.readText(in);
    int[] image = {in.readInt(), in.readInt(), in.readInt()};
    Path folder = Files.createTempDirectory("optimized");
    Path plainOptimized = folder.resolve("plain.onnx");
    Path exposedOptimized = folder.resolve("exposed.onnx");
    try (OrtSession plain = session(model, threads, plainOptimized);
        OrtSession exposed = session(exposing(model, codes), threads, exposedOptimized)) {
      out.writeInt(ChildProtocol.READY);
      ChildProtocol.writeText(out, environment.getVersion());
      ChildProtocol.writeText(out, LEVEL.name() + " with " + EXACT_PRODUCTS);
      writeNodes(plainOptimized);
      writeNodes(exposedOptimized);
      out.flush();
      int request = in.readInt();
      while (request == ChildProtocol.RUN) {
        answer(plain, exposed, codes, logits, input, image);
        request = in.readInt();
      }
    }
  }

  private OrtSession session(byte[] model, int threads, Path optimized) throws OrtException {
    try (OrtSession.SessionOptions options = new OrtSession.SessionOptions()) {
      options.setOptimizationLevel(LEVEL);
      options.addConfigEntry(EXACT_PRODUCTS, "1");
      options.setIntraOpNumThreads(threads);
      options.setInterOpNumThreads(1);
      options.setSessionLogLevel(OrtLoggingLevel.ORT_LOGGING_LEVEL_ERROR);
      options.setOptimizedModelFilePath(optimized.toString());
      return environment.createSession(model, options);
    }
  }

  private static byte[] exposing(byte[] model, List<String> codes) throws IOException {
    ModelProto.Builder builder = ModelProto.parseFrom(model).toBuilder();
    GraphProto.Builder graph = builder.getGraphBuilder();
    Set<String> outputs = new HashSet<>();
    graph.getOutputList().forEach(o -> outputs.add(o.getName()));
    TypeProto.Tensor uint8 = TypeProto.Tensor.newBuilder().setElemType(2).build();
    for (String name : codes) {
      if (outputs.add(name)) {
        graph.addOutput(
            ValueInfoProto.newBuilder()
                .setName(name)
                .setType(TypeProto.newBuilder().setTensorType(uint8)));
      }
    }
    return builder.build().toByteArray();
  }

  private void writeNodes(Path optimized) throws IOException {
    List<NodeProto> nodes =
        ModelProto.parseFrom(Files.readAllBytes(optimized)).getGraph().getNodeList();
    out.writeInt(nodes.size());
    for (NodeProto node : nodes) {
      ChildProtocol.writeText(out, node.getDomain());
      ChildProtocol.writeText(out, node.getOpType());
      ChildProtocol.writeText(out, node.getName());
    }
  }

  private void answer(
      OrtSession plain,
      OrtSession exposed,
      List<String> codes,
      String logits,
      String input,
      int[] image)
      throws IOException, OrtException {
    int count = in.readInt();
    byte[] pixels = ChildProtocol.readBytes(in, Integer.MAX_VALUE);
    ByteBuffer direct =
        ByteBuffer.allocateDirect(pixels.length).order(ByteOrder.nativeOrder()).put(pixels);
    long[] shape = {count, image[0], image[1], image[2]};
    List<byte[]> answers = new ArrayList<>();
    try (OnnxTensor x =
        OnnxTensor.createTensor(environment, direct.flip().asFloatBuffer(), shape)) {
      try (OrtSession.Result result = exposed.run(Map.of(input, x))) {
        for (String name : codes) {
          answers.add(bytes(result, name));
        }
        answers.add(bytes(result, logits));
      }
      try (OrtSession.Result result = plain.run(Map.of(input, x))) {
        answers.add(bytes(result, logits));
      }
    }
    out.writeInt(ChildProtocol.RESULT);
    for (byte[] answer : answers) {
      ChildProtocol.writeBytes(out, answer);
    }
    out.flush();
  }

  private static byte[] bytes(OrtSession.Result result, String name) {
    OnnxTensor tensor =
        (OnnxTensor)
            result
                .get(name)
                .orElseThrow(() -> new IllegalStateException("\"" + name + "\" is not computed"));
    ByteBuffer buffer = tensor.getByteBuffer();
    byte[] bytes = new byte[buffer.remaining()];
    buffer.get(bytes);
    return bytes;
  }
}
