package org.quantrain.onnx;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.quantrain.backend.cpu.CpuBackend;
import org.quantrain.graph.Graph;
import org.quantrain.graph.Model;
import org.quantrain.graph.Value;
import org.quantrain.onnx.PlainJavaFloats.Array;
import org.quantrain.op.BatchNorm;
import org.quantrain.pass.SetBatchNormMode;
import org.quantrain.plan.Plan;
import org.quantrain.plan.PlanCompiler;
import org.quantrain.plan.PlanOptions;
import org.quantrain.runtime.Backend;
import org.quantrain.runtime.ParameterStore;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.HostTensor;

/** The CPU backend computes imported networks as ONNX Runtime computes their files. */
class ImportedOnCpuTest {
  static List<String> names() throws Exception {
    return ForeignModelsTest.names();
  }

  @ParameterizedTest
  @MethodSource("names")
  void outputsAreThoseOfOnnxRuntime(String name) throws Exception {
    Path file = ForeignModelsTest.FOLDER.resolve(name);
    Model model = OnnxReader.read(file);
    int fixed = OnnxFile.read(file).graphInputs().get(0).dims().get(0).intValue();
    int batch = fixed < 0 ? 3 : fixed;
    List<Array> inputs = new ArrayList<>();
    Random random = new Random(1);
    for (Value v : model.graph().inputs()) {
      inputs.add(ForeignModelsTest.input(v, batch, random));
    }
    boolean training = name.contains("training");
    BatchNorm.Mode mode = training ? BatchNorm.Mode.TRAIN : BatchNorm.Mode.FROZEN;
    Graph graph = SetBatchNormMode.apply(model.graph(), mode);
    double[] actual;
    try (Backend backend = CpuBackend.open();
        ParameterStore store = new ParameterStore(backend, graph.persistent(), model.contents());
        Plan plan = PlanCompiler.compile(graph, batch, backend, store, PlanOptions.defaults())) {
      for (int i = 0; i < inputs.size(); i++) {
        Value v = graph.inputs().get(i);
        byte[] bytes = memory(v, batch, inputs.get(i));
        plan.input(v).put(0, bytes, 0, bytes.length);
      }
      plan.run();
      actual = PlainJavaFloats.logical(plan.read(graph.outputs().get(0))).values();
    }
    double[] expected = FloatRuntime.run(Files.readAllBytes(file), model.graph().inputs(), inputs);
    FloatRuntime.assertClose(name, expected, actual);
  }

  private static byte[] memory(Value v, int batch, Array x) {
    ByteBuffer file = ByteBuffer.allocate(4 * x.values().length).order(ByteOrder.LITTLE_ENDIAN);
    for (double d : x.values()) {
      if (v.spec().dtype() == DType.F32) {
        file.putFloat((float) d);
      } else {
        file.putInt((int) d);
      }
    }
    HostTensor t = MemoryOrder.fromOnnx(v.spec().withBatch(batch), file.array());
    return t.bytes();
  }
}
