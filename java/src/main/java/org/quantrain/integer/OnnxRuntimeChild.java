package org.quantrain.integer;

import ai.onnx.proto.OnnxMl.GraphProto;
import ai.onnx.proto.OnnxMl.ModelProto;
import ai.onnx.proto.OnnxMl.NodeProto;
import ai.onnx.proto.OnnxMl.TensorProto;
import ai.onnx.proto.OnnxMl.TypeProto;
import ai.onnx.proto.OnnxMl.ValueInfoProto;
import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.OrtLoggingLevel;
import ai.onnxruntime.OrtSession;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.quantrain.onnx.CompilerForm;
import org.quantrain.onnx.OnnxFile;
import org.quantrain.onnx.UnsignedProducts;

/** ONNX Runtime in a process of its own, see {@link RuntimeChild}. */
public final class OnnxRuntimeChild implements RuntimeChild.Session {
  private static final OrtSession.SessionOptions.OptLevel LEVEL =
      OrtSession.SessionOptions.OptLevel.ALL_OPT;

  /**
   * Without it, processors with AVX2 or AVX-512 but no VNNI add pairs of products in 16 bits, which
   * saturate; others do not look at it.
   */
  private static final String EXACT_PRODUCTS = "session.x64quantprecision";

  private final OrtEnvironment environment =
      OrtEnvironment.getEnvironment(OrtLoggingLevel.ORT_LOGGING_LEVEL_ERROR);
  private final RuntimeChild.Request request;
  private final boolean signed;
  private final Path folder = Files.createTempDirectory("optimized");
  private final Path plainOptimized = folder.resolve("plain.onnx");
  private final Path exposedOptimized = folder.resolve("exposed.onnx");
  private final OrtSession plain;
  private final OrtSession exposed;

  private OnnxRuntimeChild(RuntimeChild.Request request) throws IOException, OrtException {
    this.request = request;
    byte[] model = executable(request.model());
    signed = UnsignedProducts.hasSignedCodes(ModelProto.parseFrom(model).getGraph());
    plain = session(model, plainOptimized);
    exposed = session(exposing(model, request.codes()), exposedOptimized);
  }

  /** The file, or how files for other runtimes are executed by this one. */
  private static byte[] executable(byte[] file) throws IOException {
    boolean translated = CompilerForm.isOne(OnnxFile.parse("the file", file));
    return UnsignedProducts.of(translated ? CompilerForm.toQdq(file) : file);
  }

  /** Serves one verification, then ends. */
  public static void main(String[] args) throws IOException {
    RuntimeChild.serve(OnnxRuntimeChild::new);
  }

  private OrtSession session(byte[] model, Path optimized) throws OrtException {
    try (OrtSession.SessionOptions options = new OrtSession.SessionOptions()) {
      options.setOptimizationLevel(LEVEL);
      options.addConfigEntry(EXACT_PRODUCTS, "1");
      if (signed) {
        options.addConfigEntry(UnsignedProducts.KEEP_SIGNED, "1");
      }
      options.setIntraOpNumThreads(request.threads());
      options.setInterOpNumThreads(1);
      options.setSessionLogLevel(OrtLoggingLevel.ORT_LOGGING_LEVEL_ERROR);
      options.setOptimizedModelFilePath(optimized.toString());
      return environment.createSession(model, options);
    }
  }

  private byte[] exposing(byte[] model, List<String> codes) throws IOException {
    ModelProto.Builder builder = ModelProto.parseFrom(model).toBuilder();
    GraphProto.Builder graph = builder.getGraphBuilder();
    Set<String> outputs = new HashSet<>();
    graph.getOutputList().forEach(o -> outputs.add(o.getName()));
    TensorProto.DataType codeType = signed ? TensorProto.DataType.INT8 : TensorProto.DataType.UINT8;
    TypeProto.Tensor type =
        TypeProto.Tensor.newBuilder().setElemType(codeType.getNumber()).build();
    for (String name : codes) {
      if (outputs.add(name)) {
        graph.addOutput(
            ValueInfoProto.newBuilder()
                .setName(name)
                .setType(TypeProto.newBuilder().setTensorType(type)));
      }
    }
    return builder.build().toByteArray();
  }

  @Override
  public String version() {
    return environment.getVersion();
  }

  @Override
  public String optimization() {
    return LEVEL.name() + " with " + EXACT_PRODUCTS;
  }

  @Override
  public List<ChildProtocol.OptimizedNode> plain() {
    return nodes(plainOptimized);
  }

  @Override
  public List<ChildProtocol.OptimizedNode> exposed() {
    return nodes(exposedOptimized);
  }

  private static List<ChildProtocol.OptimizedNode> nodes(Path optimized) {
    try {
      List<ChildProtocol.OptimizedNode> nodes = new ArrayList<>();
      for (NodeProto node :
          ModelProto.parseFrom(Files.readAllBytes(optimized)).getGraph().getNodeList()) {
        nodes.add(
            new ChildProtocol.OptimizedNode(node.getDomain(), node.getOpType(), node.getName()));
      }
      return nodes;
    } catch (IOException e) {
      throw new IllegalStateException("the optimized model cannot be read back: " + e, e);
    }
  }

  @Override
  public List<byte[]> run(int count, List<byte[]> inputs) throws OrtException {
    Map<String, OnnxTensor> feed = new HashMap<>();
    List<byte[]> answers = new ArrayList<>();
    try {
      for (int i = 0; i < inputs.size(); i++) {
        RuntimeChild.Input input = request.inputs().get(i);
        feed.put(input.name(), tensor(input, count, inputs.get(i)));
      }
      try (OrtSession.Result result = exposed.run(feed)) {
        for (String name : request.codes()) {
          answers.add(bytes(result, name));
        }
        answers.add(bytes(result, request.output()));
      }
      try (OrtSession.Result result = plain.run(feed)) {
        answers.add(bytes(result, request.output()));
      }
    } finally {
      feed.values().forEach(OnnxTensor::close);
    }
    return answers;
  }

  private OnnxTensor tensor(RuntimeChild.Input input, int count, byte[] values)
      throws OrtException {
    ByteBuffer direct =
        ByteBuffer.allocateDirect(values.length).order(ByteOrder.nativeOrder()).put(values).flip();
    long[] shape = new long[1 + input.dims().length];
    shape[0] = count;
    for (int i = 1; i < shape.length; i++) {
      shape[i] = input.dims()[i - 1];
    }
    return input.real()
        ? OnnxTensor.createTensor(environment, direct.asFloatBuffer(), shape)
        : OnnxTensor.createTensor(environment, direct.asIntBuffer(), shape);
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

  @Override
  public void close() {
    try {
      exposed.close();
      plain.close();
    } catch (OrtException e) {
      throw new IllegalStateException(e);
    }
  }
}
