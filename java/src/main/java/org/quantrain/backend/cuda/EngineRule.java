package org.quantrain.backend.cuda;

import java.util.Set;
import org.quantrain.runtime.FloatProducts;

/**
 * Which engines of cuDNN may compute a convolution, by what they say of their arithmetic.
 *
 * @param tensorUnits they may use tensor units, which see float32 as TF32
 * @param anyOrder sums may be added in an order that changes from run to run
 * @param transforms they may multiply transformed operands (Winograd, FFT) instead of these
 */
record EngineRule(boolean tensorUnits, boolean anyOrder, boolean transforms) {
  /** Numerical notes of cuDNN that matter here. */
  enum Note {
    TENSOR_CORE,
    /** Operands are rounded to fewer bits than their type has. */
    DOWN_CONVERT_INPUTS,
    /** Sums are not float32 throughout. */
    REDUCED_PRECISION_REDUCTION,
    NONDETERMINISTIC,
    FFT,
    WINOGRAD
  }

  /**
   * @param tf32 whether operands may be seen as TF32: bf16 numbers are such, in whatever type they
   *     lie
   */
  static EngineRule of(FloatProducts options, boolean tf32) {
    return new EngineRule(tf32, !options.deterministic(), !options.deterministic());
  }

  boolean allows(Set<Note> notes) {
    return !notes.contains(Note.DOWN_CONVERT_INPUTS)
        && !notes.contains(Note.REDUCED_PRECISION_REDUCTION)
        && (tensorUnits || !notes.contains(Note.TENSOR_CORE))
        && (anyOrder || !notes.contains(Note.NONDETERMINISTIC))
        && (transforms || !(notes.contains(Note.FFT) || notes.contains(Note.WINOGRAD)));
  }

  /** As in "deterministic, without tensor units". */
  @Override
  public String toString() {
    return (anyOrder ? "any order of sums" : "deterministic")
        + (transforms ? "" : ", direct")
        + (tensorUnits ? "" : ", without tensor units");
  }
}
