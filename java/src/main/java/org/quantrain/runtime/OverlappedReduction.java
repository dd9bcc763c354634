package org.quantrain.runtime;

/**
 * A reduction over all processes beside which other kernels run.
 *
 * @param begin hands over the elements as the kernels before it left them; until {@code await} they
 *     are read and written by the reduction alone
 * @param await those behind it find the elements reduced
 */
public record OverlappedReduction(Kernel begin, Kernel await) implements AutoCloseable {
  /** Where it was begun, it has ended afterwards: the elements may be freed. */
  @Override
  public void close() {
    begin.close();
    await.close();
  }
}
