package org.quantrain.backend.cuda;

import java.nio.file.Path;
import java.util.List;
import org.quantrain.backend.cpu.CpuBackend;
import org.quantrain.backend.shared.KernelSequence;
import org.quantrain.graph.Node;
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

/**
 * A CUDA backend without a GPU: our .cu files on the emulator, whose device memory is the host's.
 * Products of cuDNN and cuBLASLt are computed by the CPU backend, at once, so they cannot be
 * recorded.
 */
final class EmulatedDevice {
  private static final Path LIBRARY =
      Path.of("../java/target/native/emulator/libquantrain_cuda_emulated.so").toAbsolutePath();

  private EmulatedDevice() {}

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

  private record NoProducts() implements Products {
    @Override
    public boolean takes(Node node) {
      return LIBRARY_OPERATIONS.contains(node.op().getClass());
    }

    @Override
    public Kernel prepare(Binding binding) {
      return new KernelSequence(List.of());
    }

    @Override
    public String description() {
      return "no products";
    }

    @Override
    public void close() {}
  }

  /** Of the CPU where a library would compute. */
  private record CpuProducts(CpuBackend cpu) implements Products {
    @Override
    public boolean takes(Node node) {
      return LIBRARY_OPERATIONS.contains(node.op().getClass());
    }

    @Override
    public Kernel prepare(Binding binding) {
      return cpu.prepare(binding);
    }

    @Override
    public String description() {
      return "products of the CPU";
    }

    @Override
    public void close() {
      cpu.close();
    }
  }

  /** A device that runs every sequence kernel by kernel. */
  static CudaBackend unrecorded() {
    return open(false);
  }

  /** A device that records sequences; for those without products of a library. */
  static CudaBackend recording() {
    return open(true);
  }

  /** A device for plans that are not run: a library's products do nothing. */
  static CudaBackend withoutProducts() {
    return new CudaBackend(LIBRARY, 0, cuda -> new NoProducts(), true);
  }

  /** Device number {@code device}; there is one, 0. */
  static CudaBackend numbered(int device) {
    return new CudaBackend(LIBRARY, device, cuda -> new NoProducts(), true);
  }

  /** Our kernels alone. */
  static Cuda kernels() {
    return new Cuda(LIBRARY, 0);
  }

  private static CudaBackend open(boolean graphs) {
    return new CudaBackend(LIBRARY, 0, cuda -> new CpuProducts(CpuBackend.open(1)), graphs);
  }
}
