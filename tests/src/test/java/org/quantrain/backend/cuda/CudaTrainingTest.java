package org.quantrain.backend.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.quantrain.backend.cpu.CpuBackend;
import org.quantrain.data.DataSource;
import org.quantrain.data.Datasets;
import org.quantrain.graph.Model;
import org.quantrain.pass.Phase;
import org.quantrain.pass.Pipelines;
import org.quantrain.quant.QuantPolicy;
import org.quantrain.quant.Target;
import org.quantrain.runtime.Backend;
import org.quantrain.train.Listener;
import org.quantrain.train.Recipe;
import org.quantrain.train.Stage;
import org.quantrain.train.Trainer;
import org.quantrain.zoo.Zoo;

/** Training on a device whose results come a step later. */
class CudaTrainingTest {
  /** The losses of all steps, in order. */
  private static List<Double> losses(Backend backend, Model model, Recipe recipe)
      throws IOException {
    DataSource images = Datasets.load("digits?limit=48").train();
    List<Double> losses = new ArrayList<>();
    Listener listener =
        new Listener() {
          @Override
          public void step(Stage stage, Phase phase, int at, int step, double loss, double rate) {
            assertEquals(losses.size() % 5 + 1, step);
            losses.add(loss);
          }
        };
    try (Trainer trainer = new Trainer(backend, Stage.QAT, model, images, recipe, listener, 1)) {
      trainer.run(null);
    }
    return losses;
  }

  @Test
  void everyStepsLossIsThatOfTheCpuAlsoInParts() throws IOException {
    Model model =
        Pipelines.quantize(
            Zoo.build("lenet", 1, 8, 8, 10, 3), QuantPolicy.forTarget(Target.ORT));
    for (int parts : new int[] {1, 2}) {
      Recipe recipe = Recipe.defaults().epochs(0, 2).batch(8).accumulate(parts);
      List<Double> expected;
      try (Backend cpu = CpuBackend.open(1)) {
        expected = losses(cpu, model, recipe);
      }
      List<Double> actual;
      try (Backend cuda = EmulatedDevice.unrecorded()) {
        actual = losses(cuda, model, recipe);
      }
      assertEquals(10, expected.size());
      assertEquals(expected.size(), actual.size());
      for (int i = 0; i < expected.size(); i++) {
        // Gradients are summed in another order, and steps amplify it.
        assertEquals(expected.get(i), actual.get(i), 1e-3 * (i + 1), "step " + i);
      }
      assertTrue(!expected.get(0).equals(expected.get(9)));
    }
  }
}
