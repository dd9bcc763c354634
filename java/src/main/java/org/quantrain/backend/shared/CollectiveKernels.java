package org.quantrain.backend.shared;

import org.quantrain.op.AllReduce;
import org.quantrain.runtime.Binding;
import org.quantrain.runtime.Binding.Operand;
import org.quantrain.runtime.Kernel;

/** Reductions over the processes that train together. */
final class CollectiveKernels {
  private CollectiveKernels() {}

  static Kernel allReduce(NativeContext context, Binding b) {
    AllReduce.Kind kind = ((AllReduce) b.node().op()).function();
    Operand y = b.output(0);
    long bytes = y.spec().bytes();
    Steps steps = new Steps(b).add(context.copying(b.input(0).address(), y.address(), bytes));
    return add(steps, context, y, kind);
  }

  static Kernel averageState(NativeContext context, Binding b) {
    return add(new Steps(b), context, b.input(0), AllReduce.Kind.MEAN);
  }

  private static Steps add(Steps steps, NativeContext context, Operand in, AllReduce.Kind kind) {
    long elements = Sizes.elements(in) / (kind == AllReduce.Kind.SUM_PAIRS ? 2 : 1);
    Kernel reducing =
        context.collective().reducing(in.address(), elements, in.spec().dtype(), kind);
    steps.scratch().region(reducing.workspaceBytes()).whenKnown(reducing::attach);
    return steps.add(
        new Steps.Step() {
          @Override
          public void run() {
            reducing.run();
          }

          @Override
          public int nativeCalls() {
            return reducing.nativeCalls();
          }

          @Override
          public void close() {
            reducing.close();
          }
        });
  }
}
