package org.quantrain.backend.shared;

import java.util.ArrayList;
import java.util.List;
import org.quantrain.runtime.Binding;
import org.quantrain.tensor.TensorSpec;

/**
 * The dimensions of a native call with strides: those of one tensor, the walked one, from the
 * outermost in its memory to the innermost, behind as many ones as make them six.
 */
public final class Strides {
  /** Dimensions of a native call. */
  private static final int DIMS = 6;

  /** Sets one of the six numbers of an argument. */
  @FunctionalInterface
  interface Setter {
    Object set(int i, long value);
  }

  private final TensorSpec walked;
  private final int[] order;

  private Strides(TensorSpec walked) {
    this.walked = walked;
    order = memoryOrder(walked);
  }

  /**
   * @throws org.quantrain.runtime.QuantrainException if the tensor has more dimensions than native
   *     calls know
   */
  public static Strides of(Binding b, TensorSpec walked) {
    if (walked.shape().rank() > DIMS) {
      throw b.failure("expected at most " + DIMS + " dimensions, got " + walked);
    }
    return new Strides(walked);
  }

  /** Logical dimensions from the outermost in memory to the innermost. */
  public static int[] memoryOrder(TensorSpec spec) {
    int rank = spec.shape().rank();
    if (spec.isChannelsLast()) {
      return new int[] {0, 2, 3, 1};
    }
    int[] order = new int[rank];
    for (int i = 0; i < rank; i++) {
      order[i] = i;
    }
    return order;
  }

  /** Elements from one index of each logical dimension to the next. */
  public static long[] strides(TensorSpec spec) {
    long[] strides = new long[spec.shape().rank()];
    int[] order = memoryOrder(spec);
    long stride = 1;
    for (int i = order.length - 1; i >= 0; i--) {
      strides[order[i]] = stride;
      stride *= spec.shape().dim(order[i]);
    }
    return strides;
  }

  /** Logical dimensions in the order of memory, without those of size 1. */
  public static List<Integer> visible(TensorSpec spec) {
    List<Integer> dims = new ArrayList<>();
    for (int d : memoryOrder(spec)) {
      if (spec.shape().dim(d) != 1) {
        dims.add(d);
      }
    }
    return dims;
  }

  void size(Setter setter) {
    for (int i = 0; i < DIMS; i++) {
      int k = i - (DIMS - order.length);
      setter.set(i, k < 0 ? 1 : walked.shape().dim(order[k]));
    }
  }

  /** Strides, one for each logical dimension of the walked tensor. */
  void stride(Setter setter, long[] strides) {
    for (int i = 0; i < DIMS; i++) {
      int k = i - (DIMS - order.length);
      setter.set(i, k < 0 ? 0 : strides[order[k]]);
    }
  }

  /** Strides of the walked tensor itself. */
  void dense(Setter setter) {
    stride(setter, strides(walked));
  }

  /** Strides of an operand that is broadcast to the walked tensor. */
  void broadcast(Setter setter, TensorSpec operand) {
    long[] own = strides(operand);
    long[] strides = new long[order.length];
    int missing = order.length - own.length;
    for (int i = 0; i < own.length; i++) {
      strides[missing + i] = operand.shape().dim(i) == 1 ? 0 : own[i];
    }
    stride(setter, strides);
  }
}
