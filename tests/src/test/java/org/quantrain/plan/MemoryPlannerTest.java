package org.quantrain.plan;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.quantrain.plan.MemoryPlanner.Buffer;
import org.quantrain.plan.MemoryPlanner.Layout;

class MemoryPlannerTest {
  @Test
  void liveBuffersNeverOverlap() {
    SplittableRandom random = new SplittableRandom(1);
    for (int run = 0; run < 300; run++) {
      List<Buffer> buffers = random(random, random.nextInt(1, 80));
      for (MemoryPlanner planner : List.of(MemoryPlanner.greedy(), MemoryPlanner.naive())) {
        Layout layout = planner.place(buffers);
        assertEquals(List.of(), MemoryPlanner.overlaps(buffers, layout));
      }
    }
  }

  @Test
  void greedyNeedsNoMoreThanNaiveAndNoLessThanTheFullestMoment() {
    SplittableRandom random = new SplittableRandom(2);
    for (int run = 0; run < 100; run++) {
      List<Buffer> buffers = random(random, 60);
      long fullest = 0;
      for (int t = 0; t < 100; t++) {
        int now = t;
        fullest =
            Math.max(
                fullest,
                buffers.stream()
                    .filter(b -> b.first() <= now && now <= b.last())
                    .mapToLong(Buffer::bytes)
                    .sum());
      }
      long greedy = MemoryPlanner.greedy().place(buffers).bytes();
      assertTrue(greedy <= MemoryPlanner.naive().place(buffers).bytes());
      assertTrue(greedy >= fullest);
    }
  }

  @Test
  void aChainTakesTurnsInTwoBuffers() {
    List<Buffer> chain = new ArrayList<>();
    for (int i = 0; i < 10; i++) {
      chain.add(new Buffer("v" + i, 1000, i, i + 1));
    }
    assertEquals(2 * 1024, MemoryPlanner.greedy().place(chain).bytes());
    assertEquals(10 * 1024, MemoryPlanner.naive().place(chain).bytes());
  }

  @Test
  void theSmallestHoleThatFitsIsTaken() {
    List<Buffer> buffers =
        List.of(
            new Buffer("large", 6400, 0, 1),
            new Buffer("between", 3200, 0, 3),
            new Buffer("medium", 1600, 0, 1),
            new Buffer("wall", 1500, 0, 3),
            new Buffer("late", 1280, 2, 3));
    Layout layout = MemoryPlanner.greedy().place(buffers);
    assertEquals(List.of(), MemoryPlanner.overlaps(buffers, layout));
    assertEquals(layout.offsets().get(2), layout.offsets().get(4));
  }

  @Test
  void theCheckFindsAnOverlap() {
    List<Buffer> buffers = List.of(new Buffer("a", 100, 0, 2), new Buffer("b", 100, 2, 3));
    assertEquals(1, MemoryPlanner.overlaps(buffers, new Layout(List.of(0L, 64L), 192)).size());
    assertEquals(0, MemoryPlanner.overlaps(buffers, new Layout(List.of(0L, 128L), 256)).size());
    assertEquals(1, MemoryPlanner.overlaps(buffers, new Layout(List.of(0L, 128L), 192)).size());
  }

  private static List<Buffer> random(SplittableRandom random, int count) {
    List<Buffer> buffers = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      int first = random.nextInt(90);
      int last = Math.min(99, first + random.nextInt(random.nextInt(4) == 0 ? 90 : 6));
      long bytes = random.nextInt(5) == 0 ? random.nextInt(3) : random.nextInt(1, 100_000);
      buffers.add(new Buffer("b" + i, bytes, first, last));
    }
    return buffers;
  }
}
