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
 */
public record PlanOptions(Set<Value> keep, MemoryPlanner planner, boolean frozen) {
  public PlanOptions {
    keep = Set.copyOf(keep);
  }

  /** Nothing kept, greedy planner, parameters and state that change. */
  public static PlanOptions defaults() {
    return new PlanOptions(Set.of(), MemoryPlanner.greedy(), false);
  }

  /** These options with more values kept. */
  public PlanOptions keep(Collection<Value> more) {
    Set<Value> all = new HashSet<>(keep);
    all.addAll(more);
    return new PlanOptions(all, planner, frozen);
  }

  public PlanOptions with(MemoryPlanner other) {
    return new PlanOptions(keep, other, frozen);
  }

  /** For a store whose contents are final. */
  public PlanOptions asFrozen() {
    return new PlanOptions(keep, planner, true);
  }
}
