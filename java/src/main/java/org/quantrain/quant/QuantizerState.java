package org.quantrain.quant;

import java.util.Map;
import org.quantrain.graph.GraphBuilder;
import org.quantrain.graph.Value;
import org.quantrain.tensor.HostTensor;
import org.quantrain.tensor.Shape;
import org.quantrain.tensor.TensorSpec;

/**
 * What an activation quantizer keeps between steps: the observed range, the number of batches seen,
 * and the scale and zero-point derived from them, all of shape [1].
 */
public record QuantizerState(
    Value rangeMin, Value rangeMax, Value count, Value scale, Value zeroPoint) {

  /** The state of the quantizer of this name. */
  public static QuantizerState in(GraphBuilder builder, String quantizer) {
    return new QuantizerState(
        builder.state(quantizer + ".range_min", TensorSpec.f32(1)),
        builder.state(quantizer + ".range_max", TensorSpec.f32(1)),
        builder.state(quantizer + ".count", TensorSpec.s32(1)),
        builder.state(quantizer + ".scale", TensorSpec.f32(1)),
        builder.state(quantizer + ".zero_point", TensorSpec.s32(1)));
  }

  /** Contents before the first batch, by name. */
  public static Map<String, HostTensor> initial(String quantizer) {
    Shape one = Shape.of(1);
    return Map.of(
        quantizer + ".range_min", HostTensor.of(one, 0f),
        quantizer + ".range_max", HostTensor.of(one, 0f),
        quantizer + ".count", HostTensor.of(one, 0),
        quantizer + ".scale", HostTensor.of(one, 1f),
        quantizer + ".zero_point", HostTensor.of(one, 0));
  }
}
