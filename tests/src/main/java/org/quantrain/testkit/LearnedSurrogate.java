package org.quantrain.testkit;

import org.quantrain.op.LearnedGrid;
import org.quantrain.op.LearnedQParams;
import org.quantrain.op.ScaleRule;
import org.quantrain.op.TimesSign;
import org.quantrain.tensor.QuantSpec;
import org.quantrain.testkit.Surrogate.Step;

/**
 * What learned quantizers do to real numbers, the decisions of the base point kept: which codes
 * were clamped, on which step of a soft staircase a value lies. A gradient that training scales is
 * that of a learned value which moves by so much less.
 */
final class LearnedSurrogate {
  private LearnedSurrogate() {}

  static void register() {
    Surrogate.rule(TimesSign.class, (op, s) -> new double[][] {timesSign(s)});
    Surrogate.rule(LearnedQParams.class, LearnedSurrogate::qparams);
    Surrogate.rule(
        LearnedGrid.class,
        (op, s) -> {
          double[] codes = Surrogate.realOfCodes(s.in(0), s.in(2).floats(), s.in(3).ints()[0]);
          return new double[][] {grid(op.spec(), op.rule(), op.gradientScale(), s, 1, 2, codes)};
        });
  }

  private static double[] timesSign(Step s) {
    double[] y = s.real(0).clone();
    float[] gamma = s.in(1).floats();
    int inner = y.length / gamma.length;
    for (int i = 0; i < y.length; i++) {
      y[i] *= Arithmetic.sign(gamma[i / inner]);
    }
    return y;
  }

  private static double[][] qparams(LearnedQParams op, Step s) {
    double[][] out = new double[op.rule() == ScaleRule.CLIP ? 0 : s.outputs()][];
    switch (op.rule()) {
      case STEP, STEP_AND_OFFSET -> {
        out[0] = s.moved(0, Tensors.doubles(s.out(0).floats()), 1);
        float[] learned = s.in(0).floats();
        for (int c = 0; c < learned.length; c++) {
          double base = s.out(0).floats()[c];
          out[0][c] = base + Arithmetic.sign(learned[c]) * (out[0][c] - base);
        }
        if (op.rule() == ScaleRule.STEP_AND_OFFSET) {
          out[2] = s.moved(1, Tensors.doubles(s.out(2).floats()), 1);
        }
      }
      case SOFT_CLIP -> {
        out[2] = s.moved(0, Tensors.doubles(s.out(2).floats()), op.spec().signed() ? -1 : 0);
        out[3] = s.moved(0, Tensors.doubles(s.out(3).floats()), 1);
      }
      case SOFT_RANGE -> {
        out[2] = s.moved(0, Tensors.doubles(s.out(2).floats()), 1);
        out[3] = s.moved(1, Tensors.doubles(s.out(3).floats()), 1);
      }
      default -> {}
    }
    return out;
  }

  /**
   * Input {@code x} on the grid that input {@code first} and those after it give.
   *
   * @param codes what the codes of the base point stand for
   */
  static double[] grid(
      QuantSpec spec,
      ScaleRule rule,
      double gradientScale,
      Step s,
      int x,
      int first,
      double[] codes) {
    double[] at = Tensors.logical(s.in(x));
    double[] y = new double[at.length];
    float[] scale = s.in(first).floats();
    int[] zero = s.in(first + 1).ints();
    int inner = y.length / scale.length;
    for (int i = 0; i < y.length; i++) {
      int c = i / inner;
      double moved = s.real(x)[i] - at[i];
      y[i] =
          switch (rule) {
            case STEP, STEP_AND_OFFSET -> {
              double step = scale[c] + gradientScale * (s.real(first)[c] - scale[c]);
              // What the codes count from: code 0 with a learned offset, else the zero-point.
              int from = rule == ScaleRule.STEP ? zero[c] : 0;
              float base = rule == ScaleRule.STEP ? 0 : s.in(first + 2).floats()[c];
              double offset =
                  rule == ScaleRule.STEP ? 0 : base + gradientScale * (s.real(first + 2)[c] - base);
              float v = ((float) at[i] - base) / scale[c];
              float level = Arithmetic.rint(v) + from;
              yield Arithmetic.inRange(level, spec.qmin(), spec.qmax())
                  ? s.real(x)[i] + step * (Math.rint(v) - v)
                  : step * ((level < spec.qmin() ? spec.qmin() : spec.qmax()) - from) + offset;
            }
            case CLIP -> {
              double clip = s.in(first + 2).floats()[c];
              double by = s.real(first + 2)[c] - clip;
              yield codes[i] + (at[i] >= clip ? by : at[i] >= 0 ? moved : 0);
            }
            case SOFT_CLIP, SOFT_RANGE -> {
              int levels = spec.qmax() - spec.qmin();
              double[] base = new double[3];
              double[] now = new double[3];
              for (int k = 0; k < 3; k++) {
                base[k] = s.in(first + 2 + k).floats()[c];
                now[k] = s.real(first + 2 + k)[c];
              }
              double position = (at[i] - base[0]) / ((base[1] - base[0]) / levels);
              double step = Math.max(0, Math.min(levels - 1, Math.floor(position)));
              yield codes[i]
                  + (at[i] < base[0]
                      ? now[0] - base[0]
                      : at[i] > base[1]
                          ? now[1] - base[1]
                          : stairs(s.real(x)[i], now, levels, step)
                              - stairs(at[i], base, levels, step));
            }
            case OBSERVED -> throw new IllegalArgumentException("not learned");
          };
    }
    return y;
  }

  /**
   * The soft staircase (DSQ, equations 3 to 9) on one of its steps; ends are lower, upper, alpha.
   */
  private static double stairs(double x, double[] ends, int levels, double step) {
    double delta = (ends[1] - ends[0]) / levels;
    double k = Math.log(2 / ends[2] - 1);
    double phi = Math.tanh(k * ((x - ends[0]) / delta - step - 0.5)) / (1 - ends[2]);
    return ends[0] + delta * (step + (phi + 1) / 2);
  }
}
