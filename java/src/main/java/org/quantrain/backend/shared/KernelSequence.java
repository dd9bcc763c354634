package org.quantrain.backend.shared;

import java.util.List;
import org.quantrain.runtime.Kernel;

/** Kernels one after another. It does not close them. */
public class KernelSequence implements Kernel {
  private final Kernel[] kernels;

  public KernelSequence(List<Kernel> kernels) {
    this.kernels = kernels.toArray(Kernel[]::new);
  }

  @Override
  public void run() {
    for (Kernel kernel : kernels) {
      kernel.run();
    }
  }

  @Override
  public int nativeCalls() {
    int calls = 0;
    for (Kernel kernel : kernels) {
      calls += kernel.nativeCalls();
    }
    return calls;
  }
}
