package org.quantrain.integer;

import java.io.IOException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.IntPointer;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.tensorflowlite.BuiltinOpResolver;
import org.bytedeco.tensorflowlite.BuiltinOpResolverWithoutDefaultDelegates;
import org.bytedeco.tensorflowlite.FlatBufferModel;
import org.bytedeco.tensorflowlite.FlatBufferModelBase;
import org.bytedeco.tensorflowlite.Interpreter;
import org.bytedeco.tensorflowlite.InterpreterBuilder;
import org.bytedeco.tensorflowlite.TfLiteTensor;
import org.bytedeco.tensorflowlite.global.tensorflowlite;
import org.quantrain.tflite.TfliteFile;

/** TensorFlow Lite in a process of its own, see {@link RuntimeChild}. */
public final class TfliteChild implements RuntimeChild.Session {
  private static final int OK = 0;

  private final RuntimeChild.Request request;
  private final TfliteFile file;
  private final BytePointer bytes;
  private final FlatBufferModel model;
  private final BuiltinOpResolver resolver;
  private final int input;
  private final List<Integer> codes = new ArrayList<>();
  private Batch plain;
  private Batch exposed;

  /** An interpreter for a number of images; its memory is fixed. */
  private record Batch(int count, Interpreter interpreter) {}

  private TfliteChild(RuntimeChild.Request request) throws IOException {
    this.request = request;
    file = TfliteFile.parse("the model", request.model());
    input = file.inputs().get(0);
    Map<String, Integer> byName = new HashMap<>();
    file.tensors().forEach(t -> byName.putIfAbsent(t.name(), t.index()));
    for (String name : request.codes()) {
      codes.add(byName.get(name));
    }
    bytes = new BytePointer(request.model());
    model = FlatBufferModelBase.VerifyAndBuildFromBuffer(bytes, request.model().length);
    if (model == null || model.isNull()) {
      throw new IllegalStateException("the file is refused");
    }
    resolver =
        request.delegates()
            ? new BuiltinOpResolver()
            : new BuiltinOpResolverWithoutDefaultDelegates();
    plain = new Batch(1, interpreter(1, false));
    exposed = new Batch(1, interpreter(1, true));
  }

  /** Serves one verification, then ends. */
  public static void main(String[] args) throws IOException {
    RuntimeChild.serve(TfliteChild::new);
  }

  private Interpreter interpreter(int count, boolean expose) {
    Interpreter interpreter = new Interpreter((Pointer) null);
    try (InterpreterBuilder builder = new InterpreterBuilder(model, resolver)) {
      require(builder.apply(interpreter, request.threads()), "build an interpreter");
    }
    if (expose) {
      Set<Integer> outputs = new HashSet<>(codes);
      outputs.remove(input);
      outputs.add(file.outputs().get(0));
      require(
          interpreter.SetOutputs(outputs.stream().mapToInt(i -> i).toArray()), "expose its codes");
    }
    int[] image = request.inputs().get(0).dims();
    int[] shape = {count, image[1], image[2], image[0]};
    require(interpreter.ResizeInputTensor(input, shape), "take " + count + " images");
    require(interpreter.AllocateTensors(), "prepare its operators");
    return interpreter;
  }

  private static void require(int status, String what) {
    if (status != OK) {
      throw new IllegalStateException("it cannot " + what + " (status " + status + ")");
    }
  }

  @Override
  public String version() {
    return tensorflowlite.TfLiteVersion().getString();
  }

  @Override
  public String optimization() {
    return request.delegates() ? "default delegate" : "no delegates";
  }

  @Override
  public List<ChildProtocol.OptimizedNode> plain() {
    return nodes(plain.interpreter());
  }

  @Override
  public List<ChildProtocol.OptimizedNode> exposed() {
    return nodes(exposed.interpreter());
  }

  /** The file's operators, each with who executes it as its domain. */
  private List<ChildProtocol.OptimizedNode> nodes(Interpreter interpreter) {
    Set<Integer> own = new HashSet<>();
    IntPointer plan = interpreter.execution_plan();
    for (long i = 0; i < plan.limit(); i++) {
      own.add(plan.get(i));
    }
    List<ChildProtocol.OptimizedNode> nodes = new ArrayList<>();
    for (TfliteFile.OperatorInfo operator : file.operators()) {
      String by = own.contains(operator.index()) ? "built-in" : "XNNPACK";
      String name = file.tensors().get(operator.outputs().get(0)).name();
      nodes.add(new ChildProtocol.OptimizedNode(by, operator.kind(), name));
    }
    return nodes;
  }

  @Override
  public List<byte[]> run(int count, List<byte[]> inputs) {
    byte[] pixels = inputs.get(0);
    exposed = batch(exposed, count, true);
    plain = batch(plain, count, false);
    int output = file.outputs().get(0);
    List<byte[]> answers = new ArrayList<>();
    invoke(exposed.interpreter(), pixels);
    for (int tensor : codes) {
      answers.add(read(exposed.interpreter(), tensor));
    }
    answers.add(read(exposed.interpreter(), output));
    invoke(plain.interpreter(), pixels);
    answers.add(read(plain.interpreter(), output));
    return answers;
  }

  private Batch batch(Batch current, int count, boolean expose) {
    if (current.count() == count) {
      return current;
    }
    current.interpreter().close();
    return new Batch(count, interpreter(count, expose));
  }

  private void invoke(Interpreter interpreter, byte[] pixels) {
    TfLiteTensor x = interpreter.tensor(input);
    if (x.bytes() != pixels.length) {
      throw new IllegalStateException(
          "its input has " + x.bytes() + " bytes, the images have " + pixels.length);
    }
    data(x).put(pixels);
    require(interpreter.Invoke(), "run");
  }

  private static byte[] read(Interpreter interpreter, int tensor) {
    TfLiteTensor t = interpreter.tensor(tensor);
    byte[] values = new byte[Math.toIntExact(t.bytes())];
    data(t).get(values);
    return values;
  }

  private static BytePointer data(TfLiteTensor t) {
    BytePointer data = t.data().raw();
    if (data == null) {
      throw new IllegalStateException("tensor \"" + t.name().getString() + "\" is not computed");
    }
    return data.capacity(t.bytes());
  }

  @Override
  public void close() {
    exposed.interpreter().close();
    plain.interpreter().close();
    resolver.close();
    model.close();
    bytes.close();
  }
}
