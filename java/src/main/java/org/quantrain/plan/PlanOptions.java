package org.quantrain.plan;

import java.util.Collection;
import java.util.HashSet;
import java.util.Set;
import org.quantrain.graph.Value;

/**
 * @param keep values that can be read after a run, besides the graph's outputs
 * @param planner places the values in memory
 * @param frozen the store's contents do not change as long as the plan is used: what follows from
 *     them alone is computed once, when the plan is compiled, and not in every run
 * @param bucketBytes 0: gradients are those of this process; else see {@link #meanGradients}
 */
public record PlanOptions(
    Set<Value> keep, MemoryPlanner planner, boolean frozen, long bucketBytes) {
  /**
   * Where buckets end by default: long enough for the bytes to take longer than the wait for the
   * others, short enough for a small network to have several.
   */
  public static final long BUCKET_BYTES = 1 << 18;

  public PlanOptions {
    keep = Set.copyOf(keep);
    if (bucketBytes < 0) {
      throw new IllegalArgumentException(
          "bucket bytes: expected at least 0, got " + bucketBytes);
    }
  }

  /** Nothing kept, greedy planner, parameters and state that change. */
  public static PlanOptions defaults() {
    return new PlanOptions(Set.of(), MemoryPlanner.greedy(), false, 0);
  }

  /** These options with more values kept. */
  public PlanOptions keep(Collection<Value> more) {
    Set<Value> all = new HashSet<>(keep);
    all.addAll(more);
    return new PlanOptions(all, planner, frozen, bucketBytes);
  }

  public PlanOptions with(MemoryPlanner other) {
    return new PlanOptions(keep, other, frozen, bucketBytes);
  }

  /** For a store whose contents are final. */
  public PlanOptions asFrozen() {
    return new PlanOptions(keep, planner, true, bucketBytes);
  }

  /**
   * The gradients that a run leaves are the mean over the processes that the backend has met. They
   * are reduced in buckets, each as soon as its last gradient is there, beside the rest of the
   * backward pass; a run ends when all are.
   *
   * @param bytes at which a bucket ends, at least 1
   */
  public PlanOptions meanGradients(long bytes) {
    if (bytes < 1) {
      throw new IllegalArgumentException("bucket bytes: expected at least 1, got " + bytes);
    }
    return new PlanOptions(keep, planner, frozen, bytes);
  }
}
