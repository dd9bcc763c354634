package org.quantrain.quant;

import java.util.Map;
import org.quantrain.graph.GraphBuilder;
import org.quantrain.graph.Value;
import org.quantrain.op.Histogram;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.HostTensor;
import org.quantrain.tensor.Shape;
import org.quantrain.tensor.TensorSpec;

/** What a {@link Histogram} of a quantizer's values keeps while a network is calibrated. */
public record HistogramState(Value counts, Value exponent, Value nans, Value infinities) {
  /** Enough that a bin is at most a sixteenth of a step of 8 bits. */
  public static final int BINS = 8192;

  private static final String COUNTS = ".histogram_counts";
  private static final String EXPONENT = ".histogram_exponent";
  private static final String NANS = ".histogram_nans";
  private static final String INFINITIES = ".histogram_infinities";

  public static HistogramState in(GraphBuilder builder, String quantizer) {
    TensorSpec one = new TensorSpec(DType.S64, Shape.of(1));
    return new HistogramState(
        builder.state(quantizer + COUNTS, new TensorSpec(DType.S64, Shape.of(BINS))),
        builder.state(quantizer + EXPONENT, TensorSpec.s32(1)),
        builder.state(quantizer + NANS, one),
        builder.state(quantizer + INFINITIES, one));
  }

  /** Contents before the first batch, by name. */
  public static Map<String, HostTensor> initial(String quantizer) {
    HostTensor none = HostTensor.zeros(new TensorSpec(DType.S64, Shape.of(1)));
    return Map.of(
        quantizer + COUNTS, HostTensor.zeros(new TensorSpec(DType.S64, Shape.of(BINS))),
        quantizer + EXPONENT, HostTensor.of(Shape.of(1), Histogram.FIRST_EXPONENT),
        quantizer + NANS, none,
        quantizer + INFINITIES, none.copy());
  }

  /** The values that were counted, from the contents of this state. */
  public static ValueCounts counts(Map<String, HostTensor> contents, String quantizer) {
    long[] counts = new long[BINS];
    contents.get(quantizer + COUNTS).buffer().asLongBuffer().get(counts);
    double width = Math.scalb(1.0, contents.get(quantizer + EXPONENT).ints()[0]);
    long nans = contents.get(quantizer + NANS).buffer().getLong();
    long infinities = contents.get(quantizer + INFINITIES).buffer().getLong();
    return new ValueCounts(counts, width, nans + infinities);
  }
}
