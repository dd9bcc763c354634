package org.quantrain.quant;

import java.util.Map;
import org.quantrain.graph.GraphBuilder;
import org.quantrain.graph.Value;
import org.quantrain.tensor.HostTensor;
import org.quantrain.tensor.Shape;
import org.quantrain.tensor.TensorSpec;

/**
 * What a quantizer's observer keeps between steps: the observed range, the number of batches seen
 * [1], and the scale and zero-point derived from the range, one for each scale.
 */
public record QuantizerState(
    Value rangeMin, Value rangeMax, Value count, Value scale, Value zeroPoint) {

  /** The state of the activation quantizer of this name. */
  public static QuantizerState in(GraphBuilder builder, String quantizer) {
    return in(builder, quantizer, 1);
  }

  /** The state of a quantizer with this many scales. */
  public static QuantizerState in(GraphBuilder builder, String quantizer, int scales) {
    return new QuantizerState(
        builder.state(quantizer + ".range_min", TensorSpec.f32(scales)),
        builder.state(quantizer + ".range_max", TensorSpec.f32(scales)),
        builder.state(quantizer + ".count", TensorSpec.s32(1)),
        builder.state(quantizer + ".scale", TensorSpec.f32(scales)),
        builder.state(quantizer + ".zero_point", TensorSpec.s32(scales)));
  }

  /** Contents before the first batch, by name. */
  public static Map<String, HostTensor> initial(String quantizer, int scales) {
    Shape shape = Shape.of(scales);
    return Map.of(
        quantizer + ".range_min", HostTensor.filled(shape, 0f),
        quantizer + ".range_max", HostTensor.filled(shape, 0f),
        quantizer + ".count", HostTensor.of(Shape.of(1), 0),
        quantizer + ".scale", HostTensor.filled(shape, 1f),
        quantizer + ".zero_point", HostTensor.zeros(TensorSpec.s32(scales)));
  }
}
