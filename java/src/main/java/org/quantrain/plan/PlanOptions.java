package org.quantrain.plan;

import java.util.Collection;
import java.util.HashSet;
import java.util.Set;
import org.quantrain.graph.Value;

/**
 * @param keep values that can be read after a run, besides the graph's outputs
 * @param planner places the values in memory
 */
public record PlanOptions(Set<Value> keep, MemoryPlanner planner) {
  public PlanOptions {
    keep = Set.copyOf(keep);
  }

  /** Nothing kept, greedy planner. */
  public static PlanOptions defaults() {
    return new PlanOptions(Set.of(), MemoryPlanner.greedy());
  }

  /** These options with more values kept. */
  public PlanOptions keep(Collection<Value> more) {
    Set<Value> all = new HashSet<>(keep);
    all.addAll(more);
    return new PlanOptions(all, planner);
  }

  public PlanOptions with(MemoryPlanner other) {
    return new PlanOptions(keep, other);
  }
}
