package org.quantrain.backend.cuda;

import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.function.Function;
import org.quantrain.backend.shared.DeviceMemory;
import org.quantrain.backend.shared.KernelSequence;
import org.quantrain.backend.shared.OptimizerKernels;
import org.quantrain.backend.shared.SharedKernels;
import org.quantrain.graph.Node;
import org.quantrain.internal.bind.QuantrainNative;
import org.quantrain.internal.bind.qt_recording;
import org.quantrain.runtime.Backend;
import org.quantrain.runtime.Binding;
import org.quantrain.runtime.Collective;
import org.quantrain.runtime.FloatProducts;
import org.quantrain.runtime.GradientMean;
import org.quantrain.runtime.Kernel;
import org.quantrain.runtime.Meeting;
import org.quantrain.runtime.Memory;
import org.quantrain.runtime.QuantrainException;
import org.quantrain.runtime.Sgd;
import org.quantrain.tensor.TensorSpec;

/**
 * A CUDA device: our native kernels, and a library's products. Kernels are enqueued on one stream;
 * a sequence of them runs one by one the first time, is recorded as a CUDA graph the second, and
 * from then on is one launch. {@code -Dquantrain.graph=off} leaves it at the first.
 */
public final class CudaBackend implements Backend {
  private final Cuda cuda;
  private final int device;
  private final Products products;
  private final boolean graphs;

  /** Whether a sequence runs or is recorded: one in it is a part of that. */
  private boolean within;

  /**
   * @param library our kernels
   * @param products made on the device
   * @param graphs whether sequences are recorded
   */
  CudaBackend(Path library, int device, Function<Cuda, Products> products, boolean graphs) {
    this.graphs = graphs;
    this.device = device;
    cuda = new Cuda(library, device);
    try {
      this.products = products.apply(cuda);
    } catch (RuntimeException e) {
      cuda.close();
      throw e;
    }
  }

  /**
   * A device with the libraries that {@link CudaLibraries} finds.
   *
   * @param device its number, from 0
   * @param options of products of floats
   * @throws QuantrainException in one line, if there is no such device, the kernels were not built,
   *     or a library is missing, too old or does not work here, with what to do
   */
  public static CudaBackend open(int device, FloatProducts options) {
    CudaProbe probe = CudaProbe.run();
    if (probe.devices() == 0) {
      throw new QuantrainException(
          "no device cuda:%d: %s; 'quantrain doctor' says what it takes"
              .formatted(device, probe.reason()));
    }
    return new CudaBackend(
        probe.library(),
        device,
        cuda ->
            LibraryProducts.open(cuda, device, cuda.stream(), CudaLibraries.find(), options),
        !"off".equals(System.getProperty("quantrain.graph")));
  }

  @Override
  public String name() {
    return "cuda";
  }

  @Override
  public String description() {
    return "cuda: "
        + cuda.description()
        + ", "
        + products.description()
        + (graphs ? "" : ", without CUDA graphs");
  }

  /** What the device did so far. */
  Cuda.Counters counters() {
    return cuda.counters();
  }

  @Override
  public Memory allocate(long bytes) {
    return new DeviceMemory(cuda, bytes);
  }

  @Override
  public Optional<String> unsupported(
      Node node, List<TensorSpec> inputs, List<TensorSpec> outputs) {
    return products.takes(node) || CodeProducts.have(node.op()) || SharedKernels.have(node.op())
        ? Optional.empty()
        : Optional.of("there is no CUDA kernel for this operation");
  }

  @Override
  public boolean prefers(Node fused) {
    return false;
  }

  @Override
  public void enter() {
    cuda.enter();
  }

  @Override
  public Kernel prepare(Binding binding) {
    enter();
    if (products.takes(binding.node())) {
      return products.prepare(binding);
    }
    if (CodeProducts.have(binding.node().op())) {
      return CodeProducts.prepare(cuda, binding);
    }
    if (SharedKernels.have(binding.node().op())) {
      return SharedKernels.prepare(cuda, binding);
    }
    throw binding.failure("there is no CUDA kernel for this operation");
  }

  @Override
  public Kernel prepare(Sgd.Launch launch) {
    return OptimizerKernels.sgd(cuda, launch);
  }

  @Override
  public Kernel prepare(GradientMean.Launch launch) {
    return OptimizerKernels.gradientMean(cuda, launch);
  }

  @Override
  public Kernel sequence(List<Kernel> kernels) {
    return new Sequence(kernels);
  }

  @Override
  public void finish() {
    cuda.check(QuantrainNative.qt_synchronize(cuda.handle()));
  }

  @Override
  public int stepsAhead() {
    return 1;
  }

  @Override
  public OptionalLong freeBytes() {
    return OptionalLong.of(cuda.freeBytes());
  }

  @Override
  public Collective collective() {
    return cuda.collective();
  }

  @Override
  public void meet(Meeting meeting) {
    if (cuda.collective() != Collective.ALONE) {
      throw new IllegalStateException("the processes have met");
    }
    enter();
    PresetNccl nccl = PresetNccl.open(device, cuda.stream(), CudaLibraries.find());
    cuda.meet(new Nccl(cuda, meeting, nccl, Nccl.PATIENCE));
  }

  /** Why so many processes cannot have a device each; empty if they can, or there is none. */
  public static Optional<String> whyNotShared(int processes) {
    return whyNotShared(processes, CudaProbe.run().devices());
  }

  static Optional<String> whyNotShared(int processes, int devices) {
    return devices == 0 || processes <= devices
        ? Optional.empty()
        : Optional.of(
            "%d on CUDA need a device each, and there %s"
                .formatted(processes, devices == 1 ? "is 1" : "are " + devices));
  }

  @Override
  public void close() {
    products.close();
    cuda.close();
  }

  private final class Sequence extends KernelSequence {
    private qt_recording recorded;
    private boolean ran;

    Sequence(List<Kernel> kernels) {
      super(kernels);
    }

    @Override
    public void run() {
      if (!graphs || within) {
        super.run();
      } else if (!ran) {
        runAsOne();
        ran = true;
      } else {
        if (recorded == null) {
          record();
        }
        cuda.check(QuantrainNative.qt_recording_run(recorded));
      }
    }

    private void runAsOne() {
      within = true;
      try {
        super.run();
      } finally {
        within = false;
      }
    }

    private void record() {
      cuda.check(QuantrainNative.qt_record_begin(cuda.handle()));
      qt_recording made = new qt_recording();
      try {
        runAsOne();
      } catch (RuntimeException e) {
        // Ends the recording, which may fail for the same reason: the first is what is told.
        if (QuantrainNative.qt_record_end(cuda.handle(), made) == QuantrainNative.QT_OK) {
          QuantrainNative.qt_recording_destroy(made);
        }
        throw e;
      }
      cuda.check(QuantrainNative.qt_record_end(cuda.handle(), made));
      recorded = made;
    }

    @Override
    public void close() {
      if (recorded != null) {
        QuantrainNative.qt_recording_destroy(recorded);
        recorded = null;
      }
    }
  }
}
