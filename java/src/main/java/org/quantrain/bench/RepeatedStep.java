package org.quantrain.bench;

import java.nio.ByteBuffer;
import java.util.List;
import java.util.SplittableRandom;
import org.quantrain.autodiff.TrainingGraph;
import org.quantrain.graph.Model;
import org.quantrain.pass.AddLoss;
import org.quantrain.pass.Pipelines;
import org.quantrain.plan.Plan;
import org.quantrain.plan.PlanCompiler;
import org.quantrain.plan.PlanOptions;
import org.quantrain.quant.LearnedValues;
import org.quantrain.runtime.Arena;
import org.quantrain.runtime.Backend;
import org.quantrain.runtime.Kernel;
import org.quantrain.runtime.ParameterStore;
import org.quantrain.runtime.Sgd;
import org.quantrain.runtime.StepScalars;
import org.quantrain.tensor.HostTensor;
import org.quantrain.tensor.Shape;

/**
 * A training step, again and again on one batch that lies in the device's memory: forward, backward
 * and update, as one sequence of kernels.
 */
public final class RepeatedStep implements AutoCloseable {
  private static final float RATE = 0.01f;

  private final Backend backend;
  private final ParameterStore store;
  private final Plan plan;
  private final Sgd optimizer;
  private final Kernel step;

  /**
   * @param network as {@link StepKind#of} makes it
   */
  public RepeatedStep(Backend backend, Model network, StepKind kind, int batch) {
    this.backend = backend;
    TrainingGraph training =
        Pipelines.training(network.graph(), kind.phase(), kind.lowering(), kind.compute(), 0);
    store = new ParameterStore(backend, training.graph().persistent(), network.contents());
    try {
      plan = PlanCompiler.compile(training, batch, backend, store, PlanOptions.defaults());
    } catch (RuntimeException e) {
      store.close();
      throw e;
    }
    optimizer =
        new Sgd(
            store,
            new Sgd.Options(0.9f, 1e-4f, false),
            v -> LearnedValues.decays(network.graph(), v.name()));
    step = backend.sequence(List.of(plan.kernel(), optimizer.kernel()));
    store.scalars().set(StepScalars.Slot.LEARNING_RATE, RATE);
    plan.input(plan.graph().inputs().get(0)).put(0, images(network, batch).bytes());
    ByteBuffer labels = plan.input(AddLoss.LABELS);
    SplittableRandom random = new SplittableRandom(1);
    for (int i = 0; i < batch; i++) {
      labels.putInt(Integer.BYTES * i, random.nextInt(classes(plan)));
    }
  }

  /** Noise that the network takes: standard normal, the same every time. */
  public static HostTensor images(Model network, int batch) {
    Shape shape = network.graph().inputs().get(0).spec().shape().withBatch(batch);
    float[] pixels = new float[Math.toIntExact(shape.elements())];
    SplittableRandom random = new SplittableRandom(1);
    for (int i = 0; i < pixels.length; i++) {
      pixels[i] = (float) random.nextGaussian();
    }
    return HostTensor.of(shape, pixels);
  }

  /** Of a classifier that is trained. */
  static int classes(Plan plan) {
    return plan.graph().outputs().get(0).spec().shape().dim(1);
  }

  /** Begins a step; a device may still run it. */
  public void run() {
    plan.handOver();
    step.run();
  }

  public Plan plan() {
    return plan;
  }

  /** Of the last step. */
  public float loss() {
    return plan.readFloat(plan.graph().outputs().get(1));
  }

  /**
   * Bytes that are allocated for it: parameters, gradients, optimizer, state, values, workspace and,
   * where the host does not share them, two copies of the inputs.
   */
  public long allocatedBytes() {
    long bytes = plan.memory().acts() + plan.memory().workspace();
    for (Arena arena : List.of(Arena.PARAMS, Arena.GRADS, Arena.OPTIMIZER, Arena.STATE)) {
      bytes += store.memory(arena).bytes();
    }
    if (backend.stepsAhead() > 0) {
      bytes += plan.memory().transfer();
    }
    return bytes;
  }

  @Override
  public void close() {
    step.close();
    optimizer.close();
    plan.close();
    store.close();
  }
}
