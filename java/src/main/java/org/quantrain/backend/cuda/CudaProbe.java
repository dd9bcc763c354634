package org.quantrain.backend.cuda;

import java.io.IOException;
import java.net.URL;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.IntPointer;
import org.bytedeco.javacpp.Loader;
import org.quantrain.internal.bind.QuantrainNative;

/**
 * Whether this machine can run the CUDA kernels. They live in a library of their own, which is
 * opened only here and only if it was built.
 *
 * @param library of the kernels, unpacked; null if it is not there
 * @param built whether it was
 * @param devices usable devices, 0 where {@code built} is false
 * @param reason why there is no device; empty if there is one
 */
public record CudaProbe(Path library, boolean built, int devices, String reason) {
  private static final String LIBRARY = "libquantrain_cuda.so";

  public static CudaProbe run() {
    URL library =
        CudaProbe.class.getResource(
            "/org/quantrain/internal/bind/" + Loader.getPlatform() + "/" + LIBRARY);
    if (library == null) {
      return new CudaProbe(null, false, 0, "the kernels were not built: there was no nvcc");
    }
    Path path;
    try {
      path = Loader.cacheResource(library).toPath().toAbsolutePath();
    } catch (IOException e) {
      return new CudaProbe(null, true, 0, "the library cannot be unpacked: " + e.getMessage());
    }
    try (BytePointer message = new BytePointer(512);
        IntPointer devices = new IntPointer(1);
        BytePointer file = new BytePointer(path.toString(), StandardCharsets.UTF_8)) {
      message.put(0, (byte) 0);
      devices.put(0, 0);
      int status = QuantrainNative.qt_cuda_probe(file, devices, message, message.capacity());
      return status == QuantrainNative.QT_OK
          ? new CudaProbe(path, true, devices.get(0), "")
          : new CudaProbe(
              path,
              true,
              0,
              message.limit(BytePointer.strlen(message)).getString(StandardCharsets.UTF_8));
    }
  }
}
