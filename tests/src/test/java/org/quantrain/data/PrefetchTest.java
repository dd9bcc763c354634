package org.quantrain.data;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.management.ThreadMXBean;
import java.io.UncheckedIOException;
import java.lang.management.ManagementFactory;
import java.nio.FloatBuffer;
import java.nio.IntBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CancellationException;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.IntConsumer;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.quantrain.data.Batches.LastBatch;
import org.quantrain.data.Batches.Position;

@Timeout(60)
class PrefetchTest {
  private static final NumberedImages SOURCE = new NumberedImages(23, 3, 4, 2);

  private record Batch(int valid, List<Integer> labels, List<Float> pixels) {}

  /** Numbered images, with something done before each of them is read. */
  private record Watched(NumberedImages images, IntConsumer watch) implements DataSource {
    @Override
    public String name() {
      return images.name();
    }

    @Override
    public int size() {
      return images.size();
    }

    @Override
    public int height() {
      return images.height();
    }

    @Override
    public int width() {
      return images.width();
    }

    @Override
    public int channels() {
      return images.channels();
    }

    @Override
    public List<String> classNames() {
      return images.classNames();
    }

    @Override
    public int label(int index) {
      return images.label(index);
    }

    @Override
    public void read(int index, float[] pixels, int offset) {
      watch.accept(index);
      images.read(index, pixels, offset);
    }
  }

  private static Batches augmented(LastBatch rule) {
    return Batches.shuffled(SOURCE, 4, 5).with(Augmentation.cropAndFlip(2)).with(rule);
  }

  private static Batch copy(int valid, FloatBuffer images, IntBuffer labels) {
    return new Batch(
        valid,
        IntStream.range(0, labels.limit()).mapToObj(labels::get).toList(),
        IntStream.range(0, images.limit()).mapToObj(images::get).toList());
  }

  private static List<Batch> filled(Batches batches, int count) {
    FloatBuffer images = batches.allocateImages();
    IntBuffer labels = batches.allocateLabels();
    return IntStream.range(0, count)
        .mapToObj(
            i -> {
              int perEpoch = batches.batchesPerEpoch();
              int valid = batches.fill(i / perEpoch, i % perEpoch, images, labels);
              return copy(valid, images, labels);
            })
        .toList();
  }

  private static List<Batch> prefetched(Batches batches, Position start, int count, int threads) {
    FloatBuffer images = batches.allocateImages();
    IntBuffer labels = batches.allocateLabels();
    List<Batch> all = new ArrayList<>();
    try (Prefetch ahead = new Prefetch(batches, start, count, threads)) {
      for (int i = 0; i < count; i++) {
        all.add(copy(ahead.next(images, labels), images, labels));
      }
      assertThrows(IllegalStateException.class, () -> ahead.next(images, labels));
    }
    return all;
  }

  private static Set<Thread> inputThreads() {
    Set<Thread> threads = ConcurrentHashMap.newKeySet();
    for (Thread thread : Thread.getAllStackTraces().keySet()) {
      if (thread.getName().startsWith("quantrain-input-")) {
        threads.add(thread);
      }
    }
    return threads;
  }

  @Test
  void anyNumberOfThreadsMakesTheBatchesThatFillMakes() {
    for (LastBatch rule : LastBatch.values()) {
      Batches batches = augmented(rule);
      List<Batch> expected = filled(batches, 100);
      for (int threads : new int[] {1, 2, 4, 9}) {
        assertEquals(expected, prefetched(batches, Position.START, 100, threads));
      }
    }
    Batches large = Batches.shuffled(new NumberedImages(500, 2, 2, 1), 77, 3); // rows in pieces
    assertEquals(filled(large, 40), prefetched(large, Position.START, 40, 3));
  }

