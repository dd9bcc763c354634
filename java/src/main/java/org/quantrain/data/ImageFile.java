package org.quantrain.data;

import java.awt.image.BufferedImage;
import java.awt.image.DataBuffer;
import java.awt.image.DataBufferByte;
import java.awt.image.IndexColorModel;
import java.awt.image.PixelInterleavedSampleModel;
import java.awt.image.Raster;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.regex.Pattern;
import javax.imageio.ImageIO;
import javax.imageio.ImageReadParam;
import javax.imageio.ImageReader;
import javax.imageio.ImageTypeSpecifier;
import javax.imageio.stream.ImageInputStream;
import javax.imageio.stream.MemoryCacheImageInputStream;

/**
 * A JPEG or PNG file. Which of the two it is, its first bytes tell, not its name. Files are
 * untrusted: what a header promises is checked before memory is taken for it, and a file that ends
 * too early is an error, not a grey half.
 *
 * @param pixels unsigned bytes, channels last (height, width, channels)
 * @param channels 1: grey, 3: red, green, blue; transparency is left out
 */
record ImageFile(int height, int width, int channels, byte[] pixels) {
  static final long MAX_PIXELS = 1L << 25;
  static final long MAX_BYTES = 1L << 28;

  /** What decoders say, beside many things that do not matter, when pixels are missing or wrong. */
  private static final Pattern DAMAGE =
      Pattern.compile("premature|truncated|corrupt(?!.*extraneous)", Pattern.CASE_INSENSITIVE);

  private static final String REPLACE = "replace or remove the file";

  /** By format. To make a decoder takes as long as to decode a small image. */
  private static final ThreadLocal<Map<String, ImageReader>> READERS =
      ThreadLocal.withInitial(HashMap::new);

  private static final int[] RED_GREEN_BLUE = {0, 1, 2};

  private interface Reading<T> {
    T of(ImageReader reader) throws IOException;
  }

  /**
   * Decodes a file.
   *
   * @param channels 1 or 3; colours become grey by 0.299 R + 0.587 G + 0.114 B, grey becomes three
   *     equal colours
   * @throws DataException if the file cannot be read, is neither JPEG nor PNG, is damaged, or has
   *     more than 2^25 pixels
   */
  static ImageFile read(Path file, int channels) throws DataException {
    List<String> damage = new ArrayList<>();
    BufferedImage image =
        open(
            file,
            reader -> {
              checkedSize(file, reader);
              reader.addIIOReadWarningListener(
                  (source, warning) -> {
                    if (DAMAGE.matcher(warning).find()) {
                      damage.add(warning);
                    }
                  });
              return reader.read(0, intoBytes(reader));
            });
    if (!damage.isEmpty()) {
      throw new DataException(file, "damaged (%s)".formatted(damage.get(0)), REPLACE);
    }
    return new ImageFile(
        image.getHeight(), image.getWidth(), channels, pixels(file, image, channels));
  }

  /** The size that the header promises. */
  static ImageSize size(Path file) throws DataException {
    return open(
        file,
        reader -> {
          checkedSize(file, reader);
          try {
            return new ImageSize(reader.getHeight(0), reader.getWidth(0));
          } catch (IllegalArgumentException e) {
            throw new DataException(file, e.getMessage(), "give size=N to scale the images", e);
          }
        });
  }

  private static void checkedSize(Path file, ImageReader reader) throws IOException {
    long pixels = (long) reader.getHeight(0) * reader.getWidth(0);
    if (pixels > MAX_PIXELS) {
      throw new DataException(
          file,
          "%dx%d pixels, more than %d"
              .formatted(reader.getHeight(0), reader.getWidth(0), MAX_PIXELS),
          "scale it down or remove it");
    }
  }

  private static <T> T open(Path file, Reading<T> reading) throws DataException {
    byte[] bytes = bytes(file);
    String format = format(file, bytes);
    ImageReader reader = READERS.get().remove(format);
    if (reader == null) {
      reader = ImageIO.getImageReadersByFormatName(format).next();
    }
    boolean whole = false;
    try (ImageInputStream in = new MemoryCacheImageInputStream(new ByteArrayInputStream(bytes))) {
      reader.setInput(in, true, true);
      T result = reading.of(reader);
      whole = true;
      return result;
    } catch (DataException e) {
      throw e;
    } catch (IOException | RuntimeException e) { // A decoder meets damage in many ways.
      String reason = e.getMessage() == null ? e.getClass().getSimpleName() : e.getMessage();
      throw new DataException(file, "cannot be decoded (%s)".formatted(reason), REPLACE, e);
    } finally {
      if (whole) {
        reader.reset();
        READERS.get().put(format, reader);
      } else {
        reader.dispose(); // Damage may have left anything in it.
      }
    }
  }

  private static byte[] bytes(Path file) throws DataException {
    try {
      if (Files.size(file) > MAX_BYTES) {
        throw new DataException(file, "more than %d bytes".formatted(MAX_BYTES), REPLACE);
      }
      return Files.readAllBytes(file);
    } catch (DataException e) {
      throw e;
    } catch (IOException e) {
      throw new DataException(file, "cannot be read (" + e + ")", "check its permissions", e);
    }
  }

