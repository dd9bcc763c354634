package org.quantrain.data;

import java.io.ByteArrayOutputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.zip.GZIPOutputStream;

/** Makes IDX files, good and bad ones. */
final class IdxFiles {
  private IdxFiles() {}

  static byte[] idx(int type, int[] dimensions, byte[] elements) throws IOException {
    var bytes = new ByteArrayOutputStream();
    var out = new DataOutputStream(bytes);
    out.writeShort(0);
    out.writeByte(type);
    out.writeByte(dimensions.length);
    for (int dimension : dimensions) {
      out.writeInt(dimension);
    }
    out.write(elements);
    return bytes.toByteArray();
  }

  static byte[] gzip(byte[] plain) throws IOException {
    var bytes = new ByteArrayOutputStream();
    try (var out = new GZIPOutputStream(bytes)) {
      out.write(plain);
    }
    return bytes.toByteArray();
  }

  /**
   * Images whose every byte differs from its neighbours': image n, value i is (7 n + i) mod 256.
   */
  static byte[] images(int count, int height, int width) throws IOException {
    byte[] pixels = new byte[count * height * width];
    for (int i = 0; i < pixels.length; i++) {
      pixels[i] = (byte) (7 * (i / (height * width)) + i % (height * width));
    }
    return idx(8, new int[] {count, height, width}, pixels);
  }

  /** Labels 0, 1, 2, 0, 1, 2, ... */
  static byte[] labels(int count) throws IOException {
    byte[] labels = new byte[count];
    for (int i = 0; i < count; i++) {
      labels[i] = (byte) (i % 3);
    }
    return idx(8, new int[] {count}, labels);
  }

  /** A folder as {@link Idx#folder} wants it: 9 training and 6 test images of 4x5. */
  static Path folder(Path folder) throws IOException {
    Files.write(folder.resolve(Idx.TRAIN_IMAGES), images(9, 4, 5));
    Files.write(folder.resolve(Idx.TRAIN_LABELS + ".gz"), gzip(labels(9)));
    Files.write(folder.resolve(Idx.TEST_IMAGES + ".gz"), gzip(images(6, 4, 5)));
    Files.write(folder.resolve(Idx.TEST_LABELS), labels(6));
    return folder;
  }

  static String sha256(byte[] content) throws Exception {
    return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(content));
  }

  /** All the pixels of one image. */
  static float[] pixels(DataSource source, int index) {
    float[] pixels = new float[source.imageFloats()];
    source.read(index, pixels, 0);
    return pixels;
  }
}
