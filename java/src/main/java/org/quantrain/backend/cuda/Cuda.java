package org.quantrain.backend.cuda;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.Pointer;
import org.quantrain.backend.shared.NativeContext;
import org.quantrain.internal.bind.QuantrainNative;
import org.quantrain.internal.bind.qt_context;
import org.quantrain.internal.bind.qt_counters;
import org.quantrain.internal.bind.qt_device_info;
import org.quantrain.runtime.QuantrainException;

/** One CUDA device: our kernels there, its stream, what it is. */
final class Cuda extends NativeContext {
  private final Path library;
  private final int device;

  /**
   * @param library the kernels' library
   * @param device number, from 0
   * @throws QuantrainException if there is no such device, or it has no memory left
   */
  Cuda(Path library, int device) {
    super(open(library, device));
    this.library = library;
    this.device = device;
  }

  private static qt_context open(Path library, int device) {
    // Says why there is none.
    facts(library, device).close();
    qt_context context = new qt_context();
    try (BytePointer file = file(library)) {
      int status = QuantrainNative.qt_context_create_cuda(context, file, device, null);
      if (status == QuantrainNative.QT_OUT_OF_MEMORY) {
        throw new QuantrainException(
            "cuda:" + device + " has no memory left; another process may hold it");
      }
      if (status != QuantrainNative.QT_OK) {
        throw new QuantrainException("cuda:" + device + " cannot be opened");
      }
    }
    return context;
  }

  private static BytePointer file(Path library) {
    return new BytePointer(library.toString(), StandardCharsets.UTF_8);
  }

  private static qt_device_info facts(Path library, int device) {
    qt_device_info info = new qt_device_info();
    try (BytePointer message = new BytePointer(512);
        BytePointer file = file(library)) {
      message.put(0, (byte) 0);
      int status =
          QuantrainNative.qt_cuda_device_info(file, device, info, message, message.capacity());
      if (status != QuantrainNative.QT_OK) {
        info.close();
        String reason =
            message.limit(BytePointer.strlen(message)).getString(StandardCharsets.UTF_8);
        throw new QuantrainException("no device cuda:" + device + ": " + reason);
      }
    }
    return info;
  }

  /** Bytes that can still be allocated. */
  long freeBytes() {
    try (qt_device_info info = facts(library, device)) {
      return info.free_bytes();
    }
  }

  /** "NVIDIA H200, compute capability 9.0, 140 GiB, driver 13.0". */
  String description() {
    try (qt_device_info info = facts(library, device)) {
      return info.name().getString()
          + ", compute capability "
          + info.major()
          + "."
          + info.minor()
          + ", "
          + (info.memory_bytes() >> 30)
          + " GiB, driver for CUDA "
          + info.driver() / 1000
          + "."
          + info.driver() % 1000 / 10;
    }
  }

  /** A cudaStream_t. */
  Pointer stream() {
    return QuantrainNative.qt_context_stream(handle());
  }

  /** Allocations, waits and launches so far. */
  record Counters(long allocations, long waits, long launches) {}

  Counters counters() {
    try (qt_counters counters = new qt_counters()) {
      QuantrainNative.qt_context_counters(handle(), counters);
      return new Counters(counters.allocations(), counters.waits(), counters.launches());
    }
  }
}
