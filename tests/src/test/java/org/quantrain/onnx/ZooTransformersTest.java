package org.quantrain.onnx;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.quantrain.backend.cpu.CpuBackend;
import org.quantrain.graph.Model;
import org.quantrain.graph.Node;
import org.quantrain.graph.Value;
import org.quantrain.onnx.PlainJavaFloats.Array;
import org.quantrain.plan.Plan;
import org.quantrain.plan.PlanCompiler;
import org.quantrain.plan.PlanOptions;
import org.quantrain.runtime.Backend;
import org.quantrain.runtime.ParameterStore;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.HostTensor;
import org.quantrain.tensor.Shape;
import org.quantrain.zoo.Zoo;

/** The transformers of the zoo as float files: what they are read back as, what they compute. */
class ZooTransformersTest {
  private static final int BATCH = 3;

  static Stream<Model> models() {
    return Stream.of(
        Zoo.build("vit-tiny?patch=2&dim=12&depth=1", 1, 8, 8, 10, 1),
        Zoo.buildText("bert-tiny?dim=16", 10, 30, 4, 1),
        Zoo.buildText("gpt-tiny?dim=16", 10, 30, 0, 1));
  }

  @ParameterizedTest
  @MethodSource("models")
  void theFloatFileIsReadBackAsTheSameOperations(Model model) throws Exception {
    Model read = OnnxReader.read("network", OnnxWriter.toBytes(model, Map.of()));
    assertEquals(operations(model), operations(read));
  }

  private static List<String> operations(Model model) {
    return model.graph().nodes().stream().map(Node::op).map(Object::toString).toList();
  }

  @ParameterizedTest
  @MethodSource("models")
  void onnxRuntimeComputesTheSame(Model model) throws Exception {
    List<HostTensor> inputs = new ArrayList<>();
    List<Array> arrays = new ArrayList<>();
    Random random = new Random(1);
    for (Value v : model.graph().inputs()) {
      Shape shape = v.spec().shape().withBatch(BATCH);
      boolean real = v.spec().dtype() == DType.F32;
      int n = (int) shape.elements();
      double[] values = new double[n];
      for (int i = 0; i < n; i++) {
        values[i] = real ? (float) random.nextGaussian() : random.nextInt(2);
      }
      // One channel: the order in memory is the logical one.
      arrays.add(new Array(shape.dims(), values));
      float[] reals = new float[n];
      int[] integers = new int[n];
      for (int i = 0; i < n; i++) {
        reals[i] = (float) values[i];
        integers[i] = (int) values[i];
      }
      inputs.add(real ? HostTensor.of(shape, reals) : HostTensor.of(shape, integers));
    }
    double[] actual;
    try (Backend backend = CpuBackend.open();
        ParameterStore store =
            new ParameterStore(backend, model.graph().persistent(), model.contents());
        Plan plan =
            PlanCompiler.compile(
                model.graph(), BATCH, backend, store, PlanOptions.defaults())) {
      for (int i = 0; i < inputs.size(); i++) {
        plan.input(model.graph().inputs().get(i)).put(0, inputs.get(i).bytes());
      }
      plan.run();
      actual = PlainJavaFloats.logical(plan.read(model.graph().outputs().get(0))).values();
    }
    byte[] file = OnnxWriter.toBytes(model, Map.of());
    double[] expected = FloatRuntime.run(file, model.graph().inputs(), arrays, true);
    FloatRuntime.assertClose(model.name(), expected, actual);
  }
}
