package org.quantrain.export;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.charset.StandardCharsets;
import org.quantrain.integer.CodesTensor;
import org.quantrain.integer.IntegerWeights;
import org.quantrain.report.Json;

/**
 * Encodings as SNPE and QNN take them to override their own quantization: JSON with {@code
 * activation_encodings} and {@code param_encodings}, for each tensor of the float network a list of
 * encodings (one, or one for each output channel) with bitwidth, min, max, scale, offset (of the
 * lowest code: min / scale) and is_symmetric. Source: AIMET's documentation of encodings, version 0.6.1.
 */
final class SnpeEncodingsExport implements ExportFormat {
  @Override
  public String id() {
    return "snpe-encodings";
  }

  @Override
  public String description() {
    return "encodings of all tensors as JSON for SNPE and QNN";
  }

  @Override
  public String extension() {
    return ".encodings";
  }

  @Override
  public byte[] toBytes(DeployedModel deployed) {
    ObjectNode json = Json.object().put("version", "0.6.1");
    ObjectNode activations = json.putObject("activation_encodings");
    for (CodesTensor t : deployed.model().codes()) {
      ObjectNode one = activations.putArray(DeployedModel.floatName(t.name())).addObject();
      int offset = t.qmin() - t.zeroPoint();
      float min = (float) t.real(t.qmin());
      put(one, t.bits(), min, (float) t.real(t.qmax()), t.scale(), offset);
      one.put("is_symmetric", t.isSigned() && t.zeroPoint() == 0 ? "True" : "False");
    }
    ObjectNode params = json.putObject("param_encodings");
    for (IntegerWeights w : deployed.model().weights()) {
      ArrayNode channels = params.putArray(w.name());
      for (float scale : w.scale().floats()) {
        // Two's complement has one code more below zero than these weights use.
        int lowest = -w.qmax() - 1;
        ObjectNode one = channels.addObject();
        put(one, w.bits(), scale * lowest, scale * w.qmax(), scale, lowest);
        one.put("is_symmetric", "True");
      }
    }
    return Json.pretty(json).getBytes(StandardCharsets.UTF_8);
  }

  private static void put(
      ObjectNode encoding, int bits, float min, float max, float scale, int offset) {
    encoding.put("bitwidth", bits).put("dtype", "int").put("min", min).put("max", max);
    encoding.put("scale", scale).put("offset", offset);
  }
}
