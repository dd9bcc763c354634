package org.quantrain.op;

/**
 * What the products of training take as operands: those of every gradient, and of a float forward
 * pass. Sums, parameters, statistics and the optimizer's state are float32 in both.
 *
 * <p>The gradient of an accumulator of codes is that of the real number it stands for. A bf16 one
 * has the weights' scale in it already: the other operand of its products is integers, which bf16
 * holds.
 */
public enum Compute {
  F32,
  /** Rounded to bf16 once; codes are exact. */
  BF16
}
