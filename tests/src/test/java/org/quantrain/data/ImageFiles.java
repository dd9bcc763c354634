package org.quantrain.data;

import java.awt.image.BufferedImage;
import java.io.ByteArrayOutputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.zip.CRC32;
import javax.imageio.ImageIO;

/** Makes image files, good and bad ones. */
public final class ImageFiles {
  private ImageFiles() {}

  /** An image whose every pixel differs from its neighbours'. */
  static BufferedImage pattern(int height, int width, int type, int seed) {
    BufferedImage image = new BufferedImage(width, height, type);
    for (int y = 0; y < height; y++) {
      for (int x = 0; x < width; x++) {
        image.setRGB(x, y, 0xff000000 | (seed * 77 + y * 0x051109 + x * 0x0b0307) & 0xffffff);
      }
    }
    return image;
  }

  static Path write(Path file, String format, BufferedImage image) throws IOException {
    Files.createDirectories(file.getParent());
    if (!ImageIO.write(image, format, file.toFile())) {
      throw new IOException("no writer for " + format);
    }
    return file;
  }

  /** A colour PNG of these values. */
  static Path png(Path file, int height, int width, int seed) throws IOException {
    return write(file, "png", pattern(height, width, BufferedImage.TYPE_INT_RGB, seed));
  }

  /** A PNG that is nothing but a header with this size. */
  static byte[] header(int height, int width) throws IOException {
    var bytes = new ByteArrayOutputStream();
    var out = new DataOutputStream(bytes);
    out.writeLong(0x89504e470d0a1a0aL);
    var chunk = new ByteArrayOutputStream();
    var data = new DataOutputStream(chunk);
    data.writeBytes("IHDR");
    data.writeInt(width);
    data.writeInt(height);
    data.write(new byte[] {8, 2, 0, 0, 0}); // 8 bits, RGB
    CRC32 crc = new CRC32();
    crc.update(chunk.toByteArray());
    out.writeInt(13);
    out.write(chunk.toByteArray());
    out.writeInt((int) crc.getValue());
    return bytes.toByteArray();
  }

  /**
   * A folder with train and test parts of classes that differ in brightness, from dark to light.
   *
   * @param perClass images of each class in each part
   * @param classes their names, in the order of the alphabet
   */
  public static Path classes(Path folder, int side, int perClass, String... classes)
      throws IOException {
    for (String part : new String[] {"train", "test"}) {
      for (int n = 0; n < perClass; n++) {
        for (int label = 0; label < classes.length; label++) {
          BufferedImage image = new BufferedImage(side, side, BufferedImage.TYPE_INT_RGB);
          for (int i = 0; i < side * side; i++) {
            int noise = (i * 37 + n * 101 + (part.equals("test") ? 53 : 0)) % 67;
            int grey = noise + label * 180 / (classes.length - 1);
            image.setRGB(i % side, i / side, grey << 16 | grey << 8 | 255 - grey);
          }
          Path file = folder.resolve(part).resolve(classes[label]).resolve(n + ".png");
          write(file, "png", image);
        }
      }
    }
    return folder;
  }
}
