package org.quantrain.op;

import org.quantrain.graph.Op;
import org.quantrain.tensor.QuantSpec;

/** An operation whose first output are codes on a grid of its own. */
public interface OnGrid extends Op {
  /** The grid. */
  QuantSpec spec();
}
