package org.quantrain.backend.cuda;

import java.nio.file.Path;
import java.util.List;
import java.util.function.Function;
import java.util.function.LongFunction;
import java.util.stream.IntStream;
import org.quantrain.backend.cpu.CpuBackend;
import org.quantrain.backend.shared.KernelSequence;
import org.quantrain.graph.Node;
import org.quantrain.internal.bind.QuantrainNative;
import org.quantrain.op.Conv2d;
import org.quantrain.op.Conv2dBackwardData;
import org.quantrain.op.Conv2dBackwardWeights;
import org.quantrain.op.ConvTranspose2d;
import org.quantrain.op.Linear;
import org.quantrain.op.LinearBackwardData;
import org.quantrain.op.LinearBackwardWeights;
import org.quantrain.op.MatMul;
import org.quantrain.runtime.Binding;
import org.quantrain.runtime.Kernel;
import org.quantrain.runtime.Memory;

/**
 * A CUDA backend without a GPU: our .cu files on the emulator, whose device memory is the host's.
 * Products of cuDNN and cuBLASLt are computed by the CPU backend, in their turn among the other work
 * of the stream.
 */
final class EmulatedDevice {
  private static final Path LIBRARY =
      Path.of("../java/target/native/emulator/libquantrain_cuda_emulated.so").toAbsolutePath();

  /** The device that runs nothing before it must; what waits too little shows there most. */
  private static final int LATEST = 8;

  private static final int AT_ONCE = 0;

  private EmulatedDevice() {}

  /** Numbers of devices, each of which has its streams' work in another order. */
  static IntStream orders() {
    return IntStream.rangeClosed(AT_ONCE, LATEST);
  }

  private static final List<Class<?>> LIBRARY_OPERATIONS =
      List.of(
          Conv2d.class,
          Conv2dBackwardData.class,
          Conv2dBackwardWeights.class,
          ConvTranspose2d.class,
          Linear.class,
          LinearBackwardData.class,
          LinearBackwardWeights.class,
          MatMul.class);

  /** What somebody makes in place of a library's kernels; not run. */
  private record Made(Function<Binding, Kernel> kernels) implements Products {
    @Override
    public boolean takes(Node node) {
      return LIBRARY_OPERATIONS.contains(node.op().getClass());
    }

    @Override
    public Kernel prepare(Binding binding) {
      return kernels.apply(binding);
    }

    @Override
    public String description() {
      return "no products";
    }

    @Override
    public void close() {}
  }

  /** Of the CPU where a library would compute. */
  private static final class CpuProducts implements Products {
    private final CpuBackend cpu = CpuBackend.open(1);
    private final Cuda cuda;
    private final HostFunctions functions;

    CpuProducts(Cuda cuda) {
      this.cuda = cuda;
      functions = new HostFunctions(LIBRARY, cuda.stream());
    }

    @Override
    public boolean takes(Node node) {
      return LIBRARY_OPERATIONS.contains(node.op().getClass());
    }

    @Override
    public Kernel prepare(Binding binding) {
      return new CpuProduct(cuda, cpu.prepare(binding), functions);
    }

    @Override
    public String description() {
      return "products of the CPU";
    }

    @Override
    public void close() {
      cpu.close();
      HostFunctions.requireNoFailure();
    }
  }

  /** A kernel of the CPU as a host function of the stream. */
  private static final class CpuProduct implements Kernel {
    private final Cuda cuda;
    private final Kernel kernel;
    private final Kernel enqueued;

    CpuProduct(Cuda cuda, Kernel kernel, HostFunctions functions) {
      this.cuda = cuda;
      this.kernel = kernel;
      enqueued = functions.enqueuing(kernel);
    }

    @Override
    public void run() {
      enqueued.run();
    }

    @Override
    public int nativeCalls() {
      return enqueued.nativeCalls();
    }

    @Override
    public long workspaceBytes() {
      return kernel.workspaceBytes();
    }

    @Override
    public void attach(long workspace) {
      kernel.attach(workspace);
    }

    /** The CPU does at once what is done once, with constants that the device may still compute. */
    @Override
    public void readyConstants(LongFunction<Memory> allocate) {
      finish();
      kernel.readyConstants(allocate);
    }

    /** A library's kernel goes on without what made it; this one does not. */
    @Override
    public void close() {
      finish();
      enqueued.close();
      kernel.close();
    }

    private void finish() {
      cuda.check(QuantrainNative.qt_synchronize(cuda.handle()));
    }
  }

  /** A device that runs every sequence kernel by kernel. */
  static CudaBackend unrecorded() {
    return unrecorded(LATEST);
  }

  /**
   * @param order one of {@link #orders}
   */
  static CudaBackend unrecorded(int order) {
    return new CudaBackend(LIBRARY, order, CpuProducts::new, false);
  }

  /** A device that records sequences. */
  static CudaBackend recording() {
    return recording(LATEST);
  }

  /**
   * @param order one of {@link #orders}
   */
  static CudaBackend recording(int order) {
    return new CudaBackend(LIBRARY, order, CpuProducts::new, true);
  }

  /** A device for plans that are not run: a library's products do nothing. */
  static CudaBackend withoutProducts() {
    return withProducts(binding -> new KernelSequence(List.of()));
  }

  /** A device with these kernels in place of a library's. */
  static CudaBackend withProducts(Function<Binding, Kernel> kernels) {
    return new CudaBackend(LIBRARY, LATEST, cuda -> new Made(kernels), true);
  }

  /** Device number {@code device}; there are nine, from 0. */
  static CudaBackend numbered(int device) {
    return new CudaBackend(LIBRARY, device, CpuProducts::new, true);
  }

  /** Our kernels alone, which have run when their call returns. */
  static Cuda kernels() {
    return new Cuda(LIBRARY, AT_ONCE);
  }
}
