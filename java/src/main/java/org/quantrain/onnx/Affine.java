package org.quantrain.onnx;

import static org.quantrain.onnx.Arguments.require;

/**
 * An integer that may depend on the batch size N and on the number n, from 0 to N - 1, of the
 * sample that it belongs to: fixed + N perBatch + n perSample. Arithmetic refuses results that have
 * no such form.
 */
record Affine(long fixed, long perBatch, long perSample) {
  static Affine of(long fixed) {
    return new Affine(fixed, 0, 0);
  }

  private boolean isPlain() {
    return perBatch == 0 && perSample == 0;
  }

  /** The number, which depends on nothing. */
  long plain() {
    require(perSample == 0, "a number that depends on the sample");
    require(perBatch == 0, "a number that depends on the batch size");
    return fixed;
  }

  Affine plus(Affine y) {
    return new Affine(fixed + y.fixed, perBatch + y.perBatch, perSample + y.perSample);
  }

  Affine minus(Affine y) {
    return plus(y.times(of(-1)));
  }

  Affine times(Affine y) {
    if (!y.isPlain()) {
      require(isPlain(), "the product of two numbers that depend on the batch");
      return y.times(this);
    }
    return new Affine(fixed * y.fixed, perBatch * y.fixed, perSample * y.fixed);
  }

  /** Rounded to zero. */
  Affine over(Affine y) {
    if (!y.isPlain()) {
      require(
          fixed == 0 && perSample == 0 && y.fixed == 0 && y.perSample == 0,
          "divides by a number that depends on the batch");
      require(perBatch % y.perBatch == 0, "divides by the batch size");
      return of(perBatch / y.perBatch);
    }
    require(y.fixed != 0, "divides by 0");
    require(
        isPlain()
            || (fixed % y.fixed == 0 && perBatch % y.fixed == 0 && perSample % y.fixed == 0),
        "divides what depends on the batch size");
    return new Affine(fixed / y.fixed, perBatch / y.fixed, perSample / y.fixed);
  }

  /** With the sign of the divisor. */
  Affine modulo(Affine y) {
    long by = y.plain();
    require(by != 0, "divides by 0");
    require(
        perBatch % by == 0 && perSample % by == 0, "divides what depends on the batch size");
    return of(Math.floorMod(fixed, by));
  }
}
