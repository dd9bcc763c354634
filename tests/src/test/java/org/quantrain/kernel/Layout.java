package org.quantrain.kernel;

/** Where the channels of a tensor lie: [outer, channels, inner], contiguous. */
record Layout(int outer, int channels, int inner) {
  static Layout tensor(int elements) {
    return new Layout(1, 1, elements);
  }

  int elements() {
    return outer * channels * inner;
  }

  int channel(int element) {
    return element / inner % channels;
  }
}
