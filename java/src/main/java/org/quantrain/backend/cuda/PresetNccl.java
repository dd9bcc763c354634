package org.quantrain.backend.cuda;

import static org.bytedeco.cuda.global.cudart.cudaSetDevice;
import static org.bytedeco.cuda.global.nccl.NCCL_API_MAGIC;
import static org.bytedeco.cuda.global.nccl.NCCL_UNIQUE_ID_BYTES;
import static org.bytedeco.cuda.global.nccl.NCCL_VERSION_CODE;
import static org.bytedeco.cuda.global.nccl.ncclAllReduce;
import static org.bytedeco.cuda.global.nccl.ncclCommAbort;
import static org.bytedeco.cuda.global.nccl.ncclCommFinalize;
import static org.bytedeco.cuda.global.nccl.ncclCommGetAsyncError;
import static org.bytedeco.cuda.global.nccl.ncclCommInitRankConfig;
import static org.bytedeco.cuda.global.nccl.ncclGetErrorString;
import static org.bytedeco.cuda.global.nccl.ncclGetLastError;
import static org.bytedeco.cuda.global.nccl.ncclGetUniqueId;
import static org.bytedeco.cuda.global.nccl.ncclGetVersion;

import org.bytedeco.cuda.cudart.CUstream_st;
import org.bytedeco.cuda.nccl.ncclComm;
import org.bytedeco.cuda.nccl.ncclConfig_t;
import org.bytedeco.cuda.nccl.ncclUniqueId;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.Pointer;
import org.quantrain.backend.shared.At;
import org.quantrain.runtime.CollectiveException;
import org.quantrain.runtime.QuantrainException;

/** NCCL itself, on one device and stream. */
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

    Connected(ncclComm handle) {
      this.handle = handle;
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
    public int finish() {
      return ncclCommFinalize(handle);
    }

    @Override
    public void abort() {
      ncclCommAbort(handle);
    }

    @Override
    public String explain(int of) {
      return PresetNccl.explain(of, handle);
    }
  }
}
