package org.quantrain.zoo;

/** What a network is built for: images [channels, height, width] of so many classes. */
record ImageSize(int channels, int height, int width, int classes) {
  private static final int LARGE = 64;

  /**
   * Images below 64 pixels a side get a network's form for small images, whose first layers keep
   * the resolution; as is common for CIFAR.
   */
  boolean isSmall() {
    return Math.min(height, width) < LARGE;
  }
}
