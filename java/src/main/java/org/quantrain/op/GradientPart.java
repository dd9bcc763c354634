package org.quantrain.op;

import java.util.List;
import org.quantrain.tensor.TensorSpec;

/**
 * What of batch norm's gradient a node computes. The sums over the batch come before what follows
 * from them; where processes share a batch, they are added up in between.
 */
public enum GradientPart {
  ALL,
  /** dgamma and dbeta of the rows at hand. */
  SUMS,
  /** The gradient of the input from dgamma and dbeta of the rows of all processes. */
  FROM_SUMS;

  /** Specs of what is computed, of dx, dgamma and dbeta. */
  List<TensorSpec> outputs(TensorSpec dx, TensorSpec sum) {
    return switch (this) {
      case ALL -> List.of(dx, sum, sum);
      case SUMS -> List.of(sum, sum);
      case FROM_SUMS -> List.of(dx);
    };
  }
}
