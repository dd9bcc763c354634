package org.quantrain.testkit;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.quantrain.autodiff.TrainingGraph;
import org.quantrain.graph.Node;
import org.quantrain.graph.Value;
import org.quantrain.op.SoftmaxCrossEntropy;
import org.quantrain.pass.AddLoss;
import org.quantrain.plan.MemoryPlanner;
import org.quantrain.plan.Plan;
import org.quantrain.plan.PlanCompiler;
import org.quantrain.plan.PlanOptions;
import org.quantrain.runtime.ParameterStore;
import org.quantrain.tensor.HostTensor;

/** One compiled training step. */
public final class TrainedStep implements AutoCloseable {
  private final TrainingGraph training;
  private final ParameterStore store;
  private final Plan plan;

  private TrainedStep(
      TrainingGraph training, int batch, ParameterStore store, PlanOptions options) {
    this.training = training;
    this.store = store;
    plan = PlanCompiler.compile(training, batch, store.backend(), store, options);
  }

  /** With every computed value kept, for looking at all of it. */
  public static TrainedStep keepingAll(TrainingGraph training, int batch, ParameterStore store) {
    List<Value> all = new ArrayList<>();
    training.graph().nodes().forEach(n -> all.addAll(n.outputs()));
    return new TrainedStep(training, batch, store, PlanOptions.defaults().keep(all));
  }

  /** As the trainer compiles it: memory is used again. */
  public static TrainedStep of(
      TrainingGraph training, int batch, ParameterStore store, MemoryPlanner planner) {
    return new TrainedStep(training, batch, store, PlanOptions.defaults().with(planner));
  }

  /** Forward and backward; parameters stay, state moves. */
  public void run(HostTensor images, int... labels) {
    Value input = training.graph().inputs().get(0);
    plan.input(input).put(0, images.bytes());
    plan.input(AddLoss.LABELS).put(0, Tensors.vector(labels).bytes());
    plan.run();
  }

  public float loss() {
    return plan.readFloat(training.graph().outputs().get(1));
  }

  public HostTensor read(Value value) {
    return plan.read(value);
  }

  /** Every computed value that was kept, then state, parameters and gradients, by name. */
  public Map<String, HostTensor> everything() {
    Map<String, HostTensor> found = new LinkedHashMap<>();
    for (Node node : training.graph().nodes()) {
      node.outputs().stream()
          .filter(plan::isReadable)
          .forEach(v -> found.put(v.name(), plan.read(v)));
    }
    store.values().forEach(v -> found.put(v.name(), store.get(v.name())));
    store.params().forEach(v -> found.put("gradient of " + v.name(), store.gradient(v.name())));
    return found;
  }

  /** The nodes up to the loss. */
  public List<Node> forward() {
    List<Node> nodes = training.graph().nodes();
    for (int i = 0; i < nodes.size(); i++) {
      if (nodes.get(i).op() instanceof SoftmaxCrossEntropy) {
        return nodes.subList(0, i + 1);
      }
    }
    throw new IllegalStateException("no loss");
  }

  public Value logitsValue() {
    return training.graph().outputs().get(0);
  }

  public Value lossValue() {
    return training.graph().outputs().get(1);
  }

  /** Parameters and images as real numbers, in logical order. */
  public Map<Value, double[]> leaves() {
    Map<Value, double[]> leaves = new HashMap<>();
    Value input = training.graph().inputs().get(0);
    leaves.put(input, Tensors.logical(plan.read(input)));
    training.graph().params().forEach(v -> leaves.put(v, Tensors.logical(store.get(v.name()))));
    // Weights that are not trained: those in front of a batch norm that stands alone.
    training.graph().persistent().stream()
        .filter(v -> v.role() == Value.Role.STATE && v.spec().shape().rank() == 4)
        .forEach(v -> leaves.put(v, Tensors.logical(store.get(v.name()))));
    return leaves;
  }

  /** Gradients of the parameters that the loss depends on, in logical order. */
  public Map<Value, double[]> gradients() {
    Map<Value, double[]> found = new LinkedHashMap<>();
    training
        .gradients()
        .keySet()
        .forEach(v -> found.put(v, Tensors.logical(store.gradient(v.name()))));
    return found;
  }

  @Override
  public void close() {
    plan.close();
  }
}
