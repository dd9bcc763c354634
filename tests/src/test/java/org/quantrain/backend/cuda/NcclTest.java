package org.quantrain.backend.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.math.BigInteger;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.CopyOnWriteArrayList;
import org.bytedeco.cuda.global.nccl;
import org.bytedeco.javacpp.DoublePointer;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.LongPointer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.quantrain.backend.shared.At;
import org.quantrain.backend.shared.DeviceMemory;
import org.quantrain.op.AllReduce;
import org.quantrain.runtime.CollectiveException;
import org.quantrain.runtime.HostView;
import org.quantrain.runtime.Kernel;
import org.quantrain.runtime.Meeting;
import org.quantrain.runtime.OverlappedReduction;
import org.quantrain.tensor.DType;

/**
 * What surrounds NCCL: how processes meet, notice that one is gone, and sum what NCCL cannot. NCCL
 * is played by a library in which all processes have the same numbers.
 */
@Timeout(60)
class NcclTest {
  private static final Duration PATIENCE = Duration.ofSeconds(30);
  private static final Duration SHORT = Duration.ofMillis(300);

  @TempDir private Path folder;

  private final Cuda cuda = EmulatedDevice.kernels();

  @AfterEach
  void close() {
    cuda.close();
  }

  /** Answers as it is told to, and remembers what it was asked. */
  private static final class Played implements NcclLibrary, NcclLibrary.Communicator {
    final List<String> calls = new CopyOnWriteArrayList<>();
    volatile int status = SUCCESS;
    volatile int reduced = SUCCESS;

    /** A process whose first number is NaN, wherever numbers are gathered; -1: none. */
    int nanOf = -1;

    private int size;

    @Override
    public byte[] makeId() {
      calls.add("makeId");
      return new byte[] {5, 6, 7};
    }

    @Override
    public Communicator connect(byte[] id, int rank, int of) {
      size = of;
      calls.add("connect " + rank + " of " + of + " by " + id[0] + id[1] + id[2]);
      return this;
    }

    @Override
    public int status() {
      assertFalse(calls.contains("abort"), "nothing is called after the last call");
      return status;
    }

    @Override
    public int allReduce(long address, long n, int type, int function) {
      assertEquals(nccl.ncclSum, function);
      for (long i = 0; i < n && reduced == SUCCESS; i++) {
        if (type == nccl.ncclFloat32) {
          FloatPointer at = At.floats(address);
          at.put(i, at.get(i) * size);
        } else if (type == nccl.ncclInt64) {
          LongPointer at = At.longs(address);
          at.put(i, at.get(i) * size);
        } else {
          assertEquals(nccl.ncclFloat64, type);
          DoublePointer at = new DoublePointer(At.any(address));
          at.put(i, at.get(i) * size);
        }
      }
      return reduced;
    }

    @Override
    public int allReduceBeside(long address, long n, int type, int function) {
      calls.add("beside");
      return allReduce(address, n, type, function);
    }

    @Override
    public int join() {
      calls.add("join");
      return reduced;
    }

    /** Process r has the numbers of this one plus r. */
    @Override
    public int gather(long from, long to, long n, int type) {
      assertEquals(nccl.ncclFloat32, type);
      for (int rank = 0; rank < size; rank++) {
        for (int i = 0; i < n; i++) {
          At.floats(to).put(rank * n + i, At.floats(from).get(i) + rank);
        }
      }
      if (nanOf >= 0) {
        At.floats(to).put(nanOf * n, Float.NaN);
      }
      return reduced;
    }

    @Override
    public int finish() {
      calls.add("finish");
      return SUCCESS;
    }

    @Override
    public void abort() {
      calls.add("abort");
    }

    @Override
    public String explain(int of) {
      return "status " + of;
    }
  }

  private Nccl meet(Played library, int rank, int size, Duration patience) {
    return new Nccl(cuda, new Meeting(folder, rank, size), library, patience);
  }

  private String lossOf(Runnable run) {
    return assertThrows(CollectiveException.class, run::run).getMessage();
  }

  @Test
  void theFirstMakesTheIdAndTheOthersReadIt() {
    Played first = new Played();
    Played second = new Played();
    try (Nccl a = meet(first, 0, 2, PATIENCE);
        Nccl b = meet(second, 1, 2, PATIENCE)) {
      assertEquals(List.of("makeId", "connect 0 of 2 by 567"), first.calls);
      assertEquals(List.of("connect 1 of 2 by 567"), second.calls);
      assertEquals(1, b.rank());
      assertEquals(2, a.size());
    }
  }

  @Test
  void whoLeavesFinishesWhatItBegan() {
    Played library = new Played();
    meet(library, 0, 2, PATIENCE).close();
    assertEquals(List.of("finish", "abort"), library.calls.subList(2, 4));
    assertFalse(Files.exists(folder.resolve("present-0")));
  }

  @Test
  void whoWaitsForTheFirstGivesUpInTime() {
    assertEquals(
        "process 1 of 2 lost the others: they did not come in 0 s",
        lossOf(() -> meet(new Played(), 1, 2, SHORT)));
  }

