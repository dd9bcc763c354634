package org.quantrain.plan;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.stream.IntStream;

/**
 * Offline best fit. Buffers are placed from the largest to the smallest; each goes into the
 * smallest hole between those already placed buffers that are live with it, or after the last of
 * them. Large buffers first, because a small one fits into the holes they leave and not the other
 * way round. O(n^2) for n buffers.
 */
final class GreedyPlanner implements MemoryPlanner {
  private record Placed(Buffer buffer, long offset) {
    long end() {
      return offset + buffer.alignedBytes();
    }
  }

  @Override
  public Layout place(List<Buffer> buffers) {
    List<Integer> order =
        IntStream.range(0, buffers.size())
            .boxed()
            .sorted(
                Comparator.comparingLong((Integer i) -> -buffers.get(i).bytes())
                    .thenComparingInt(i -> buffers.get(i).first())
                    .thenComparingInt(i -> i))
            .toList();
    List<Placed> placed = new ArrayList<>(); // by offset
    Long[] offsets = new Long[buffers.size()];
    long arena = 0;
    for (int index : order) {
      Placed next = new Placed(buffers.get(index), bestOffset(placed, buffers.get(index)));
      offsets[index] = next.offset();
      arena = Math.max(arena, next.end());
      int at = placed.size();
      while (at > 0 && placed.get(at - 1).offset() > next.offset()) {
        at--;
      }
      placed.add(at, next);
    }
    return new Layout(List.of(offsets), arena);
  }

  private static long bestOffset(List<Placed> placed, Buffer buffer) {
    long best = -1;
    long bestHole = Long.MAX_VALUE;
    long end = 0; // of what is in the way so far
    for (Placed other : placed) {
      if (!other.buffer().livesWith(buffer)) {
        continue;
      }
      long hole = other.offset() - end;
      if (hole >= buffer.alignedBytes() && hole < bestHole) {
        best = end;
        bestHole = hole;
      }
      end = Math.max(end, other.end());
    }
    return best >= 0 ? best : end;
  }
}