  @Test
  void partsOfFilesAreTheSameForAnyNumberOfThreads(@TempDir Path folder) throws Exception {
    for (int i = 0; i < 24; i++) {
      ImageFiles.png(folder.resolve("c" + i % 3 + "/" + i + ".png"), 9 + i, 30 - i, i);
    }
    List<Batch> expected = null;
    for (int threads : new int[] {1, 2, 4}) {
      DataSource images =
          Datasets.load("imagefolder:" + folder + "?size=8x6&mean=0.4&std=0.2").train();
      Batches batches =
          Batches.shuffled(images.limit(21, 1), 10, 9).with(Augmentation.of("resize-crop-flip"));
      expected = expected == null ? filled(batches, 6) : expected;
      assertEquals(expected, prefetched(batches, Position.START, 6, threads));
    }
  }

  @Test
  void aRunResumedInTheMiddleOfAnEpochSeesTheSameBatches() {
    Batches straight = augmented(LastBatch.DROP);
    FloatBuffer images = straight.allocateImages();
    IntBuffer labels = straight.allocateLabels();
    List<Batch> expected = new ArrayList<>();
    Position saved = null;
    try (Prefetch ahead = new Prefetch(straight, Position.START, 17, 2)) {
      for (int step = 0; step < 17; step++) {
        if (step == 8) {
          saved = ahead.position();
        }
        expected.add(copy(ahead.next(images, labels), images, labels));
      }
      assertEquals(new Position(3, 2), ahead.position());
    }
    assertEquals(new Position(1, 3), saved); // 5 batches per epoch
    assertEquals(
        expected.subList(8, 17), prefetched(augmented(LastBatch.DROP), saved, 9, 3));
    assertThrows(
        IndexOutOfBoundsException.class,
        () -> new Prefetch(straight, new Position(0, 5), 1, 1));
  }

  @Test
  void batchesAreMadeWhileAnotherIsUsedButNotMoreThanTheyHaveRoomFor() throws Exception {
    AtomicInteger reads = new AtomicInteger();
    CountDownLatch ahead = new CountDownLatch(12); // three batches: one taken, two made
    DataSource watched =
        new Watched(
            SOURCE,
            index -> {
              reads.incrementAndGet();
              ahead.countDown();
            });
    Batches batches = Batches.inOrder(watched, 4);
    FloatBuffer images = batches.allocateImages();
    IntBuffer labels = batches.allocateLabels();
    try (Prefetch prefetch = new Prefetch(batches, Position.START, 6, 2)) {
      prefetch.next(images, labels);
      ahead.await(); // for reads that nobody has asked for
      Thread.sleep(20);
      assertEquals(12, reads.get());
    }
  }

  @Test
  void aDamagedImageIsNamedWhenItsBatchIsDueAndOnlyThen(@TempDir Path folder) throws Exception {
    for (int i = 10; i < 50; i++) {
      ImageFiles.png(folder.resolve("c/" + i + ".png"), 5, 7, i);
    }
    for (int damaged : new int[] {29, 27, 44}) { // batches 2, 2 and 4 of 8 images
      Files.writeString(folder.resolve("c/" + damaged + ".png"), "broken");
    }
    Batches batches = Batches.inOrder(Datasets.load("imagefolder:" + folder).test(), 8);
    FloatBuffer images = batches.allocateImages();
    IntBuffer labels = batches.allocateLabels();
    for (int threads = 1; threads <= 4; threads++) {
      try (Prefetch ahead = new Prefetch(batches, Position.START, 5, threads)) {
        ahead.next(images, labels);
        ahead.next(images, labels);
        UncheckedIOException e =
            assertThrows(UncheckedIOException.class, () -> ahead.next(images, labels));
        assertTrue(e.getCause().getMessage().contains("27.png"), e.getMessage()); // the first one
        assertEquals(8, ahead.next(images, labels));
        e = assertThrows(UncheckedIOException.class, () -> ahead.next(images, labels));
        assertTrue(e.getCause().getMessage().contains("44.png"), e.getMessage());
      }
    }
  }

  @Test
  void whateverASourceThrowsReachesTheUser() {
    Error error = new AssertionError("of a source");
    DataSource failing =
        new Watched(
            SOURCE,
            index -> {
              throw error;
            });
    Batches batches = Batches.inOrder(failing, 4);
    try (Prefetch ahead = new Prefetch(batches, Position.START, 6, 2)) {
      FloatBuffer images = batches.allocateImages();
      IntBuffer labels = batches.allocateLabels();
      assertSame(error, assertThrows(Error.class, () -> ahead.next(images, labels)));
    }
  }