  @Test
  void whoConnectsGivesUpInTime() {
    Played library = new Played();
    library.status = NcclLibrary.IN_PROGRESS;
    assertTrue(lossOf(() -> meet(library, 0, 2, SHORT)).contains("they did not come"));
    assertTrue(library.calls.contains("abort"));
  }

  @Test
  void aDeadProcessIsNotWaitedFor() throws Exception {
    Files.createFile(folder.resolve("present-1")); // Whose lock nobody holds.
    Played library = new Played();
    library.status = NcclLibrary.IN_PROGRESS;
    assertEquals(
        "process 0 of 2 lost the others: process 1 is gone",
        lossOf(() -> meet(library, 0, 2, PATIENCE)));
    assertTrue(library.calls.contains("abort"));
  }

  @Test
  void aProcessThatDiesLaterEndsWaitingForTheDevice() throws Exception {
    Played library = new Played();
    try (Nccl nccl = meet(library, 0, 3, PATIENCE)) {
      cuda.check(0);
      Files.createFile(folder.resolve("present-2"));
      while (!library.calls.contains("abort")) {
        Thread.sleep(10);
      }
      assertTrue(lossOf(nccl::requireAll).endsWith("process 2 is gone"));
      assertTrue(lossOf(() -> nccl.sum(new double[1])).endsWith("process 2 is gone"));
    }
  }

  @Test
  void anErrorOfTheLibraryIsOneLine() {
    Played library = new Played();
    try (Nccl nccl = meet(library, 0, 2, PATIENCE)) {
      library.reduced = 6;
      assertEquals(
          "process 0 of 2 lost the others: status 6", lossOf(() -> nccl.sum(new double[1])));
    }
  }

  @Test
  void whoSumsGivesUpInTime() {
    Played library = new Played();
    try (Nccl nccl = meet(library, 0, 2, SHORT)) {
      library.reduced = NcclLibrary.IN_PROGRESS;
      library.status = NcclLibrary.IN_PROGRESS;
      assertTrue(lossOf(() -> nccl.sum(new double[1])).contains("they did not come"));
    }
  }

  @Test
  void numbersOfTheHostAreSummed() {
    try (Nccl nccl = meet(new Played(), 0, 3, PATIENCE)) {
      double[] few = {1.5, -2};
      nccl.sum(few);
      assertArrayEquals(new double[] {4.5, -6}, few);
      double[] more = {1, 2, 3, 4};
      nccl.sum(more);
      assertArrayEquals(new double[] {3, 6, 9, 12}, more);
    }
  }

  @Test
  void aMeanIsTheSumTimesTheShare() {
    try (Nccl nccl = meet(new Played(), 0, 3, PATIENCE);
        DeviceMemory memory = new DeviceMemory(cuda, 64)) {
      HostView host = memory.host(0, 64);
      host.buffer().putFloat(0, 0.1f).putFloat(4, 7);
      host.push();
      nccl.reducing(memory.address(), 2, DType.F32, AllReduce.Kind.MEAN).run();
      host.pull();
      assertEquals(0.1f * 3 * (1f / 3), host.buffer().getFloat(0));
      assertEquals(7f * 3 * (1f / 3), host.buffer().getFloat(4));
    }
  }

  @Test
  void anOverlappingMeanBeginsBesideAndIsAMeanWhereItWasAwaited() {
    Played library = new Played();
    try (Nccl nccl = meet(library, 0, 3, PATIENCE);
        DeviceMemory memory = new DeviceMemory(cuda, 64);
        OverlappedReduction mean = nccl.overlappingMean(memory.address(), 2)) {
      HostView host = memory.host(0, 64);
      host.buffer().putFloat(0, 0.1f).putFloat(4, 7);
      host.push();
      library.calls.clear();
      mean.begin().run();
      assertEquals(List.of("beside"), library.calls);
      mean.await().run();
      assertEquals(List.of("beside", "join"), library.calls);
      host.pull();
      assertEquals(0.1f * 3 * (1f / 3), host.buffer().getFloat(0));
      assertEquals(7f * 3 * (1f / 3), host.buffer().getFloat(4));
      library.reduced = 6;
      assertTrue(lossOf(mean.await()::run).endsWith("status 6"));
    }
  }

  @Test
  void aNanOfAnyProcessIsTheExtreme() {
    for (int nanOf = -1; nanOf < 3; nanOf++) {
      Played library = new Played();
      library.nanOf = nanOf;
      try (Nccl nccl = meet(library, 0, 3, PATIENCE)) {
        float[] smallest = extremes(nccl, AllReduce.Kind.MIN);
        float[] largest = extremes(nccl, AllReduce.Kind.MAX);
        assertArrayEquals(new float[] {nanOf < 0 ? -1.5f : Float.NaN, 4}, smallest);
        assertArrayEquals(new float[] {nanOf < 0 ? 0.5f : Float.NaN, 6}, largest);
      }
    }
  }

