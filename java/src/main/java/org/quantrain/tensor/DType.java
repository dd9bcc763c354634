package org.quantrain.tensor;

/** Element type of a tensor in memory. Codes of 2 to 8 bits live in 8-bit containers. */
public enum DType {
  F32(4),
  /** bfloat16: the upper half of a float32. */
  BF16(2),
  S64(8),
  S32(4),
  S8(1),
  U8(1),
  /** One bit per element, packed 8 to a byte, lowest bit first. */
  MASK(0);

  private final int bytes;

  DType(int bytes) {
    this.bytes = bytes;
  }

  /** Bytes of {@code elements} elements in memory. */
  public long bytes(long elements) {
    return this == MASK ? (elements + 7) / 8 : elements * bytes;
  }

  /** True for the containers of quantized codes. */
  public boolean isCodes() {
    return this == S8 || this == U8;
  }
}
