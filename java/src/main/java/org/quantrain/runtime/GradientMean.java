package org.quantrain.runtime;

import java.util.List;

/**
 * The mean of the gradients that several runs of a training plan leave, one behind the other: a
 * step of a large batch in the memory of a small one. Batch norm sees each part by itself.
 */
public final class GradientMean implements AutoCloseable {
  /**
   * What a backend makes the kernel of a part from; gradient and sum are addresses.
   *
   * @param elements float32 elements of both
   * @param parts whose mean is taken
   * @param last gradient = (sum + gradient) / parts; of the others, sum += gradient
   */
  public record Launch(long gradient, long sum, long elements, int parts, boolean last) {}

  private final int parts;
  private final Memory sum;
  private final Kernel add;
  private final Kernel finish;
  private final Kernel last;

  /**
   * @param parts runs of a step, at least 2
   */
  public GradientMean(ParameterStore store, int parts) {
    this.parts = parts;
    Backend backend = store.backend();
    Memory gradients = store.memory(Arena.GRADS);
    sum = backend.allocate(gradients.bytes());
    long elements = gradients.bytes() / Float.BYTES;
    long to = sum.address();
    long from = gradients.address();
    add = backend.prepare(new Launch(from, to, elements, parts, false));
    finish = backend.prepare(new Launch(from, to, elements, parts, true));
    last = backend.sequence(List.of(finish, sum.zeroing(0, sum.bytes())));
  }

  /** What takes the gradients that a run left; after the last part the store has the mean. */
  public Kernel after(int part) {
    return part == parts - 1 ? last : add;
  }

  @Override
  public void close() {
    last.close();
    add.close();
    finish.close();
    sum.close();
  }
}
