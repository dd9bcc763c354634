package org.quantrain.runtime;

/** Classes of memory by what they hold and how long; each is one allocation. */
public enum Arena {
  /** Trained parameters of a model, float32. */
  PARAMS,
  /** Gradients, at the offsets of their parameters. */
  GRADS,
  /** Momentum of the optimizer, at the offsets of the parameters. */
  OPTIMIZER,
  /** Running statistics, ranges, scales. */
  STATE,
  /** Inputs and computed values of one plan. */
  ACTS,
  /** What kernels of one plan need while they run; nothing in it survives a kernel. */
  WORKSPACE
}
