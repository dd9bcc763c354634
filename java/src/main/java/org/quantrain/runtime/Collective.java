package org.quantrain.runtime;

import org.quantrain.op.AllReduce;
import org.quantrain.tensor.DType;

/**
 * The processes that train together. Each calls the same methods, and runs the same reductions, in
 * the same order. A reduction is a kernel among those of its backend: it sees what those before it
 * left, those after it see what it left, and where kernels are enqueued it is, too.
 *
 * <p>Belongs to the backend that made it, and to that one's thread.
 */
public interface Collective extends AutoCloseable {
  /** One process by itself; every reduction leaves what there is. */
  Collective ALONE = new Alone();

  /** Number of this process, from 0. */
  int rank();

  /** Number of processes. */
  int size();

  /**
   * Makes a kernel that replaces elements in memory by their reduction over all processes, the same
   * bits in each, and in the next run. Integers are exact; of floats a NaN of any process is the
   * result. Its run throws a {@link CollectiveException} if another process is gone or does not
   * come.
   *
   * @param address of memory of the backend
   * @param elements of {@link AllReduce.Kind#SUM_PAIRS}: pairs
   */
  Kernel reducing(long address, long elements, DType type, AllReduce.Kind kind);

  /**
   * Makes kernels that replace float32 elements by their mean over all processes as {@link
   * #reducing} would, beside what runs between them. Such reductions are done in the order in which
   * they begin, which is the same in all processes; other reductions may be done meanwhile.
   *
   * @param address of memory of the backend
   */
  OverlappedReduction overlappingMean(long address, long elements);

  /**
   * Replaces numbers of the host by their sums over all processes, the same bits in each. All have
   * come here before any goes on.
   *
   * @throws CollectiveException as the run of a reduction
   */
  void sum(double[] values);

  /**
   * To be called when the backend has waited for what was enqueued, which may have ended because
   * another process is gone.
   *
   * @throws CollectiveException if it did
   */
  default void requireAll() {}

  @Override
  void close();
}
