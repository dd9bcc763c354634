package org.quantrain.backend.cpu;

import java.util.concurrent.locks.LockSupport;
import org.bytedeco.javacpp.Pointer;
import org.quantrain.backend.shared.At;
import org.quantrain.internal.bind.QuantrainNative;
import org.quantrain.runtime.CollectiveException;
import org.quantrain.runtime.Kernel;
import org.quantrain.runtime.OverlappedReduction;

/**
 * Reductions one after another on a thread and connections of their own, beside what the backend's
 * thread computes. Neither thread locks or allocates; that of the backend waits only for what is
 * not done when it is needed.
 */
final class CommunicationThread implements AutoCloseable {
  /** Begun and not done; who begins more waits. */
  private static final int CAPACITY = 256;

  private final GlooConnections connections;
  private final Thread thread = new Thread(this::serve, "quantrain-communication");
  private final Mean[] ring = new Mean[CAPACITY];

  /** Reductions begun so far, counted by the backend's thread. */
  private volatile long begun;

  /** Reductions done so far, in the same order, counted by this one. */
  private volatile long done;

  /** The backend's thread where it waits, else null. */
  private volatile Thread waiting;

  private volatile boolean closing;
  private volatile Throwable failure;

  /**
   * @param connections closed with this
   */
  CommunicationThread(GlooConnections connections) {
    this.connections = connections;
    thread.setDaemon(true);
    thread.start();
  }

  /** Float32 elements that become their mean. */
  OverlappedReduction mean(long address, long elements) {
    Mean mean = new Mean(At.any(address), elements);
    return new OverlappedReduction(mean.begin(), mean.await());
  }

  private final class Mean {
    private final Pointer data;
    private final long elements;

    /** How many reductions are done when this is; 0 where it was never begun. */
    private long number;

    Mean(Pointer data, long elements) {
      this.data = data;
      this.elements = elements;
    }

    void reduce() {
      connections.reduce(
          data, elements, QuantrainNative.QT_NUMBER_F32, QuantrainNative.QT_REDUCE_MEAN);
    }

    Kernel begin() {
      return new Kernel() {
        @Override
        public void run() {
          awaitDone(begun - CAPACITY + 1);
          requireAll();
          ring[(int) (begun % CAPACITY)] = Mean.this;
          number = begun + 1;
          begun = number;
          LockSupport.unpark(thread);
        }

        @Override
        public int nativeCalls() {
          return 1;
        }

        @Override
        public void close() {
          awaitDone(number);
        }
      };
    }

    Kernel await() {
      return new Kernel() {
        @Override
        public void run() {
          awaitDone(number);
          requireAll();
        }

        @Override
        public int nativeCalls() {
          return 0;
        }
      };
    }
  }

  private void awaitDone(long reductions) {
    if (done >= reductions) {
      return;
    }
    // An interrupt does not end what still reads and writes memory; it is for who waits next.
    boolean interrupted = false;
    waiting = Thread.currentThread();
    while (done < reductions) {
      LockSupport.park(this);
      interrupted |= Thread.interrupted();
    }
    waiting = null;
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }

  private void requireAll() {
    Throwable lost = failure;
    if (lost instanceof CollectiveException) {
      throw new CollectiveException(lost.getMessage());
    } else if (lost != null) {
      throw new IllegalStateException("the thread that reduces gradients failed", lost);
    }
  }

  private void serve() {
    try (connections) {
      while (!closing || done < begun) {
        if (done == begun) {
          LockSupport.park(this);
          continue;
        }
        long next = done;
        try {
          if (failure == null) {
            ring[(int) (next % CAPACITY)].reduce();
          }
        } catch (Throwable e) { // Whoever waits must hear of it, whatever it is.
          failure = e;
        }
        done = next + 1;
        LockSupport.unpark(waiting);
      }
    }
  }

  @Override
  public void close() {
    closing = true;
    LockSupport.unpark(thread);
    boolean interrupted = false;
    while (thread.isAlive()) {
      try {
        thread.join();
      } catch (InterruptedException e) {
        interrupted = true;
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }
}
