package org.quantrain.backend.cuda;

import static org.bytedeco.cuda.global.cudart.cudaEventCreateWithFlags;
import static org.bytedeco.cuda.global.cudart.cudaEventDestroy;
import static org.bytedeco.cuda.global.cudart.cudaEventDisableTiming;
import static org.bytedeco.cuda.global.cudart.cudaEventRecord;
import static org.bytedeco.cuda.global.cudart.cudaSetDevice;
import static org.bytedeco.cuda.global.cudart.cudaStreamCreateWithFlags;
import static org.bytedeco.cuda.global.cudart.cudaStreamDestroy;
import static org.bytedeco.cuda.global.cudart.cudaStreamNonBlocking;
import static org.bytedeco.cuda.global.cudart.cudaStreamWaitEvent;
import static org.bytedeco.cuda.global.nccl.NCCL_API_MAGIC;
import static org.bytedeco.cuda.global.nccl.NCCL_UNIQUE_ID_BYTES;
import static org.bytedeco.cuda.global.nccl.NCCL_VERSION_CODE;
import static org.bytedeco.cuda.global.nccl.ncclAllGather;
import static org.bytedeco.cuda.global.nccl.ncclAllReduce;
import static org.bytedeco.cuda.global.nccl.ncclCommAbort;
import static org.bytedeco.cuda.global.nccl.ncclCommFinalize;
import static org.bytedeco.cuda.global.nccl.ncclCommGetAsyncError;
import static org.bytedeco.cuda.global.nccl.ncclCommInitRankConfig;
import static org.bytedeco.cuda.global.nccl.ncclGetErrorString;
import static org.bytedeco.cuda.global.nccl.ncclGetLastError;
import static org.bytedeco.cuda.global.nccl.ncclGetUniqueId;
import static org.bytedeco.cuda.global.nccl.ncclGetVersion;
import static org.bytedeco.cuda.global.nccl.ncclUnhandledCudaError;

import org.bytedeco.cuda.cudart.CUevent_st;
import org.bytedeco.cuda.cudart.CUstream_st;
import org.bytedeco.cuda.nccl.ncclComm;
import org.bytedeco.cuda.nccl.ncclConfig_t;
import org.bytedeco.cuda.nccl.ncclUniqueId;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.Pointer;
import org.quantrain.backend.shared.At;
import org.quantrain.runtime.CollectiveException;
import org.quantrain.runtime.QuantrainException;

/** NCCL itself, on one device and its stream, and a second stream beside that. */
final class PresetNccl implements NcclLibrary {
  /** The first whose calls all are as they are used here. */
  private static final int OLDEST = 21800;

  /** NCCL_CONFIG_UNDEF_INT: NCCL's own choice. */
  private static final int UNDEFINED = Integer.MIN_VALUE;

  private final CUstream_st stream;

  private PresetNccl(Pointer stream) {
    this.stream = new CUstream_st(stream);
  }

  /**
   * Loads NCCL; the libraries of products are loaded.
   *
   * @param device number of the calling thread's device
   * @param stream a cudaStream_t of that
   * @throws CollectiveException if NCCL is missing, too old or does not work here
   */
  static PresetNccl open(int device, Pointer stream, CudaLibraries libraries) {
    try {
      int version = version(libraries);
      if (version < OLDEST) {
        throw new CollectiveException(tooOld(version));
      }
    } catch (CollectiveException e) {
      throw e;
    } catch (QuantrainException e) {
      throw new CollectiveException(e.getMessage());
    }
    int status = cudaSetDevice(device);
    if (status != 0) {
      throw new CollectiveException(
          "cuda:" + device + ": status " + status + ": " + CudaFailure.ofCuda(status).advice());
    }
    return new PresetNccl(stream);
  }

  /**
   * Loads NCCL.
   *
   * @return 22903 for 2.29.3
   * @throws QuantrainException naming what is missing or does not load
   */
  static int version(CudaLibraries libraries) {
    libraries.loadNccl();
    try {
      int[] version = new int[1];
      int status = ncclGetVersion(version);
      if (status != SUCCESS) {
        throw new QuantrainException("NCCL: " + words(ncclGetErrorString(status)));
      }
      return version[0];
    } catch (LinkageError e) {
      throw new QuantrainException(
          "%s does not load: %s; to get it: %s"
              .formatted(NeededLibrary.NCCL.file(), e.getMessage(), CudaLibraries.ncclRemedy()),
          e);
    }
  }

  /** Why a version cannot be used; empty if it can. */
  static String tooOld(int version) {
    return version >= OLDEST
        ? ""
        : "NCCL %s: version %s or later is needed; to get it: %s"
            .formatted(
                CudaVersions.library(version),
                CudaVersions.library(OLDEST),
                CudaLibraries.ncclRemedy());
  }

