package org.quantrain.benchmarks;

import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.Random;
import java.util.stream.Stream;
import javax.imageio.ImageIO;

/** A folder of generated JPEG files of one class, for as long as it is open. */
final class JpegFolder implements AutoCloseable {
  private static final double NOISE = 16;

  private final Path path;
  private long bytes;

  JpegFolder(int count, int height, int width) throws IOException {
    path = Files.createTempDirectory("input-bench");
    Path images = Files.createDirectory(path.resolve("all"));
    for (int i = 0; i < count; i++) {
      Path file = images.resolve(i + ".jpg");
      ImageIO.write(image(height, width, new Random(i)), "jpeg", file.toFile());
      bytes += Files.size(file);
    }
    bytes /= count;
  }

  /** Waves of other lengths in every image, and the noise of a camera. */
  private static BufferedImage image(int height, int width, Random random) {
    BufferedImage image = new BufferedImage(width, height, BufferedImage.TYPE_INT_RGB);
    double[] length = random.doubles(6, 8, 80).toArray();
    for (int y = 0; y < height; y++) {
      for (int x = 0; x < width; x++) {
        double noise = NOISE * random.nextGaussian();
        int colour = 0;
        for (int c = 0; c < 3; c++) {
          double wave = Math.sin(x / length[c]) + Math.cos((x + y) / length[c + 3]);
          colour = colour << 8 | (int) Math.max(0, Math.min(255, 128 + 50 * wave + noise));
        }
        image.setRGB(x, y, colour);
      }
    }
    return image;
  }

  /** Of a file, on average. */
  long bytes() {
    return bytes;
  }

  String spec() {
    return "imagefolder:" + path;
  }

  @Override
  public void close() throws IOException {
    try (Stream<Path> all = Files.walk(path)) {
      for (Path file : all.sorted(Comparator.reverseOrder()).toList()) {
        Files.delete(file);
      }
    }
  }
}
