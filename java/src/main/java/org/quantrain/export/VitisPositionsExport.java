package org.quantrain.export;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import org.quantrain.integer.CodesTensor;
import org.quantrain.integer.IntegerWeights;
import org.quantrain.report.Json;
import org.quantrain.tensor.QuantSpec;

/**
 * Positions of the binary point as Vitis AI's operator "fix" names them: JSON with {@code
 * activations} and {@code weights}, for each tensor of the float network {@code bit_width}, {@code
 * if_signed} and {@code fix_point}; a code q stands for q * 2^-fix_point. A layer's {@code bias} is
 * an int32 at the sum of the positions of input and weights. Not read by any tool that was tried.
 */
final class VitisPositionsExport implements ExportFormat {
  private static final int BIAS_BITS = 32;

  @Override
  public String id() {
    return "vitis-positions";
  }

  @Override
  public String description() {
    return "bit widths and positions of the binary point as JSON for Vitis AI";
  }

  @Override
  public String extension() {
    return ".json";
  }

  @Override
  public byte[] toBytes(DeployedModel deployed) throws IOException {
    ObjectNode json = Json.object();
    ObjectNode activations = json.putObject("activations");
    for (CodesTensor t : deployed.model().codes()) {
      String name = DeployedModel.floatName(t.name());
      if (t.zeroPoint() != 0) {
        throw new IOException(
            name + ": expected zero-points of 0, got " + t.zeroPoint() + "; target vitis has them");
      }
      put(activations.putObject(name), t.bits(), t.isSigned(), position(name, t.scale()));
    }
    ObjectNode weights = json.putObject("weights");
    for (IntegerWeights w : deployed.model().weights()) {
      ObjectNode one = weights.putObject(w.name());
      one.put("layer", w.layer());
      put(one, w.bits(), true, onePosition(w.name(), w.scale().floats()));
      int bias = onePosition(w.name() + ".bias", w.outScale().floats());
      put(one.putObject("bias"), BIAS_BITS, true, bias);
    }
    return Json.pretty(json).getBytes(StandardCharsets.UTF_8);
  }

  private static void put(ObjectNode fix, int bits, boolean signed, int position) {
    fix.put("bit_width", bits).put("if_signed", signed).put("fix_point", position);
  }

  private static int onePosition(String name, float[] scales) throws IOException {
    for (float scale : scales) {
      if (scale != scales[0]) {
        throw new IOException(
            name + ": expected one scale, got several; target vitis has one for each tensor");
      }
    }
    return position(name, scales[0]);
  }

  private static int position(String name, float scale) throws IOException {
    if (!QuantSpec.isPowerOfTwo(scale)) {
      throw new IOException(
          name + ": expected powers of two as scales, got " + scale + "; target vitis has them");
    }
    return -Math.getExponent(scale);
  }
}
