package org.quantrain.op;

/** How an observed range follows the batches. The first batch is copied by each. */
public enum RangeRule {
  /** It moves towards every later batch, by the observer's momentum. */
  MOVING_AVERAGE,
  /** It only grows: in the end it does not depend on how the images were cut into batches. */
  EXTREMES
}
