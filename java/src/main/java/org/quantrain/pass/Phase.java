package org.quantrain.pass;

/** What a plan is compiled for. All phases of a run share parameters and state. */
public enum Phase {
  /** Float training, batch norm over the batch. */
  FLOAT_TRAIN,
  /** Float evaluation, running statistics. */
  FLOAT_EVAL,
  /** Float evaluation that observes the ranges of the quantized values. */
  CALIBRATE,
  /** Float training that observes: quantization-aware training before its quantizers start. */
  TRAIN_DELAYED,
  /** Quantization-aware training, observers and batch-norm statistics moving. */
  TRAIN,
  /** Quantization-aware training with frozen statistics and ranges: the deployed arithmetic. */
  TRAIN_FROZEN,
  /** The deployed arithmetic. */
  EVAL;

  /** True if the phase has a loss and gradients. */
  public boolean trains() {
    return this == FLOAT_TRAIN || this == TRAIN_DELAYED || this == TRAIN || this == TRAIN_FROZEN;
  }
}
