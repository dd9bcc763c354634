package org.quantrain.backend.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.quantrain.runtime.Backend;
import org.quantrain.runtime.Feed;
import org.quantrain.runtime.Fetch;
import org.quantrain.runtime.HostView;
import org.quantrain.runtime.Kernel;
import org.quantrain.runtime.Memory;

/**
 * Transfers in one stream beside kernels in another: what the host feeds is what kernels read, and
 * what they leave is what it fetches, in whatever order the device runs what nothing orders.
 */
class CudaTransferTest {
  private static final int ROUNDS = 40;
  private static final int INTS = 3;
  private static final int BYTES = Integer.BYTES * INTS;

  private static IntStream orders() {
    return EmulatedDevice.orders();
  }

  /** Every number is fed once and kept apart by a kernel; the host looks when all is enqueued. */
  @ParameterizedTest
  @MethodSource("orders")
  void aKernelReadsWhatWasFedBeforeIt(int order) {
    List<Kernel> keeping = new ArrayList<>();
    try (Backend cuda = EmulatedDevice.unrecorded(order);
        Memory tensor = cuda.allocate(BYTES);
        Memory all = cuda.allocate((long) ROUNDS * BYTES);
        Feed feed = tensor.feed(0, BYTES)) {
      for (int round = 0; round < ROUNDS; round++) {
        keeping.add(all.copying((long) round * BYTES, tensor, 0, BYTES));
      }
      for (int round = 0; round < ROUNDS; round++) {
        feed.next().asIntBuffer().put(numbers(round));
        feed.push();
        keeping.get(round).run();
      }
      HostView view = all.host(0, (long) ROUNDS * BYTES);
      view.pull();
      for (int round = 0; round < ROUNDS; round++) {
        int[] found = new int[INTS];
        view.buffer().position(round * BYTES).asIntBuffer().get(found);
        assertArrayEquals(numbers(round), found, "round " + round);
      }
    } finally {
      keeping.forEach(Kernel::close);
    }
  }

  /** As training does: what was fed comes back by another road, and is taken a round later. */
  @ParameterizedTest
  @MethodSource("orders")
  void whatIsTakenIsWhatWasThereWhenItWasPulled(int order) {
    try (Backend cuda = EmulatedDevice.unrecorded(order);
        Memory tensor = cuda.allocate(BYTES);
        Memory result = cuda.allocate(BYTES);
        Feed feed = tensor.feed(0, BYTES);
        Fetch fetch = result.fetch(0, BYTES);
        Kernel kernel = result.copying(0, tensor, 0, BYTES);
        Kernel clear = result.zeroing(0, BYTES)) {
      List<int[]> taken = new ArrayList<>();
      for (int round = 0; round < ROUNDS; round++) {
        feed.next().asIntBuffer().put(numbers(round));
        feed.push();
        kernel.run();
        fetch.pull();
        clear.run();
        if (round > 0) {
          taken.add(taken(fetch));
        }
      }
      taken.add(taken(fetch));
      assertEquals(ROUNDS, taken.size());
      for (int round = 0; round < ROUNDS; round++) {
        assertArrayEquals(numbers(round), taken.get(round), "round " + round);
      }
    }
  }

  private static int[] taken(Fetch fetch) {
    int[] found = new int[INTS];
    fetch.take().asIntBuffer().get(found);
    return found;
  }

  private static int[] numbers(int round) {
    return new int[] {round + 1, 1000 + round, -round};
  }
}
