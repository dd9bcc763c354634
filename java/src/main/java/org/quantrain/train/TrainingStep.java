package org.quantrain.train;

import java.util.ArrayList;
import java.util.List;
import org.quantrain.graph.Value;
import org.quantrain.plan.Plan;
import org.quantrain.runtime.Backend;
import org.quantrain.runtime.Fetch;
import org.quantrain.runtime.GradientMean;
import org.quantrain.runtime.Kernel;

/**
 * A step with a training plan: forward, backward and, behind the last part of the batch, the update
 * of the parameters. What belongs to a part is one sequence.
 */
final class TrainingStep implements AutoCloseable {
  /** What a part gave. */
  record Result(float loss, int correct) {}

  private final Plan plan;
  private final Kernel[] parts;
  private final List<Kernel> sequences = new ArrayList<>();
  private final Fetch loss;
  private final Fetch correct;

  /**
   * @param plan with outputs (logits, loss, correct)
   * @param gradients null if a batch is run in one part
   * @param update what is done with the gradients of all parts
   */
  TrainingStep(
      Backend backend, Plan plan, GradientMean gradients, List<Kernel> update, int parts) {
    this.plan = plan;
    this.parts = new Kernel[parts];
    for (int part = 0; part < parts; part++) {
      boolean alike = part > 0 && part < parts - 1;
      this.parts[part] = alike ? this.parts[0] : sequence(backend, gradients, update, part);
    }
    List<Value> outputs = plan.graph().outputs();
    loss = plan.fetch(outputs.get(1));
    correct = plan.fetch(outputs.get(2));
  }

  private Kernel sequence(
      Backend backend, GradientMean gradients, List<Kernel> update, int part) {
    List<Kernel> kernels = new ArrayList<>();
    kernels.add(plan.kernel());
    if (gradients != null) {
      kernels.add(gradients.after(part));
    }
    if (part == parts.length - 1) {
      kernels.addAll(update);
    }
    Kernel sequence = backend.sequence(kernels);
    sequences.add(sequence);
    return sequence;
  }

  Plan plan() {
    return plan;
  }

  /** Runs a part on the input that the plan was given. */
  void run(int part) {
    plan.handOver();
    parts[part].run();
    loss.pull();
    correct.pull();
  }

  /** What the oldest part gave that was not taken yet. */
  Result take() {
    return new Result(loss.take().getFloat(0), correct.take().getInt(0));
  }

  @Override
  public void close() {
    loss.close();
    correct.close();
    sequences.forEach(Kernel::close);
  }
}
