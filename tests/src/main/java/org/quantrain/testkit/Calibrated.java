package org.quantrain.testkit;

import java.util.List;
import java.util.Map;
import org.quantrain.graph.Model;
import org.quantrain.runtime.Backend;
import org.quantrain.tensor.HostTensor;
import org.quantrain.train.Calibration;

/** Quantized models whose learned values start from some images. */
public final class Calibrated {
  private Calibrated() {}

  /** Contents after one batch of calibration. */
  public static Map<String, HostTensor> contents(
      Model quantized, Backend backend, HostTensor images) {
    return contents(quantized, backend, List.of(images));
  }

  /** Likewise of a network with any inputs. */
  public static Map<String, HostTensor> contents(
      Model quantized, Backend backend, List<HostTensor> inputs) {
    return Calibration.ofBatch(backend, quantized, inputs);
  }
}
