package org.quantrain.backend.cuda;

import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import org.bytedeco.javacpp.Loader;
import org.bytedeco.javacpp.LongPointer;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.opencl.User_func_Pointer;
import org.quantrain.runtime.Kernel;

/**
 * Java code among the work of an emulated stream, in its turn there and in what is recorded of it.
 * OpenCL's classes have the one function type that is needed, for either direction.
 */
final class HostFunctions {
  /** What the stream calls, with a number for its data. */
  private static final class Caller extends User_func_Pointer {
    @Override
    public void call(Pointer number) {
      try {
        KERNELS.get(number.address()).run();
      } catch (RuntimeException | Error e) {
        failure = e; // Not through native code.
      }
    }
  }

  private static final Map<Long, Kernel> KERNELS = new HashMap<>();
  private static final Caller CALLER = new Caller();
  private static long last;
  private static Throwable failure;

  /** The emulator's function, called through a place that holds its address. */
  private final User_func_Pointer launch;

  private final LongPointer place;
  private final Pointer stream;

  /**
   * @param library the emulator's
   * @param stream one of its streams
   */
  HostFunctions(Path library, Pointer stream) {
    this.stream = stream;
    Loader.loadGlobal(library.toString());
    place = new LongPointer(1).put(Loader.addressof("emulator_launch_host_function").address());
    launch = new User_func_Pointer(place);
  }

  /** What enqueues the work of {@code kernel}. */
  Kernel enqueuing(Kernel kernel) {
    long number = ++last;
    KERNELS.put(number, kernel);
    LongPointer call =
        new LongPointer(stream.address(), new LongPointer(CALLER).get(0), number);
    return new Kernel() {
      @Override
      public void run() {
        requireNoFailure();
        launch.call(call);
      }

      @Override
      public int nativeCalls() {
        return 1;
      }

      @Override
      public void close() {
        KERNELS.remove(number);
        call.close();
      }
    };
  }

  /** What failed in a stream since the last time that somebody asked. */
  static void requireNoFailure() {
    Throwable found = failure;
    failure = null;
    if (found != null) {
      throw new IllegalStateException("a host function failed", found);
    }
  }
}
