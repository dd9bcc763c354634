package org.quantrain.backend.cuda;

/**
 * The calls of NCCL that training makes, without blocking: what a call began is done when the
 * communicator's status says so. Statuses are ncclResult_t.
 */
interface NcclLibrary {
  int SUCCESS = 0;
  int IN_PROGRESS = 7;

  /**
   * Makes what processes that belong together have in common; once, by one of them.
   *
   * @throws org.quantrain.runtime.CollectiveException if NCCL does not
   */
  byte[] makeId();

  /**
   * Begins to connect to the other processes, each of which calls this.
   *
   * @throws org.quantrain.runtime.CollectiveException if NCCL does not
   */
  Communicator connect(byte[] id, int rank, int size);

  /** This process among the others. No two calls at the same time, and none after the last. */
  interface Communicator {
    /** What became of all calls so far; an error of the others as well. */
    int status();

    /**
     * Enqueues a reduction in place on the device's stream.
     *
     * @param address of the device's memory
     * @param type an ncclDataType_t
     * @param function an ncclRedOp_t
     */
    int allReduce(long address, long elements, int type, int function);

    /**
     * Enqueues a reduction in place on a stream of the communicator's own, behind what is on the
     * device's stream so far. Reductions of both streams are done one after another, in the order
     * of the calls, which is the same in all processes.
     *
     * @param address as of {@link #allReduce}
     */
    int allReduceBeside(long address, long elements, int type, int function);

    /** The device's stream goes on when what was enqueued beside it so far is done. */
    int join();

    /**
     * Enqueues, on the device's stream, a copy of the elements of every process, one behind the
     * other.
     *
     * @param from as many elements of the device's memory
     * @param to so many for each process
     * @param type an ncclDataType_t
     */
    int gather(long from, long to, long elements, int type);

    /** Begins to complete what was enqueued; nothing is after this. */
    int finish();

    /**
     * Ends what is not complete and frees everything; the last call. It may wait until recorded
     * graphs are freed.
     */
    void abort();

    /** What a status means, in one line. */
    String explain(int status);
  }
}
