package org.quantrain.data;

import java.util.List;

/** Image n has the values 1000 n + 1, 1000 n + 2, ...; its label is n. */
record NumberedImages(int size, int height, int width, int channels) implements DataSource {
  @Override
  public String name() {
    return "numbered";
  }

  @Override
  public List<String> classNames() {
    return ByteImages.numbered(size);
  }

  @Override
  public int label(int index) {
    return index;
  }

  @Override
  public void read(int index, float[] pixels, int offset) {
    for (int i = 0; i < imageFloats(); i++) {
      pixels[offset + i] = 1000 * index + i + 1;
    }
  }

  @Override
  public float paddingValue(int channel) {
    return -1f - channel;
  }
}
