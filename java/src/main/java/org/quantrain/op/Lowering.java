package org.quantrain.op;

/**
 * How a product of codes is executed. All give the same accumulators to the
 * bit.
 */
public enum Lowering {
  /** On int8 codes with int32 accumulation. */
  INTEGER,
  /** On integer-valued floats, split along the input channels while a sum could pass 2^24. */
  SIMULATED,
  /** By the plain integer loops that verify the other two; slow on purpose. */
  REFERENCE
}
