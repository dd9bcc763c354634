package org.quantrain.onnx;

import org.quantrain.tensor.Shape;

/**
 * Where the elements of a tensor lie in another one's row-major memory: element (i0, i1, ..) at
 * offset + i0 steps[0] + i1 steps[1] + ... A batch counts as one sample.
 */
record Strides(int[] dims, int[] steps, int offset) {
  /** Row-major. */
  static Strides of(Shape shape) {
    int[] dims = shape.dims();
    int[] steps = new int[dims.length];
    int step = 1;
    for (int i = dims.length - 1; i >= 0; i--) {
      dims[i] = Math.abs(dims[i]);
      steps[i] = step;
      step *= dims[i];
    }
    return new Strides(dims, steps, 0);
  }

  /** The elements of a smaller tensor, broadcast to this one. */
  Strides broadcastFrom(Shape small) {
    Strides from = of(small);
    int[] stretched = new int[dims.length];
    for (int i = 1; i <= from.dims.length; i++) {
      int step = from.steps[from.steps.length - i];
      stretched[dims.length - i] = from.dims[from.dims.length - i] == 1 ? 0 : step;
    }
    return new Strides(dims, stretched, 0);
  }

  /** Position of the i-th element in row-major order. */
  int index(int i) {
    int at = offset;
    for (int d = dims.length - 1, rest = i; d >= 0; d--) {
      at += rest % dims[d] * steps[d];
      rest /= dims[d];
    }
    return at;
  }
}
