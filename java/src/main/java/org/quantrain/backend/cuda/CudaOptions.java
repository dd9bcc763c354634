package org.quantrain.backend.cuda;

import org.quantrain.runtime.QuantrainException;

/**
 * How products of floats may be computed.
 *
 * @param tf32 operands of float32 may lose 13 bits of their mantissa, for tensor units; sums stay
 *     float32
 * @param fastest algorithms may add in an order that changes from run to run, and convolutions may
 *     be transformed (Winograd, FFT), which loosens the bound of their errors
 */
record CudaOptions(boolean tf32, boolean fastest) {
  /** The products of float32, and the same bits in every run. */
  static final CudaOptions EXACT = new CudaOptions(false, false);

  private static final String TF32 = "quantrain.tf32";
  private static final String ALGORITHMS = "quantrain.algorithms";

  /**
   * What {@code -Dquantrain.tf32=on} and {@code -Dquantrain.algorithms=fastest} say; without them
   * {@link #EXACT}.
   *
   * @throws QuantrainException if they say anything else
   */
  static CudaOptions ofProcess() {
    return new CudaOptions(is(TF32, "on", "off"), is(ALGORITHMS, "fastest", "deterministic"));
  }

  private static boolean is(String property, String yes, String no) {
    String value = System.getProperty(property, no);
    if (!value.equals(yes) && !value.equals(no)) {
      throw new QuantrainException(
          "-D%s: expected %s or %s, got '%s'".formatted(property, no, yes, value));
    }
    return value.equals(yes);
  }

  @Override
  public String toString() {
    return (tf32 ? "TF32" : "float32")
        + " products, "
        + (fastest ? "fastest algorithms" : "deterministic algorithms");
  }
}
