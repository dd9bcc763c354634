package org.quantrain.bench;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.quantrain.autodiff.TrainingGraph;
import org.quantrain.graph.Model;
import org.quantrain.graph.Node;
import org.quantrain.graph.Value;
import org.quantrain.pass.AddLoss;
import org.quantrain.pass.Pipelines;
import org.quantrain.plan.Plan;
import org.quantrain.plan.PlanCompiler;
import org.quantrain.plan.PlanOptions;
import org.quantrain.runtime.Backend;
import org.quantrain.runtime.ParameterStore;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.HostTensor;

/**
 * One quantized training step on two backends. Up to the loss, codes, accumulators, bit masks and
 * zero-points are equal to the bit (V1). From there on are sums of floats, whose order is each
 * backend's own.
 *
 * @param compared integers up to the loss
 * @param differing of those
 * @param differences as in "conv1.acc: 3 of 512, first [7]: 12 and 13", for each value
 * @param distances of each float value and gradient
 */
public record StepComparison(
    long compared, long differing, List<String> differences, List<Distance> distances) {
  /**
   * Of a float tensor from the reference's.
   *
   * @param largest magnitude in the reference
   * @param distance the largest between two elements; NaN if there is a NaN
   */
  public record Distance(String value, double largest, double distance) {
    /** Sums below this are what terms up to 1 leave when they cancel. */
    private static final double CANCELLED = 5e-4;

    /** Over the largest magnitude, and where sums cancel over those. */
    public double relative() {
      return distance / Math.max(largest, CANCELLED);
    }
  }

  /** The largest relative distance; NaN if there is a NaN. */
  public double furthest() {
    return distances.stream().mapToDouble(Distance::relative).reduce(0, Math::max);
  }

  /**
   * @param network with quantizers, as {@link StepKind#of} makes it
   * @param kind with gradients in float32
   * @param batch images of noise
   */
  public static StepComparison of(
      Backend reference, Backend device, Model network, StepKind kind, int batch) {
    TrainingGraph training =
        Pipelines.training(network.graph(), kind.phase(), kind.lowering(), kind.compute(), 0);
    Map<String, HostTensor> expected = everything(reference, training, network, batch);
    Map<String, HostTensor> actual = everything(device, training, network, batch);
    Set<String> sums = behindTheLoss(training);
    long compared = 0;
    long differing = 0;
    List<String> differences = new ArrayList<>();
    List<Distance> distances = new ArrayList<>();
    for (Map.Entry<String, HostTensor> entry : expected.entrySet()) {
      String name = entry.getKey();
      HostTensor here = entry.getValue();
      HostTensor there = actual.get(name);
      if (here.spec().dtype() == DType.F32) {
        distances.add(distance(name, here.floats(), there.floats()));
      } else if (!sums.contains(name)) {
        compared += here.shape().elements();
        differing += differing(name, here, there, differences);
      }
    }
    return new StepComparison(compared, differing, differences, distances);
  }

  /** Values that are computed by the loss and behind it. */
  private static Set<String> behindTheLoss(TrainingGraph training) {
    Value loss = training.graph().outputs().get(1);
    Set<String> found = new TreeSet<>();
    boolean reached = false;
    for (Node node : training.graph().nodes()) {
      reached |= node.outputs().contains(loss);
      if (reached) {
        node.outputs().forEach(v -> found.add(v.name()));
      }
    }
    return found;
  }

  /** What a step computes, then parameters, state and gradients as it leaves them, by name. */
  private static Map<String, HostTensor> everything(
      Backend backend, TrainingGraph training, Model network, int batch) {
    List<Value> computed = new ArrayList<>();
    training.graph().nodes().forEach(n -> computed.addAll(n.outputs()));
    PlanOptions options = PlanOptions.defaults().keep(computed);
    Map<String, HostTensor> found = new LinkedHashMap<>();
    try (ParameterStore store =
            new ParameterStore(backend, training.graph().persistent(), network.contents());
        Plan plan = PlanCompiler.compile(training, batch, backend, store, options)) {
      plan.input(plan.graph().inputs().get(0))
          .put(0, RepeatedStep.images(network, batch).bytes());
      ByteBuffer labels = plan.input(AddLoss.LABELS);
      for (int i = 0; i < batch; i++) {
        labels.putInt(Integer.BYTES * i, i % RepeatedStep.classes(plan));
      }
      plan.run();
      computed.stream()
          .filter(plan::isReadable)
          .forEach(v -> found.put(v.name(), plan.read(v)));
      found.putAll(store.snapshot());
      store.params().forEach(v -> found.put("gradient of " + v.name(), store.gradient(v.name())));
    }
    return found;
  }

  private static long differing(
      String name, HostTensor expected, HostTensor actual, List<String> differences) {
    long[] a = integers(expected);
    long[] b = integers(actual);
    int count = 0;
    int first = 0;
    for (int i = a.length - 1; i >= 0; i--) {
      if (a[i] != b[i]) {
        count++;
        first = i;
      }
    }
    if (count > 0) {
      differences.add(
          "%s: %d of %d, first [%d]: %d and %d"
              .formatted(name, count, a.length, first, a[first], b[first]));
    }
    return count;
  }

  /** Of a mask 8 at a time. */
  private static long[] integers(HostTensor tensor) {
    ByteBuffer from = tensor.buffer();
    int size = Math.max(1, (int) tensor.spec().dtype().bytes(1));
    long[] values = new long[from.remaining() / size];
    for (int i = 0; i < values.length; i++) {
      values[i] =
          switch (tensor.spec().dtype()) {
            case S64 -> from.getLong();
            case S32 -> from.getInt();
            case S8 -> from.get();
            case U8, MASK -> from.get() & 0xff;
            default -> throw new IllegalArgumentException(tensor.spec() + " are no integers");
          };
    }
    return values;
  }

  private static Distance distance(String name, float[] expected, float[] actual) {
    double largest = 0;
    double distance = 0;
    for (int i = 0; i < expected.length; i++) {
      largest = Math.max(largest, Math.abs(expected[i]));
      distance = Math.max(distance, Math.abs((double) expected[i] - actual[i]));
    }
    return new Distance(name, largest, distance);
  }
}
