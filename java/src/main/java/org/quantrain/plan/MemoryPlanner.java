package org.quantrain.plan;

import java.util.ArrayList;
import java.util.List;

/**
 * Gives every buffer of a plan its place in one arena. Offsets are multiples of {@link #ALIGNMENT}.
 */
public interface MemoryPlanner {
  int ALIGNMENT = 64;

  /**
   * @param name of the value, for messages
   * @param first index of the first node during which the buffer is live
   * @param last index of the last one, included
   */
  record Buffer(String name, long bytes, int first, int last) {
    public Buffer {
      if (bytes < 0 || first > last) {
        throw new IllegalArgumentException(
            name + ": " + bytes + " bytes live from " + first + " to " + last);
      }
    }

    boolean livesWith(Buffer other) {
      return first <= other.last && other.first <= last;
    }

    long alignedBytes() {
      return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    }
  }

  /**
   * @param offsets of each buffer, in bytes
   * @param bytes of the arena
   */
  record Layout(List<Long> offsets, long bytes) {
    public Layout {
      offsets = List.copyOf(offsets);
    }
  }

  Layout place(List<Buffer> buffers);

  /** Memory is used again as soon as its value is dead: see {@link GreedyPlanner}. */
  static MemoryPlanner greedy() {
    return new GreedyPlanner();
  }

  /**
   * Every buffer has memory of its own; for finding out whether a wrong result is the planner's.
   */
  static MemoryPlanner naive() {
    return buffers -> {
      List<Long> offsets = new ArrayList<>();
      long end = 0;
      for (Buffer buffer : buffers) {
        offsets.add(end);
        end += buffer.alignedBytes();
      }
      return new Layout(offsets, end);
    };
  }

  /** Pairs that are live together and share memory, or that leave the arena: O(n^2), for tests. */
  static List<String> overlaps(List<Buffer> buffers, Layout layout) {
    List<String> found = new ArrayList<>();
    for (int i = 0; i < buffers.size(); i++) {
      Buffer a = buffers.get(i);
      long begin = layout.offsets().get(i);
      long end = begin + a.bytes();
      if (begin < 0 || end > layout.bytes() || begin % ALIGNMENT != 0) {
        found.add(a + " at " + begin + " in an arena of " + layout.bytes());
      }
      for (int j = i + 1; j < buffers.size(); j++) {
        Buffer b = buffers.get(j);
        long other = layout.offsets().get(j);
        if (a.livesWith(b) && begin < other + b.bytes() && other < end) {
          found.add(a + " at " + begin + " and " + b + " at " + other);
        }
      }
    }
    return found;
  }
}
