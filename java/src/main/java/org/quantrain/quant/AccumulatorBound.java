package org.quantrain.quant;

import org.quantrain.tensor.HostTensor;

/** The proof that an int32 accumulator cannot overflow. */
public final class AccumulatorBound {
  private AccumulatorBound() {}

  /** max |q - zeroPoint| over the codes of a grid. */
  public static int largestInput(int zeroPoint, int qmin, int qmax) {
    return Math.max(zeroPoint - qmin, qmax - zeroPoint);
  }

  /**
   * The first output channel with sum |w| * largestInput + |bias| of 2^31 or more; -1 if none,
   * which is what a file may be written with.
   *
   * @param weights S8 codes [K,...]
   */
  public static int firstOverflow(HostTensor weights, int largestInput, int[] bias) {
    for (int k = 0; k < bias.length; k++) {
      if (ofChannel(weights, largestInput, bias, k) > Integer.MAX_VALUE) {
        return k;
      }
    }
    return -1;
  }

  /** sum |w| * largestInput + |bias| of the output channel where that is largest. */
  public static long largest(HostTensor weights, int largestInput, int[] bias) {
    long largest = 0;
    for (int k = 0; k < bias.length; k++) {
      largest = Math.max(largest, ofChannel(weights, largestInput, bias, k));
    }
    return largest;
  }

  private static long ofChannel(HostTensor weights, int largestInput, int[] bias, int k) {
    byte[] codes = weights.buffer().array();
    int perChannel = (int) weights.shape().elementsPerSample();
    long sum = 0;
    for (int i = 0; i < perChannel; i++) {
      sum += Math.abs((int) codes[k * perChannel + i]);
    }
    return sum * largestInput + Math.abs((long) bias[k]);
  }
}
