package org.quantrain.backend.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.quantrain.runtime.HostView;
import org.quantrain.runtime.Kernel;
import org.quantrain.runtime.Memory;
import org.quantrain.runtime.QuantrainException;

/** What a failing kernel leaves behind while a sequence is recorded. */
class CudaRecordingTest {
  /** Runs once, and then refuses. */
  private static final class Refusing implements Kernel {
    private int runs;

    @Override
    public void run() {
      if (runs++ == 1) {
        throw new QuantrainException("[conv2d:a] refused");
      }
    }

    @Override
    public int nativeCalls() {
      return 0;
    }
  }

  @Test
  void theCauseIsToldAndTheDeviceGoesOn() {
    try (CudaBackend cuda = EmulatedDevice.recording();
        Memory memory = cuda.allocate(64)) {
      HostView view = memory.host(0, 64);
      Kernel clear = memory.zeroing(0, 64);
      try (Kernel sequence = cuda.sequence(List.of(clear, new Refusing()))) {
        sequence.run();
        QuantrainException e = assertThrows(QuantrainException.class, sequence::run);
        assertEquals("[conv2d:a] refused", e.getMessage());

        view.buffer().putInt(0, 7);
        view.push();
        sequence.run();
        view.pull();
        byte[] first = new byte[4];
        view.buffer().get(0, first);
        assertArrayEquals(new byte[4], first);
      }
    }
  }
}
