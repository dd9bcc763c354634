package org.quantrain.runtime;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class DeviceTest {
  @ParameterizedTest
  @CsvSource({
    "auto, AUTO, 0, auto",
    "cpu, CPU, 0, cpu",
    "cuda, CUDA, 0, cuda:0",
    "cuda:0, CUDA, 0, cuda:0",
    "cuda:7, CUDA, 7, cuda:7",
  })
  void namesAreRead(String text, Device.Kind kind, int index, String written) {
    Device device = Device.parse(text);
    assertEquals(new Device(kind, index), device);
    assertEquals(written, device.toString());
    assertEquals(device, Device.parse(device.toString()));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "gpu",
        "CUDA",
        "cuda:",
        "cuda:x",
        "cuda:-1",
        "cuda: 1",
        "cuda:1:2",
        "cpu:0",
        "auto:1",
        "cuda:99999999999"
      })
  void othersAreRefusedWithWhatIsExpected(String text) {
    IllegalArgumentException e =
        assertThrows(IllegalArgumentException.class, () -> Device.parse(text));
    assertEquals(
        "expected auto, cpu, cuda or cuda:N (N from 0), got '" + text + "'", e.getMessage());
  }

  @Test
  void onlyCudaDevicesAreCounted() {
    assertThrows(IllegalArgumentException.class, () -> new Device(Device.Kind.CPU, 1));
    assertThrows(IllegalArgumentException.class, () -> new Device(Device.Kind.CUDA, -1));
  }
}
