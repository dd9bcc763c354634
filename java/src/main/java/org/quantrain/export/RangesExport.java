package org.quantrain.export;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.charset.StandardCharsets;
import java.util.TreeMap;
import org.quantrain.integer.CodesTensor;
import org.quantrain.integer.IntegerWeights;
import org.quantrain.report.Json;

/**
 * Grids and ranges as JSON: {@code activations} with name, bits, scale, zero-point and the real
 * numbers of the lowest and highest code; {@code weights} with layer, name and bits, and a scale
 * and a range for each output channel; {@code metadata}, what the file says about itself. Scales
 * are the float32 values to the bit: their shortest decimals.
 */
final class RangesExport implements ExportFormat {
  @Override
  public String id() {
    return "ranges";
  }

  @Override
  public String description() {
    return "scale, zero-point and range of every tensor as JSON";
  }

  @Override
  public String extension() {
    return ".json";
  }

  @Override
  public byte[] toBytes(DeployedModel deployed) {
    ObjectNode json = Json.object();
    ObjectNode metadata = json.putObject("metadata");
    new TreeMap<>(deployed.model().metadata()).forEach(metadata::put);
    ArrayNode activations = json.putArray("activations");
    for (CodesTensor tensor : deployed.model().codes()) {
      ObjectNode one = activations.addObject();
      one.put("name", DeployedModel.floatName(tensor.name())).put("bits", tensor.bits());
      one.put("signed", tensor.isSigned()).put("scale", tensor.scale());
      one.put("zeroPoint", tensor.zeroPoint());
      one.put("min", (float) tensor.real(tensor.qmin()));
      one.put("max", (float) tensor.real(tensor.qmax()));
    }
    ArrayNode weights = json.putArray("weights");
    for (IntegerWeights w : deployed.model().weights()) {
      weights.add(weights(w));
    }
    return Json.pretty(json).getBytes(StandardCharsets.UTF_8);
  }

  private static ObjectNode weights(IntegerWeights w) {
    int qmax = w.qmax();
    ObjectNode one = Json.object();
    one.put("layer", w.layer()).put("name", w.name()).put("bits", w.bits());
    one.put("signed", true).put("zeroPoint", 0);
    ArrayNode scales = one.putArray("scale");
    ArrayNode min = one.putArray("min");
    ArrayNode max = one.putArray("max");
    for (float scale : w.scale().floats()) {
      scales.add(scale);
      min.add(-scale * qmax);
      max.add(scale * qmax);
    }
    return one;
  }
}
