package org.quantrain.runtime;

import java.nio.ByteBuffer;

/** A tensor that the host fills again and again, while the device may still work on what was. */
public interface Feed extends AutoCloseable {
  /**
   * The buffer to fill next, in native byte order; to be asked for each time. Its contents are of no
   * meaning. Waits where everything that was handed over is still on its way.
   */
  ByteBuffer next();

  /** Hands over what {@link #next} gave: kernels that run later see it. */
  void push();

  @Override
  void close();
}
