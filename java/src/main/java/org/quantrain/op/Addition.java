package org.quantrain.op;

/** How a runtime adds two tensors of codes (NUMERICS.md, "Residual add" and "Adds"). */
public enum Addition {
  /** In float32 with fused multiply-adds: ONNX Runtime on x86. */
  FLOAT,
  /** On a common grid of 2 * max(sa, sb) / 2^20 by {@link Requantization#FIXED_DOUBLE}. */
  TFLITE,
  /** By multipliers of 21 bits and one shift, halves up. */
  XNNPACK
}
