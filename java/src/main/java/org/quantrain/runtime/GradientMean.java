package org.quantrain.runtime;

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
  private int added;

  /**
   * @param parts runs of a step, at least 2
   */
  public GradientMean(ParameterStore store, int parts) {
    this.parts = parts;
    Memory gradients = store.memory(Arena.GRADS);
    sum = store.backend().allocate(gradients.bytes());
    long elements = gradients.bytes() / Float.BYTES;
    long to = sum.address();
    long from = gradients.address();
    add = store.backend().prepare(new Launch(from, to, elements, parts, false));
    finish = store.backend().prepare(new Launch(from, to, elements, parts, true));
  }

  /** Takes what a run left; after the last part of a step the store has the mean. */
  public void add() {
    added++;
    if (added < parts) {
      add.run();
      return;
    }
    finish.run();
    sum.fillZero(0, sum.bytes());
    added = 0;
  }

  @Override
  public void close() {
    add.close();
    finish.close();
    sum.close();
  }
}
