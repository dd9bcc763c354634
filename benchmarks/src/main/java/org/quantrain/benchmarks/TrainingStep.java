package org.quantrain.benchmarks;

import java.util.Random;
import org.quantrain.autodiff.TrainingGraph;
import org.quantrain.graph.Model;
import org.quantrain.op.Lowering;
import org.quantrain.pass.AddLoss;
import org.quantrain.pass.Phase;
import org.quantrain.pass.Pipelines;
import org.quantrain.plan.Plan;
import org.quantrain.plan.PlanCompiler;
import org.quantrain.plan.PlanOptions;
import org.quantrain.quant.LearnedValues;
import org.quantrain.quant.QuantPolicy;
import org.quantrain.runtime.Backend;
import org.quantrain.runtime.ParameterStore;
import org.quantrain.runtime.Sgd;
import org.quantrain.runtime.StepScalars;
import org.quantrain.tensor.HostTensor;
import org.quantrain.tensor.Shape;
import org.quantrain.testkit.Calibrated;
import org.quantrain.testkit.EdgeValues;

/** Our training step on one batch that lies in memory: forward, backward, update. */
final class TrainingStep implements AutoCloseable {
  private static final float RATE = 0.01f;

  private final ParameterStore store;
  private final Plan plan;
  private final Sgd optimizer;

  private TrainingStep(
      Backend backend,
      Model model,
      Phase phase,
      Lowering lowering,
      HostTensor images,
      int classes) {
    TrainingGraph training = Pipelines.training(model.graph(), phase, lowering, 0);
    int batch = images.shape().dim(0);
    store = new ParameterStore(backend, training.graph().persistent(), model.contents());
    plan = PlanCompiler.compile(training, batch, backend, store, PlanOptions.defaults());
    optimizer =
        new Sgd(
            store,
            new Sgd.Options(0.9f, 1e-4f, false),
            v -> LearnedValues.decays(model.graph(), v.name()));
    store.scalars().set(StepScalars.Slot.LEARNING_RATE, RATE);
    plan.input(plan.graph().inputs().get(0)).put(0, images.bytes());
    Random random = new Random(1);
    for (int i = 0; i < batch; i++) {
      plan.input(AddLoss.LABELS).putInt(4 * i, random.nextInt(classes));
    }
  }

  /** Of the float network. */
  static TrainingStep floats(Backend backend, Model model, int batch, int classes) {
    HostTensor images = images(model, batch);
    return new TrainingStep(backend, model, Phase.FLOAT_TRAIN, Lowering.INTEGER, images, classes);
  }

  /** The network with quantizers, whose ranges one batch of images has set. */
  static Model calibrated(Backend backend, Model model, QuantPolicy policy, int batch) {
    Model quantized = Pipelines.quantize(model, policy);
    return new Model(
        quantized.name(),
        quantized.graph(),
        Calibrated.contents(quantized, backend, images(model, batch)));
  }

  /** Of a calibrated network, with batch statistics and moving ranges. */
  static TrainingStep quantized(
      Backend backend, Model calibrated, Lowering lowering, int batch, int classes) {
    HostTensor images = images(calibrated, batch);
    return new TrainingStep(backend, calibrated, Phase.TRAIN, lowering, images, classes);
  }

  private static HostTensor images(Model model, int batch) {
    Shape shape = model.graph().inputs().get(0).spec().shape().withBatch(batch);
    return HostTensor.of(shape, EdgeValues.ordinary((int) shape.elements(), 1));
  }

  void run() {
    plan.run();
    optimizer.step();
  }

  Plan plan() {
    return plan;
  }

  /** Of the last step. */
  float loss() {
    return plan.readFloat(plan.graph().outputs().get(1));
  }

  @Override
  public void close() {
    optimizer.close();
    plan.close();
    store.close();
  }
}
