package org.quantrain.testkit;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.HostTensor;

/**
 * What an operation must have computed.
 *
 * @param outputs one for each output
 * @param updated by the index of the input, for state that is updated in place
 */
public record Expected(List<Result> outputs, Map<Integer, Result> updated) {
  /** What one tensor must be. */
  public sealed interface Result {}

  /**
   * Equal to the bit; a NaN equals every NaN, because which payload survives an operation is the
   * processor's business.
   */
  public record Bits(HostTensor tensor) implements Result {}

  /** Float32 values in memory order, each within its own bound. */
  public record Near(double[] values, double[] bounds) implements Result {}

  static Expected bits(HostTensor... outputs) {
    return of(List.of(outputs).stream().map(t -> (Result) new Bits(t)).toArray(Result[]::new));
  }

  static Expected of(Result... outputs) {
    return new Expected(List.of(outputs), Map.of());
  }

  Expected updating(Map<Integer, Result> state) {
    return new Expected(outputs, state);
  }

  /** All differences in words, empty if there are none. */
  public List<String> differences(List<HostTensor> actual, Map<Integer, HostTensor> state) {
    List<String> found = new ArrayList<>();
    for (int i = 0; i < outputs.size(); i++) {
      compare("output " + i, outputs.get(i), actual.get(i), found);
    }
    updated.forEach((i, result) -> compare("state " + i, result, state.get(i), found));
    return found;
  }

  private static void compare(String what, Result expected, HostTensor actual, List<String> found) {
    if (expected instanceof Bits bits) {
      compareBits(what, bits.tensor(), actual, found);
    } else {
      compareNear(what, (Near) expected, actual, found);
    }
  }

  /** Adds what differs between two tensors that must be equal to the bit. */
  public static void compareBits(
      String what, HostTensor expected, HostTensor actual, List<String> found) {
    if (!expected.spec().equals(actual.spec())) {
      found.add(what + ": expected " + expected.spec() + ", got " + actual.spec());
      return;
    }
    if (Arrays.equals(expected.bytes(), actual.bytes())) {
      return;
    }
    String[] a = words(expected);
    String[] b = words(actual);
    int differing = 0;
    int first = -1;
    for (int i = 0; i < a.length; i++) {
      if (!a[i].equals(b[i])) {
        differing++;
        first = first < 0 ? i : first;
      }
    }
    if (differing > 0) {
      found.add(
          String.format(
              "%s %s: %d of %d differ, first at %d: expected %s, got %s",
              what, actual.spec(), differing, a.length, first, a[first], b[first]));
    }
  }

  private static String[] words(HostTensor t) {
    int n = t.spec().dtype() == DType.MASK ? t.bytes().length : (int) t.shape().elements();
    String[] out = new String[n];
    switch (t.spec().dtype()) {
      case F32 -> {
        float[] v = t.floats();
        for (int i = 0; i < n; i++) {
          // Canonical NaN; +0 and -0 differ.
          out[i] = v[i] + " (" + Integer.toHexString(Float.floatToIntBits(v[i])) + ")";
        }
      }
      case BF16 -> {
        float[] v = Tensors.reals(t);
        for (int i = 0; i < n; i++) {
          out[i] = v[i] + " (" + Integer.toHexString(Float.floatToIntBits(v[i]) >>> 16) + ")";
        }
      }
      case S32 -> {
        int[] v = t.ints();
        for (int i = 0; i < n; i++) {
          out[i] = Integer.toString(v[i]);
        }
      }
      case S64 -> {
        long[] v = Tensors.longs(t);
        for (int i = 0; i < n; i++) {
          out[i] = Long.toString(v[i]);
        }
      }
      default -> {
        byte[] v = t.bytes();
        boolean signed = t.spec().dtype() == DType.S8;
        for (int i = 0; i < n; i++) {
          out[i] = Integer.toString(signed ? v[i] : v[i] & 0xff);
        }
      }
    }
    return out;
  }

  private static void compareNear(
      String what, Near expected, HostTensor actual, List<String> found) {
    float[] got = actual.floats();
    int differing = 0;
    int worst = -1;
    double worstRatio = 0;
    for (int i = 0; i < got.length; i++) {
      double want = expected.values()[i];
      boolean fits =
          Double.isFinite(want)
              ? Math.abs(got[i] - want) <= expected.bounds()[i]
              : Double.compare(want, got[i]) == 0;
      if (!fits) {
        differing++;
        double ratio = Math.abs(got[i] - want) / expected.bounds()[i];
        if (worst < 0 || ratio > worstRatio) {
          worst = i;
          worstRatio = ratio;
        }
      }
    }
    if (got.length != expected.values().length) {
      found.add(what + ": expected " + expected.values().length + " values, got " + got.length);
    } else if (differing > 0) {
      found.add(
          String.format(
              "%s %s: %d of %d out of bounds, worst at %d: expected %.9g +- %.3g, got %.9g",
              what,
              actual.spec(),
              differing,
              got.length,
              worst,
              expected.values()[worst],
              expected.bounds()[worst],
              got[worst]));
    }
  }
}
