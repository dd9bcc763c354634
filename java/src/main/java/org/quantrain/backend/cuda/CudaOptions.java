package org.quantrain.backend.cuda;

/**
 * How products of floats may be computed.
 *
 * @param tf32 operands of float32 may lose 13 bits of their mantissa, for tensor units; sums stay
 *     float32
 * @param fastest algorithms may add in an order that changes from run to run, and convolutions may
 *     be transformed (Winograd, FFT), which loosens the bound of their errors
 */
public record CudaOptions(boolean tf32, boolean fastest) {
  /** The products of float32, and the same bits in every run. */
  public static final CudaOptions EXACT = new CudaOptions(false, false);

  @Override
  public String toString() {
    return (tf32 ? "TF32" : "float32")
        + " products, "
        + (fastest ? "fastest algorithms" : "deterministic algorithms");
  }
}
