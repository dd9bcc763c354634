package org.quantrain;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.quantrain.autodiff.TrainingGraph;
import org.quantrain.graph.Model;
import org.quantrain.graph.Node;
import org.quantrain.graph.Value;
import org.quantrain.integer.CodesBatch;
import org.quantrain.integer.CodesTensor;
import org.quantrain.integer.IntegerInterpreter;
import org.quantrain.integer.IntegerModel;
import org.quantrain.integer.IntegerWeights;
import org.quantrain.onnx.QdqWriter;
import org.quantrain.op.ConvCodes;
import org.quantrain.op.FoldWeight;
import org.quantrain.op.LearnedGrid;
import org.quantrain.op.LinearCodes;
import org.quantrain.op.Lowering;
import org.quantrain.pass.Phase;
import org.quantrain.pass.Pipelines;
import org.quantrain.quant.QuantPolicy;
import org.quantrain.quant.Quantizer;
import org.quantrain.quant.Target;
import org.quantrain.runtime.ParameterStore;
import org.quantrain.runtime.Sgd;
import org.quantrain.runtime.StepScalars;
import org.quantrain.tensor.HostTensor;
import org.quantrain.tensor.Shape;
import org.quantrain.testkit.Calibrated;
import org.quantrain.testkit.EdgeValues;
import org.quantrain.testkit.TrainedStep;
import org.quantrain.zoo.Zoo;

/**
 * While statistics and ranges are frozen, every step of training computes the integers of the model
 * that would be exported at that step.
 */
class FrozenTrainingTest {
  private static final int STEPS = 20;
  private static final int BATCH = 8;
  private static final int SIDE = 12;
  private static final int CLASSES = 10;

  @TempDir Path folder;

  @ParameterizedTest(name = "{0} W{1}A{2}, {3} for {4}")
  @CsvSource({
    "lenet, 4, 4, lsq, ort",
    "resnet8, 8, 8, ema, ort",
    "mobilenetv2?width=0.25, 8, 8, ema, ort",
    "resnet8, 8, 8, ema, vitis",
  })
  void everyStepHasTheCodesOfTheModelExportedAtThatStep(
      String name, int weights, int activations, String quantizer, String target)
      throws IOException {
    QuantPolicy policy =
        QuantPolicy.forTarget(Target.of(target))
            .weights(weights)
            .activations(activations)
            .quantizer(Quantizer.of(quantizer));
    try (Quantrain quantrain = Quantrain.open()) {
      QuantizedNetwork network =
          quantrain.network(Zoo.build(name, 3, SIDE, SIDE, CLASSES, 1)).quantize(policy);
      network.restore(Calibrated.contents(network.model(), quantrain.backend(), images(0)));
      check(quantrain, network);
    }
  }

  private void check(Quantrain quantrain, QuantizedNetwork network) throws IOException {
    Model model = network.model();
    TrainingGraph training =
        Pipelines.training(model.graph(), Phase.TRAIN_FROZEN, Lowering.INTEGER, 0.1f);
    Map<String, HostTensor> contents = new HashMap<>(model.contents());
    int[] firstWeights = null;
    int[] lastWeights = null;
    try (ParameterStore store =
            new ParameterStore(quantrain.backend(), training.graph().persistent(), contents);
        TrainedStep step = TrainedStep.keepingAll(training, BATCH, store);
        Sgd sgd = new Sgd(store, new Sgd.Options(0.9f, 1e-4f, false))) {
      store.scalars().set(StepScalars.Slot.LEARNING_RATE, 0.02f);
      for (int b = 0; b < STEPS; b++) {
        contents.putAll(store.snapshot());
        network.restore(contents);
        HostTensor images = images(b);
        step.run(images, labels(b));
        IntegerModel exported = exported(network);
        assertSameWeights(exported, step, b);
        assertSameCodes(quantrain, exported, images, step, b);
        lastWeights = exported.weights().get(1).codes().codes();
        firstWeights = firstWeights == null ? lastWeights : firstWeights;
        sgd.step();
      }
    }
    assertNotEquals(
        Arrays.toString(firstWeights), Arrays.toString(lastWeights), "nothing was trained");
  }

  private IntegerModel exported(QuantizedNetwork network) throws IOException {
    Path file = folder.resolve("snapshot.onnx");
    network.export(file);
    return IntegerModel.read(file);
  }

  private static void assertSameWeights(IntegerModel exported, TrainedStep step, int number) {
    Map<String, HostTensor> trained = new LinkedHashMap<>();
    for (Node node : step.forward()) {
      if (node.op() instanceof ConvCodes || node.op() instanceof LinearCodes) {
        trained.put(QdqWriter.layerName(node), step.read(node.input(3)));
      }
    }
    assertEquals(trained.size(), exported.weights().size());
    for (IntegerWeights w : exported.weights()) {
      String where = w.name() + ", step " + number;
      assertNotNull(trained.get(w.layer()), where);
      assertArrayEquals(w.codes().codes(), trained.get(w.layer()).codes(), where);
    }
  }

  private static void assertSameCodes(
      Quantrain quantrain, IntegerModel exported, HostTensor images, TrainedStep step, int number) {
    Map<String, Value> trained = new LinkedHashMap<>();
    for (Node node : step.forward()) {
      Value value = node.output(0);
      // A LearnedGrid passes on the codes that it is given.
      boolean ofLayer = !(node.op() instanceof FoldWeight || node.op() instanceof LearnedGrid);
      if (value.spec().dtype().isCodes() && ofLayer) {
        trained.put(value.name(), value);
      }
    }
    try (IntegerInterpreter interpreter =
        new IntegerInterpreter(quantrain.backend(), exported, BATCH)) {
      CodesBatch expected = interpreter.run(images);
      assertEquals(trained.keySet(), expected.codes().keySet());
      for (CodesTensor t : exported.codes()) {
        assertArrayEquals(
            expected.codes().get(t.name()).codes(),
            step.read(trained.get(t.name())).codes(),
            t.name() + ", step " + number);
      }
      Value logits = step.logitsValue();
      assertArrayEquals(
          expected.logits().bytes(), step.read(logits).bytes(), "logits, step " + number);
    }
  }

  private static HostTensor images(int batch) {
    Shape shape = Shape.of(BATCH, 3, SIDE, SIDE);
    return HostTensor.of(shape, EdgeValues.ordinary((int) shape.elements(), 100 + batch));
  }

  private static int[] labels(int batch) {
    int[] labels = new int[BATCH];
    Arrays.setAll(labels, i -> (3 * i + batch) % CLASSES);
    return labels;
  }
}
