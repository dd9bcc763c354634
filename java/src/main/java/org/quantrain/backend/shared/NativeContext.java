package org.quantrain.backend.shared;

import java.util.function.IntSupplier;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.IntPointer;
import org.bytedeco.javacpp.LongPointer;
import org.bytedeco.javacpp.Pointer;
import org.quantrain.internal.bind.QuantrainNative;
import org.quantrain.internal.bind.qt_context;
import org.quantrain.runtime.Binding;
import org.quantrain.runtime.Collective;
import org.quantrain.runtime.QuantrainException;

/** Our native kernels on one device. */
public class NativeContext implements AutoCloseable {
  /** A kernel of the native library. */
  @FunctionalInterface
  public interface NativeKernel<A extends Pointer> {
    int launch(qt_context context, A args);
  }

  /** A native kernel bound to its arguments. */
  private record Call<A extends Pointer>(
      NativeContext context, Binding binding, A args, NativeKernel<? super A> kernel)
      implements Steps.Step {
    @Override
    public void run() {
      if (kernel.launch(context.handle, args) != QuantrainNative.QT_OK) {
        context.collective.requireAll(); // Whose loss may be why.
        String text = context.lastError();
        throw binding == null ? new QuantrainException(text) : binding.failure(text);
      }
    }

    @Override
    public void close() {
      args.close();
    }
  }

  private final qt_context handle;
  private Collective collective = Collective.ALONE;

  /**
   * @param handle closed with this
   */
  protected NativeContext(qt_context handle) {
    this.handle = handle;
  }

  public final qt_context handle() {
    return handle;
  }

  /** Why the last call failed. */
  protected String lastError() {
    return QuantrainNative.qt_last_error(handle).getString();
  }

  /**
   * @param status of a native function of this context
   * @throws QuantrainException with the context's last error if it is none of success
   * @throws org.quantrain.runtime.CollectiveException if the other processes are lost, for which
   *     functions that wait end early
   */
  public final void check(int status) {
    collective.requireAll();
    if (status != QuantrainNative.QT_OK) {
      throw new QuantrainException(lastError());
    }
  }

  /** Makes what belongs to the calling thread this context's: the device, or OpenMP's setting. */
  public final void enter() {
    QuantrainNative.qt_context_enter(handle);
  }

  /** One call of a native kernel; {@code args} is owned by the step. */
  public final <A extends Pointer> Steps.Step call(
      Binding binding, A args, NativeKernel<? super A> kernel) {
    return new Call<>(this, binding, args, kernel);
  }

  /** A kernel that is one native call. */
  public final <A extends Pointer> Steps kernel(
      Binding binding, A args, NativeKernel<? super A> kernel) {
    return new Steps(binding).add(call(binding, args, kernel));
  }

  /** Numbers in the device's memory, closed with the steps that read them. */
  final FloatPointer constant(Steps steps, float... values) {
    try (FloatPointer host = new FloatPointer(values)) {
      return At.floats(uploaded(steps, host, (long) Float.BYTES * values.length));
    }
  }

  final IntPointer constant(Steps steps, int... values) {
    try (IntPointer host = new IntPointer(values)) {
      return At.ints(uploaded(steps, host, (long) Integer.BYTES * values.length));
    }
  }

  final LongPointer constant(Steps steps, long... values) {
    try (LongPointer host = new LongPointer(values)) {
      return At.longs(uploaded(steps, host, (long) Long.BYTES * values.length));
    }
  }

  private long uploaded(Steps steps, Pointer host, long bytes) {
    DeviceMemory memory = steps.owning(new DeviceMemory(this, bytes));
    check(QuantrainNative.qt_memory_write(handle, At.any(memory.address()), host, bytes));
    return memory.address();
  }

  /** The processes that the kernels prepared from now on reduce over. */
  public final Collective collective() {
    return collective;
  }

  /**
   * @param others closed with this
   */
  public final void meet(Collective others) {
    collective = others;
  }

  /** Copies memory of the device. */
  final Steps.Step copying(long from, long to, long bytes) {
    Pointer source = At.any(from);
    Pointer target = At.any(to);
    return () -> check(QuantrainNative.qt_memory_copy(handle, target, source, bytes));
  }

  /** Sets memory of the device to zero. */
  final Steps.Step zeroing(long address, long bytes) {
    Pointer target = At.any(address);
    return () -> check(QuantrainNative.qt_memory_zero(handle, target, bytes));
  }

  /** A kernel that is one call of a function which returns a status. */
  final Steps steps(IntSupplier call) {
    return new Steps(null).add(() -> check(call.getAsInt()));
  }

  @Override
  public void close() {
    collective.close();
    QuantrainNative.qt_context_destroy(handle);
    handle.setNull();
  }
}