  private static String format(Path file, byte[] bytes) throws DataException {
    if (startsWith(bytes, 0xff, 0xd8, 0xff)) {
      return "jpeg";
    }
    if (startsWith(bytes, 0x89, 'P', 'N', 'G')) {
      return "png";
    }
    throw new DataException(
        file,
        bytes.length == 0 ? "empty" : "neither JPEG nor PNG, whatever its name says",
        "convert it to one of them, or remove it");
  }

  private static boolean startsWith(byte[] bytes, int... mark) {
    for (int i = 0; i < mark.length; i++) {
      if (i >= bytes.length || (bytes[i] & 0xff) != mark[i]) {
        return false;
      }
    }
    return true;
  }

  /**
   * Samples as the file has them. (What BufferedImage.getRGB makes of grey went through another
   * gamma curve.)
   */
  private static byte[] pixels(Path file, BufferedImage image, int channels) throws DataException {
    Raster raster = image.getRaster();
    int bands = raster.getNumBands();
    int width = raster.getWidth();
    IndexColorModel palette =
        image.getColorModel() instanceof IndexColorModel model ? model : null;
    if (palette == null && (bands > 4 || bands == 0)) {
      throw new DataException(
          file, bands + " colour channels", "convert it to grey or to red, green, blue");
    }
    int[] largest = new int[bands];
    for (int b = 0; b < bands; b++) {
      largest[b] = (1 << Math.min(30, raster.getSampleModel().getSampleSize(b))) - 1;
    }
    if (channels == 3 && isRedGreenBlue(raster)) {
      return ((DataBufferByte) raster.getDataBuffer()).getData();
    }
    byte[] out = new byte[raster.getHeight() * width * channels];
    int[] row = new int[width * bands];
    int at = 0;
    for (int y = 0; y < raster.getHeight(); y++) {
      raster.getPixels(0, y, width, 1, row);
      for (int x = 0; x < width; x++) {
        int red;
        int green;
        int blue;
        if (palette != null) {
          int colour = palette.getRGB(row[x * bands]);
          red = colour >> 16 & 0xff;
          green = colour >> 8 & 0xff;
          blue = colour & 0xff;
        } else {
          int step = bands < 3 ? 0 : 1; // grey stands for all three
          red = eightBits(row[x * bands], largest[0]);
          green = eightBits(row[x * bands + step], largest[step]);
          blue = eightBits(row[x * bands + 2 * step], largest[2 * step]);
        }
        if (channels == 1) {
          out[at++] = (byte) ((299 * red + 587 * green + 114 * blue + 500) / 1000);
        } else {
          out[at++] = (byte) red;
          out[at++] = (byte) green;
          out[at++] = (byte) blue;
        }
      }
    }
    return out;
  }

  /**
   * Asks for bytes in the order red, green, blue where a decoder would give them in another one:
   * the JPEG decoder turns them around pixel by pixel, which takes half as long as all the rest.
   */
  private static ImageReadParam intoBytes(ImageReader reader) throws IOException {
    ImageReadParam param = reader.getDefaultReadParam();
    ImageTypeSpecifier usual = reader.getImageTypes(0).next();
    if (usual.getBufferedImageType() == BufferedImage.TYPE_3BYTE_BGR) {
      param.setDestination(
          ImageTypeSpecifier.createInterleaved(
                  usual.getColorModel().getColorSpace(),
                  RED_GREEN_BLUE,
                  DataBuffer.TYPE_BYTE,
                  false,
                  false)
              .createBufferedImage(reader.getWidth(0), reader.getHeight(0)));
    }
    return param;
  }

  /** Whether the samples lie in memory as they are wanted. */
  private static boolean isRedGreenBlue(Raster raster) {
    return raster.getSampleModel() instanceof PixelInterleavedSampleModel layout
        && raster.getDataBuffer() instanceof DataBufferByte data
        && Arrays.equals(layout.getBandOffsets(), RED_GREEN_BLUE)
        && layout.getPixelStride() == 3
        && layout.getScanlineStride() == 3 * raster.getWidth()
        && data.getOffset() == 0
        && data.getSize() == 3 * raster.getWidth() * raster.getHeight();
  }

  private static int eightBits(int sample, int largest) {
    return largest == 255 ? sample : (int) ((sample * 255L + largest / 2) / largest);
  }

  /** Whether a file is taken for an image by its name. */
  static boolean isNamed(Path file) {
    return ending(file).matches("jpe?g|png");
  }

  /** Whether a file is an image by its name, but of a kind that is not read. */
  static boolean isOtherKind(Path file) {
    return ending(file).matches("bmp|gif|tiff?|webp|ppm|pgm|heic|avif|jp2");
  }

  private static String ending(Path file) {
    String name = file.getFileName().toString();
    return name.substring(name.lastIndexOf('.') + 1).toLowerCase(Locale.ROOT);
  }
}
