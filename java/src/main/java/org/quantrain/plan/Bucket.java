package org.quantrain.plan;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.function.ToIntFunction;
import org.quantrain.graph.Value;
import org.quantrain.runtime.Arena;
import org.quantrain.runtime.Memory;
import org.quantrain.runtime.OverlappedReduction;
import org.quantrain.runtime.ParameterStore;

/**
 * Gradients that lie side by side and become their mean over all processes in one reduction.
 * Source: Li et al., "PyTorch Distributed: Experiences on Accelerating Data Parallel Training",
 * VLDB 2020, section 3.2.
 *
 * @param gradients how many
 * @param after index of the node behind which all of them are there; the number of nodes where
 *     copies behind the last complete them
 */
record Bucket(int gradients, long bytes, int after, OverlappedReduction mean) {
  int nativeCalls() {
    return mean.begin().nativeCalls() + mean.await().nativeCalls();
  }

  /**
   * All gradients of a store, in the order in which their reductions begin: first those that are
   * there first.
   *
   * @param there index of the node behind which the gradient of a parameter is there
   * @param end bytes at which a bucket ends
   */
  static List<Bucket> of(ParameterStore store, ToIntFunction<Value> there, long end) {
    Memory memory = store.memory(Arena.GRADS);
    List<Value> params = store.params();
    List<Bucket> buckets = new ArrayList<>();
    int first = 0;
    for (int i = 0; i < params.size(); i++) {
      long from = store.offset(params.get(first));
      boolean last = i == params.size() - 1;
      long to = last ? memory.bytes() : store.offset(params.get(i + 1));
      if (last || to - from >= end) {
        List<Value> members = params.subList(first, i + 1);
        buckets.add(
            new Bucket(
                members.size(),
                to - from,
                members.stream().mapToInt(there).max().getAsInt(),
                store
                    .backend()
                    .collective()
                    .overlappingMean(memory.address() + from, (to - from) / Float.BYTES)));
        first = i + 1;
      }
    }
    buckets.sort(Comparator.comparingInt(Bucket::after));
    return buckets;
  }
}
