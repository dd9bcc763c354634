package org.quantrain.runtime;

import java.util.ArrayList;
import java.util.List;
import java.util.function.Predicate;
import org.quantrain.graph.Value;

/**
 * Stochastic gradient descent with momentum over all parameters of a store in one launch: g +=
 * decay * p; v = momentum * v + g; p -= rate * (nesterov ? g + momentum * v : v). The learning rate
 * is {@link StepScalars.Slot#LEARNING_RATE} of the store.
 */
public final class Sgd implements AutoCloseable {
  /**
   * @param momentum in [0, 1)
   * @param weightDecay acts on parameters of rank 2 and more only: convolution and linear weights,
   *     not on biases and batch norm
   */
  public record Options(float momentum, float weightDecay, boolean nesterov) {
    public Options {
      if (!(momentum >= 0 && momentum < 1)) {
        throw new IllegalArgumentException("momentum: expected 0 <= momentum < 1, got " + momentum);
      }
      if (!(weightDecay >= 0 && weightDecay < Float.POSITIVE_INFINITY)) {
        throw new IllegalArgumentException("weight decay: expected at least 0, got " + weightDecay);
      }
    }
  }

  /**
   * What a backend makes the kernel from; param, gradient, velocity and learningRate are addresses.
   *
   * @param elements float32 elements of each of the three arenas
   * @param segmentEnd segment i ends before this element; ascending, the last is {@code elements}
   * @param segmentDecay weight decay of segment i
   */
  public record Launch(
      long param,
      long gradient,
      long velocity,
      long learningRate,
      long elements,
      List<Long> segmentEnd,
      List<Float> segmentDecay,
      Options options) {}

  private final Kernel kernel;

  public Sgd(ParameterStore store, Options options) {
    this(store, options, v -> false);
  }

  /**
   * @param decays further parameters that weight decay acts on
   */
  public Sgd(ParameterStore store, Options options, Predicate<Value> decays) {
    kernel = store.backend().prepare(launch(store, options, decays));
  }

  private static Launch launch(ParameterStore store, Options options, Predicate<Value> decays) {
    List<Long> ends = new ArrayList<>();
    List<Float> segments = new ArrayList<>();
    for (Value param : store.params()) {
      // Padding after an entry is zero and stays so, hence it may belong to either segment.
      long end = (store.offset(param) + param.spec().bytes()) / Float.BYTES;
      boolean decayed = param.spec().shape().rank() >= 2 || decays.test(param);
      float decay = decayed ? options.weightDecay() : 0;
      if (!segments.isEmpty() && segments.get(segments.size() - 1) == decay) {
        ends.set(ends.size() - 1, end);
      } else {
        ends.add(end);
        segments.add(decay);
      }
    }
    long elements = store.memory(Arena.PARAMS).bytes() / Float.BYTES;
    if (ends.isEmpty()) {
      ends.add(elements);
      segments.add(0f);
    }
    ends.set(ends.size() - 1, elements);
    return new Launch(
        store.memory(Arena.PARAMS).address(),
        store.memory(Arena.GRADS).address(),
        store.memory(Arena.OPTIMIZER).address(),
        store.scalars().address(StepScalars.Slot.LEARNING_RATE),
        elements,
        List.copyOf(ends),
        List.copyOf(segments),
        options);
  }

  /** Moves the parameters by the gradients that the last run of a training plan left. */
  public void step() {
    kernel.run();
  }

  /** {@link #step}, for a sequence with other kernels. */
  public Kernel kernel() {
    return kernel;
  }

  @Override
  public void close() {
    kernel.close();
  }
}