  @Override
  public byte[] makeId() {
    try (ncclUniqueId id = new ncclUniqueId()) {
      check(ncclGetUniqueId(id), "ncclGetUniqueId", null);
      byte[] bytes = new byte[NCCL_UNIQUE_ID_BYTES];
      for (int i = 0; i < bytes.length; i++) {
        bytes[i] = id.internal(i);
      }
      return bytes;
    }
  }

  @Override
  public Communicator connect(byte[] id, int rank, int size) {
    try (ncclUniqueId shared = new ncclUniqueId();
        ncclConfig_t config = neverBlocking()) {
      for (int i = 0; i < NCCL_UNIQUE_ID_BYTES; i++) {
        shared.internal(i, id[i]);
      }
      ncclComm handle = new ncclComm();
      int status = ncclCommInitRankConfig(handle, size, shared, rank, config);
      if (status != IN_PROGRESS) {
        check(status, "ncclCommInitRankConfig", null);
      }
      return new Connected(handle);
    }
  }

  /** What NCCL_CONFIG_INITIALIZER makes, and "blocking" off. An older NCCL reads what it knows. */
  private static ncclConfig_t neverBlocking() {
    ncclConfig_t config = new ncclConfig_t();
    return config
        .size(config.sizeof())
        .magic(NCCL_API_MAGIC)
        .version(NCCL_VERSION_CODE)
        .blocking(0)
        .cgaClusterSize(UNDEFINED)
        .minCTAs(UNDEFINED)
        .maxCTAs(UNDEFINED)
        .netName(null)
        .splitShare(UNDEFINED)
        .trafficClass(UNDEFINED)
        .commName(null)
        .collnetEnable(UNDEFINED)
        .CTAPolicy(UNDEFINED)
        .shrinkShare(UNDEFINED)
        .nvlsCTAs(UNDEFINED)
        .nChannelsPerNetPeer(UNDEFINED)
        .nvlinkCentricSched(UNDEFINED)
        .graphUsageMode(UNDEFINED)
        .numRmaCtx(UNDEFINED);
  }

  private static void check(int status, String call, ncclComm handle) {
    if (status != SUCCESS) {
      throw new CollectiveException(call + ": " + explain(status, handle));
    }
  }

  private static String explain(int status, ncclComm handle) {
    String last = words(ncclGetLastError(handle));
    return words(ncclGetErrorString(status)) + (last.isEmpty() ? "" : ": " + last);
  }

  private static String words(BytePointer text) {
    return text == null || text.isNull() ? "" : text.getString().strip().replaceAll("\\s+", " ");
  }

  private final class Connected implements Communicator {
    private final ncclComm handle;
    private final int[] status = new int[1];
    private final CUstream_st beside = new CUstream_st();
    private final CUevent_st fork = new CUevent_st();
    private final CUevent_st join = new CUevent_st();

    Connected(ncclComm handle) {
      this.handle = handle;
      int made = cudaStreamCreateWithFlags(beside, cudaStreamNonBlocking);
      made = made != 0 ? made : cudaEventCreateWithFlags(fork, cudaEventDisableTiming);
      made = made != 0 ? made : cudaEventCreateWithFlags(join, cudaEventDisableTiming);
      if (made != 0) {
        abort();
        throw new CollectiveException(
            "a stream for NCCL: status " + made + ": " + CudaFailure.ofCuda(made).advice());
      }
    }

    @Override
    public int status() {
      int called = ncclCommGetAsyncError(handle, status);
      return called == SUCCESS ? status[0] : called;
    }

    @Override
    public int allReduce(long address, long elements, int type, int function) {
      Pointer data = At.any(address);
      return ncclAllReduce(data, data, elements, type, function, handle, stream);
    }

    @Override
    public int allReduceBeside(long address, long elements, int type, int function) {
      Pointer data = At.any(address);
      int ordered = order(stream, fork, beside);
      return ordered != SUCCESS
          ? ordered
          : ncclAllReduce(data, data, elements, type, function, handle, beside);
    }

    @Override
    public int join() {
      return order(beside, join, stream);
    }

    /** What is enqueued on one stream from now on comes behind what is on another. */
    private static int order(CUstream_st first, CUevent_st event, CUstream_st then) {
      int called = cudaEventRecord(event, first);
      called = called != 0 ? called : cudaStreamWaitEvent(then, event, 0);
      return called == 0 ? SUCCESS : ncclUnhandledCudaError;
    }

    @Override
    public int gather(long from, long to, long elements, int type) {
      return ncclAllGather(At.any(from), At.any(to), elements, type, handle, stream);
    }

    @Override
    public int finish() {
      return ncclCommFinalize(handle);
    }

    @Override
    public void abort() {
      ncclCommAbort(handle);
      cudaEventDestroy(join);
      cudaEventDestroy(fork);
      cudaStreamDestroy(beside);
    }

    @Override
    public String explain(int of) {
      return PresetNccl.explain(of, handle);
    }
  }
}