  @Test
  void closingStopsTheThreadsInTheMiddleOfTheirWork() {
    Set<Thread> before = inputThreads();
    CountDownLatch reading = new CountDownLatch(1);
    DataSource slow =
        new Watched(
            SOURCE,
            index -> {
              reading.countDown();
              sleep(2);
            });
    Batches batches = Batches.shuffled(slow, 4, 1);
    Prefetch ahead = new Prefetch(batches, Position.START, 1_000_000, 4);
    Set<Thread> started = inputThreads();
    started.removeAll(before);
    assertEquals(4, started.size());
    assertTrue(started.stream().allMatch(Thread::isDaemon));
    await(reading);
    ahead.close();
    ahead.close();
    assertTrue(started.stream().noneMatch(Thread::isAlive));
    assertThrows(
        IllegalStateException.class,
        () -> ahead.next(batches.allocateImages(), batches.allocateLabels()));
  }

  @Test
  void threadsEndWithTheLastBatch() throws Exception {
    Set<Thread> before = inputThreads();
    Batches batches = Batches.inOrder(SOURCE, 4);
    try (Prefetch ahead = new Prefetch(batches, Position.START, 2, 3)) {
      Set<Thread> started = inputThreads();
      started.removeAll(before);
      for (Thread thread : started) {
        thread.join();
      }
      ahead.next(batches.allocateImages(), batches.allocateLabels());
      ahead.next(batches.allocateImages(), batches.allocateLabels());
    }
    new Prefetch(batches, Position.START, 0, 3).close();
  }

  @Test
  void anInterruptedTrainingStopsWaitingAndStaysInterrupted() {
    CountDownLatch never = new CountDownLatch(1);
    Batches batches = Batches.inOrder(new Watched(SOURCE, index -> await(never)), 4);
    FloatBuffer images = batches.allocateImages();
    IntBuffer labels = batches.allocateLabels();
    Prefetch ahead = new Prefetch(batches, Position.START, 6, 2);
    Thread.currentThread().interrupt();
    assertThrows(CancellationException.class, () -> ahead.next(images, labels));
    assertTrue(Thread.currentThread().isInterrupted());
    ahead.close(); // does not wait for what never comes
    assertTrue(Thread.interrupted());
    never.countDown();
    ahead.close();
  }

  @Test
  void takingABatchAllocatesNothing() {
    ThreadMXBean memory = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    Batches batches = augmented(LastBatch.PAD);
    FloatBuffer images = batches.allocateImages();
    IntBuffer labels = batches.allocateLabels();
    long least = Long.MAX_VALUE;
    try (Prefetch ahead = new Prefetch(batches, Position.START, 30_000, 1)) {
      for (int round = 0; round < 3; round++) {
        long before = memory.getCurrentThreadAllocatedBytes();
        for (int i = 0; i < 10_000; i++) {
          ahead.next(images, labels);
        }
        least = Math.min(least, memory.getCurrentThreadAllocatedBytes() - before);
      }
    }
    // A wait for the lock may make a node; a batch, 480 bytes of it, is not made anew.
    assertTrue(least < 10_000 * 100, least + " bytes for 10,000 batches");
  }

  @Test
  void whatMakesNoSenseIsRefused() {
    Batches batches = Batches.inOrder(SOURCE, 4);
    assertThrows(
        IllegalArgumentException.class, () -> new Prefetch(batches, Position.START, -1, 1));
    assertThrows(
        IllegalArgumentException.class, () -> new Prefetch(batches, Position.START, 1, 0));
    try (Prefetch ahead = new Prefetch(batches, Position.START, 1, 1)) {
      assertThrows(
          IllegalArgumentException.class,
          () -> ahead.next(FloatBuffer.allocate(1), batches.allocateLabels()));
      assertEquals(Position.START, ahead.position());
      ahead.next(batches.allocateImages(), batches.allocateLabels());
    }
  }

  private static void sleep(int milliseconds) {
    try {
      Thread.sleep(milliseconds);
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }

  private static void await(CountDownLatch latch) {
    try {
      latch.await();
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }
}
