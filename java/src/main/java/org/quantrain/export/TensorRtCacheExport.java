package org.quantrain.export;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Map;
import org.quantrain.integer.CodesTensor;

/**
 * The ranges of activations in the form of TensorRT's calibration cache: a line that names the
 * calibrator, then for each tensor of the float network its name and its scale, the largest
 * magnitude of its range / 127, as the hexadecimal digits of a float32. TensorRT quantizes
 * symmetrically to 8 bits, so this gives it the ranges, not our grids.
 */
final class TensorRtCacheExport implements ExportFormat {
  private static final String HEADER = "TRT-8601-EntropyCalibration2\n";

  @Override
  public String id() {
    return "tensorrt-cache";
  }

  @Override
  public String description() {
    return "ranges of activations as a calibration cache of TensorRT";
  }

  @Override
  public String extension() {
    return ".cache";
  }

  @Override
  public byte[] toBytes(DeployedModel deployed) throws IOException {
    Map<String, Float> scales = new LinkedHashMap<>();
    for (CodesTensor tensor : deployed.model().codes()) {
      if (tensor.bits() != 8) {
        throw new IOException(
            "%s: %s has %d bits, the cache of TensorRT knows 8 only"
                .formatted(deployed.model().where(), tensor.name(), tensor.bits()));
      }
      double largest = Math.max(-tensor.real(0), tensor.real(tensor.qmax()));
      scales.put(DeployedModel.floatName(tensor.name()), (float) (largest / 127));
    }
    StringBuilder text = new StringBuilder(HEADER);
    scales.forEach(
        (name, scale) ->
            text.append(name)
                .append(": %08x\n".formatted(Float.floatToRawIntBits(scale))));
    return text.toString().getBytes(StandardCharsets.UTF_8);
  }
}
