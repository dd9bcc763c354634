package org.quantrain.data;

import java.nio.FloatBuffer;
import java.nio.IntBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.CancellationException;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;

/**
 * Batches that threads of its own make ahead of their use: while one is trained on, the next ones
 * are read, decoded and augmented. They come in their order and are the same to the bit for any
 * number of threads, because an image depends on the seed, the epoch and its index alone.
 *
 * <p>A thread takes a few rows at a time, in order, and writes them into one of {@value #AHEAD}
 * batches in memory that is used again and again. It waits when all of them are full.
 *
 * <p>What reading an image throws is thrown by {@link #next} when that batch is due, also if
 * batches before it were still to be taken when it happened.
 *
 * <p>{@link #next} and {@link #close} belong to one thread.
 */
public final class Prefetch implements AutoCloseable {
  /** One is taken while another is made. */
  private static final int AHEAD = 2;

  /** Rows that a thread makes without looking around. */
  private static final int ROWS = 8;

  /** A batch in memory. What changes does so under the lock; rows belong to who makes them. */
  private static final class Slot {
    final float[] images;
    final int[] labels;
    int unfinished;
    Throwable failure;
    int failedRow;

    Slot(int rows, int imageFloats) {
      images = new float[rows * imageFloats];
      labels = new int[rows];
    }
  }

  private final Batches batches;
  private final int imageFloats;
  private final long first;
  private final long end;
  private final Slot[] ring = new Slot[AHEAD];
  private final List<Thread> threads = new ArrayList<>();

  private final ReentrantLock lock = new ReentrantLock();
  private final Condition free = lock.newCondition();
  private final Condition full = lock.newCondition();
  // Batches are counted through all epochs from 0 on. All below is under the lock.
  private long taken;
  private long batch;
  private int row;
  private boolean closed;

  /**
   * Starts to make batches.
   *
   * @param start the first of them
   * @param count how many; after the last of an epoch comes the first of the next
   * @param threads at least 1
   * @throws IndexOutOfBoundsException if an epoch does not have the batch to start with
   * @throws IllegalArgumentException if count is negative or threads below 1
   */
  public Prefetch(Batches batches, Batches.Position start, long count, int threads) {
    if (count < 0 || threads < 1) {
      throw new IllegalArgumentException(
          "batches are 0 or more and threads at least 1, got %d and %d".formatted(count, threads));
    }
    Objects.checkIndex(start.batch(), batches.batchesPerEpoch());
    this.batches = batches;
    this.imageFloats = batches.source().imageFloats();
    this.first = (long) start.epoch() * batches.batchesPerEpoch() + start.batch();
    this.end = Math.addExact(first, count);
    this.taken = first;
    this.batch = first;
    for (int i = 0; i < Math.min(AHEAD, count); i++) {
      ring[i] = new Slot(batches.batchSize(), imageFloats);
    }
    for (int i = 0; i < threads && count > 0; i++) {
      Thread thread = new Thread(this::work, "quantrain-input-" + (i + 1));
      thread.setDaemon(true);
      this.threads.add(thread);
    }
    try {
      this.threads.forEach(Thread::start);
    } catch (Error e) { // The system has no room for so many.
      close();
      throw e;
    }
  }

  /**
   * Writes the batch at {@link #position()} as {@link Batches#fill} does, waiting until it is made,
   * and moves on. Allocates nothing.
   *
   * @param images (N, H, W, C) float32 in native byte order
   * @param labels (N) int32 in native byte order
   * @return the number of valid rows, which come first
   * @throws IllegalArgumentException if a buffer is too short, read-only or of the other byte order
   * @throws IllegalStateException if there is no batch left, or after {@link #close}
   * @throws CancellationException if the thread is interrupted while it waits; it stays interrupted
   * @throws java.io.UncheckedIOException if the source cannot read an image
   */
  public int next(FloatBuffer images, IntBuffer labels) {
    batches.requireRoom(images, labels);
    Slot slot = awaitFull();
    int valid = batches.validRows(batchOf(taken));
    if (slot.failure == null) {
      images.put(0, slot.images, 0, valid * imageFloats);
      labels.put(0, slot.labels, 0, valid);
      batches.pad(valid, images, labels);
    }
    Throwable failure = slot.failure;
    release(slot);
    if (failure instanceof Error error) {
      throw error;
    } else if (failure instanceof RuntimeException exception) {
      throw exception;
    } else if (failure != null) { // Other languages throw without declaring.
      throw new IllegalStateException(failure);
    }
    return valid;
  }

  /** The batch that {@link #next} writes next. */
  public Batches.Position position() {
    return new Batches.Position(epochOf(taken), batchOf(taken));
  }

  private int epochOf(long counted) {
    return Math.toIntExact(counted / batches.batchesPerEpoch());
  }

  private int batchOf(long counted) {
    return (int) (counted % batches.batchesPerEpoch());
  }

  private Slot slot(long counted) {
    return ring[(int) ((counted - first) % AHEAD)];
  }

  private Slot awaitFull() {
    lock.lock();
    try {
      if (closed || taken == end) {
        throw new IllegalStateException(closed ? "closed" : "all batches were taken");
      }
      while (batch <= taken || slot(taken).unfinished > 0) {
        full.await();
      }
      return slot(taken);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new CancellationException("interrupted while waiting for " + position());
    } finally {
      lock.unlock();
    }
  }

  private void release(Slot slot) {
    lock.lock();
    try {
      slot.failure = null;
      taken++;
      free.signal();
    } finally {
      lock.unlock();
    }
  }

  /** What every thread does until there is nothing left to make. */
  private void work() {
    lock.lock();
    try {
      while (true) {
        while (!closed && batch < end && batch == taken + AHEAD) {
          free.awaitUninterruptibly();
        }
        if (closed || batch == end) {
          free.signal(); // for the next thread to see it
          return;
        }
        makeRows();
      }
    } finally {
      lock.unlock();
    }
  }

  /** Makes the next rows, without the lock. */
  private void makeRows() {
    long mine = batch;
    int from = row;
    int valid = batches.validRows(batchOf(mine));
    int to = Math.min(valid, from + ROWS);
    Slot slot = slot(mine);
    if (from == 0) {
      slot.unfinished = valid;
    }
    batch += to == valid ? 1 : 0;
    row = to == valid ? 0 : to;
    free.signal(); // another thread, if there is one without work, takes the rows after these
    lock.unlock();
    Throwable failure = null;
    int at = from;
    try {
      for (; at < to; at++) {
        slot.labels[at] =
            batches.write(epochOf(mine), batchOf(mine), at, slot.images, at * imageFloats);
      }
    } catch (Throwable e) { // All of it is thrown where the batch is due.
      failure = e;
    } finally {
      lock.lock();
    }
    if (failure != null && (slot.failure == null || at < slot.failedRow)) {
      slot.failure = failure;
      slot.failedRow = at;
    }
    slot.unfinished -= to - from;
    if (slot.unfinished == 0) {
      full.signal();
    }
  }

  /**
   * Stops the threads and waits until they have: for the rows that they are at. If the waiting
   * thread is interrupted, they end by themselves.
   */
  @Override
  public void close() {
    lock.lock();
    try {
      closed = true;
      free.signalAll();
    } finally {
      lock.unlock();
    }
    try {
      for (Thread thread : threads) {
        thread.join();
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
