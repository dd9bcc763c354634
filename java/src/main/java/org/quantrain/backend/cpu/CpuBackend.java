package org.quantrain.backend.cpu;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import org.quantrain.backend.shared.KernelSequence;
import org.quantrain.backend.shared.OptimizerKernels;
import org.quantrain.backend.shared.SharedKernels;
import org.quantrain.graph.Node;
import org.quantrain.graph.Op;
import org.quantrain.op.Conv2d;
import org.quantrain.op.Conv2dBackwardData;
import org.quantrain.op.Conv2dBackwardWeights;
import org.quantrain.op.ConvCodes;
import org.quantrain.op.ConvRequantize;
import org.quantrain.op.ConvTranspose2d;
import org.quantrain.op.Linear;
import org.quantrain.op.LinearBackwardData;
import org.quantrain.op.LinearBackwardWeights;
import org.quantrain.op.LinearCodes;
import org.quantrain.op.MatMul;
import org.quantrain.op.MatMulCodes;
import org.quantrain.runtime.Backend;
import org.quantrain.runtime.Binding;
import org.quantrain.runtime.Collective;
import org.quantrain.runtime.GradientMean;
import org.quantrain.runtime.Kernel;
import org.quantrain.runtime.Meeting;
import org.quantrain.runtime.Memory;
import org.quantrain.runtime.Sgd;
import org.quantrain.tensor.TensorSpec;

/**
 * The CPU: our native kernels and oneDNN. Everything runs on the calling thread and the OpenMP
 * threads behind it, so a backend must be used from the one thread that opened it.
 */
public final class CpuBackend implements Backend {
  /** Makes the kernel of a product. */
  @FunctionalInterface
  private interface ProductFactory {
    Kernel create(Cpu cpu, Binding binding);
  }

  private static final Map<Class<? extends Op>, ProductFactory> PRODUCTS =
      Map.ofEntries(
          Map.entry(Conv2d.class, ProductKernels::conv2d),
          Map.entry(Conv2dBackwardData.class, ProductKernels::conv2dBackwardData),
          Map.entry(Conv2dBackwardWeights.class, ProductKernels::conv2dBackwardWeights),
          Map.entry(ConvCodes.class, CodeProducts::conv),
          Map.entry(ConvRequantize.class, CodeProducts::convRequantize),
          Map.entry(ConvTranspose2d.class, ProductKernels::convTranspose2d),
          Map.entry(Linear.class, ProductKernels::linear),
          Map.entry(LinearBackwardData.class, ProductKernels::linearBackwardData),
          Map.entry(LinearBackwardWeights.class, ProductKernels::linearBackwardWeights),
          Map.entry(LinearCodes.class, CodeProducts::linear),
          Map.entry(MatMul.class, MatMulKernel::create),
          Map.entry(MatMulCodes.class, CodeMatMul::create));

  private final Cpu cpu;

  private CpuBackend(int threads, String isa) {
    cpu = new Cpu(threads, isa);
  }

  /**
   * The CPU with one thread per core, or OMP_NUM_THREADS.
   *
   * @throws org.quantrain.runtime.QuantrainException if the native libraries do not load here
   */
  public static CpuBackend open() {
    return new CpuBackend(0, null);
  }

  /** The CPU with this many threads, 1 to 1024, for our own kernels and oneDNN. */
  public static CpuBackend open(int threads) {
    if (threads < 1 || threads > 1024) {
      throw new IllegalArgumentException("threads: expected 1 to 1024, got " + threads);
    }
    return new CpuBackend(threads, null);
  }

  /**
   * The CPU with our own kernels compiled for a given instruction set, to compare or to time them.
   *
   * @param isa "baseline", "avx2" or "avx512"
   * @throws org.quantrain.runtime.QuantrainException if this processor or build has no such kernels
   */
  public static CpuBackend openWith(String isa) {
    return new CpuBackend(0, isa);
  }

  @Override
  public String name() {
    return "cpu";
  }

  @Override
  public String description() {
    return "cpu: " + cpu.description();
  }

  @Override
  public Memory allocate(long bytes) {
    return new CpuMemory(bytes);
  }

  @Override
  public Optional<String> unsupported(
      Node node, List<TensorSpec> inputs, List<TensorSpec> outputs) {
    if (!PRODUCTS.containsKey(node.op().getClass()) && !SharedKernels.have(node.op())) {
      return Optional.of("there is no CPU kernel for this operation");
    }
    return node.op() instanceof ConvRequantize && !CodeProducts.takesInOne(node)
        ? Optional.of("its convolution and its requantization must be two nodes")
        : Optional.empty();
  }

  @Override
  public boolean prefers(Node fused) {
    return fused.op() instanceof ConvRequantize
        && cpu.pairsIntegers()
        && CodeProducts.takesInOne(fused);
  }

  @Override
  public void enter() {
    cpu.enter();
  }

  @Override
  public Kernel prepare(Binding binding) {
    enter();
    Op op = binding.node().op();
    if (PRODUCTS.containsKey(op.getClass())) {
      return PRODUCTS.get(op.getClass()).create(cpu, binding);
    }
    if (SharedKernels.have(op)) {
      return SharedKernels.prepare(cpu, binding);
    }
    throw binding.failure("there is no CPU kernel for this operation");
  }

  @Override
  public Collective collective() {
    return cpu.collective();
  }

  @Override
  public void meet(Meeting meeting) {
    if (cpu.collective() != Collective.ALONE) {
      throw new IllegalStateException("the processes have met");
    }
    cpu.meet(new Gloo(meeting));
  }

  /** Why this build has no way to other processes; empty if it has. */
  public static Optional<String> whyAlone() {
    return Gloo.missing();
  }

  @Override
  public Kernel prepare(GradientMean.Launch launch) {
    return OptimizerKernels.gradientMean(cpu, launch);
  }

  @Override
  public Kernel prepare(Sgd.Launch launch) {
    return OptimizerKernels.sgd(cpu, launch);
  }

  @Override
  public Kernel sequence(List<Kernel> kernels) {
    return new KernelSequence(kernels);
  }

  @Override
  public void finish() {}

  @Override
  public int stepsAhead() {
    return 0;
  }

  @Override
  public OptionalLong freeBytes() {
    return OptionalLong.empty();
  }

  @Override
  public void close() {
    cpu.close();
  }
}