  /** Of (-1.5, 4). */
  private float[] extremes(Nccl nccl, AllReduce.Kind kind) {
    try (DeviceMemory memory = new DeviceMemory(cuda, 64);
        Kernel reducing = nccl.reducing(memory.address(), 2, DType.F32, kind);
        DeviceMemory workspace = new DeviceMemory(cuda, reducing.workspaceBytes())) {
      HostView host = memory.host(0, 64);
      host.buffer().putFloat(0, -1.5f).putFloat(4, 4);
      host.push();
      reducing.attach(workspace.address());
      reducing.run();
      host.pull();
      return new float[] {host.buffer().getFloat(0), host.buffer().getFloat(4)};
    }
  }

  /** Sums of a reduction of pairs over processes that all have the same. */
  private List<BigInteger> summed(int processes, List<BigInteger> values) {
    try (Nccl nccl = meet(new Played(), 0, processes, PATIENCE);
        DeviceMemory memory = new DeviceMemory(cuda, 16L * values.size())) {
      HostView host = memory.host(0, memory.bytes());
      for (int i = 0; i < values.size(); i++) {
        host.buffer().putLong(16 * i, values.get(i).longValue());
        host.buffer().putLong(16 * i + 8, values.get(i).shiftRight(64).longValue());
      }
      host.push();
      Kernel sum =
          nccl.reducing(memory.address(), values.size(), DType.S64, AllReduce.Kind.SUM_PAIRS);
      try (DeviceMemory workspace = new DeviceMemory(cuda, sum.workspaceBytes())) {
        sum.attach(workspace.address());
        sum.run();
      }
      sum.close();
      host.pull();
      List<BigInteger> sums = new ArrayList<>();
      for (int i = 0; i < values.size(); i++) {
        BigInteger low = new BigInteger(Long.toUnsignedString(host.buffer().getLong(16 * i)));
        sums.add(
            BigInteger.valueOf(host.buffer().getLong(16 * i + 8)).shiftLeft(64).add(low));
      }
      return sums;
    }
  }

  @Test
  void pairsAreSummedExactlyWithEveryCarry() {
    BigInteger one = BigInteger.ONE;
    List<BigInteger> values = new ArrayList<>();
    for (int bit : new int[] {0, 31, 32, 63, 64, 95, 96, 117}) {
      values.add(one.shiftLeft(bit));
      values.add(one.shiftLeft(bit).subtract(one));
      values.add(one.shiftLeft(bit).add(one.shiftLeft(bit / 2)));
    }
    // Just beyond 2^118, where carries go through all limbs.
    for (int processes : new int[] {2, 3, 5, 256}) {
      values.add(
          one.shiftLeft(118).divide(BigInteger.valueOf(processes)).add(one));
    }
    Random random = new Random(1);
    for (int i = 0; i < 300; i++) {
      values.add(new BigInteger(random.nextInt(119), random));
    }
    for (int processes : new int[] {2, 3, 5, 256}) {
      BigInteger times = BigInteger.valueOf(processes);
      assertEquals(
          values.stream().map(times::multiply).toList(),
          summed(processes, values),
          processes + " processes");
    }
  }

  @Test
  void typesAndFunctionsAreThoseOfTheLibrary() {
    assertEquals(
        Map.of(DType.F32, 7, DType.S32, 2, DType.S64, 4),
        Map.of(
            DType.F32, Nccl.typeOf(DType.F32),
            DType.S32, Nccl.typeOf(DType.S32),
            DType.S64, Nccl.typeOf(DType.S64)));
    assertThrows(IllegalArgumentException.class, () -> Nccl.typeOf(DType.U8));
    assertEquals(0, Nccl.functionOf(AllReduce.Kind.SUM));
    assertEquals(0, Nccl.functionOf(AllReduce.Kind.MEAN));
    assertEquals(2, Nccl.functionOf(AllReduce.Kind.MAX));
    assertEquals(3, Nccl.functionOf(AllReduce.Kind.MIN));
  }

  @Test
  void thereAreNoMoreProcessesThanDevices() {
    assertEquals(
        Optional.of("4 on CUDA need a device each, and there are 2"),
        CudaBackend.whyNotShared(4, 2));
    assertEquals(Optional.empty(), CudaBackend.whyNotShared(2, 2));
  }

  @Test
  void theLibraryIsMissedOnlyWhereProcessesMeet() throws Exception {
    Path libraries = Files.createDirectories(folder.resolve("nvidia/nccl/lib"));
    CudaLibraries without = CudaLibraries.find(folder, List.of());
    assertFalse(without.missing().contains(NeededLibrary.NCCL));
    assertTrue(CudaDiagnosis.ncclFound(without).detail().contains("libnccl.so.2 not found"));
    Path file = Files.createFile(libraries.resolve("libnccl.so.2"));
    CudaLibraries with = CudaLibraries.find(folder, List.of());
    assertEquals(file, with.files().get(NeededLibrary.NCCL));
    assertTrue(CudaDiagnosis.ncclFound(with).ok());
  }
}
