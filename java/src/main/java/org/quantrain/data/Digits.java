package org.quantrain.data;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.zip.GZIPInputStream;

/**
 * The 1,797 handwritten digits of 8x8x1 pixels with 17 grey levels (0 to 16) that come with
 * Quantrain, so that a first training run needs no network: the test part of the UCI "Optical
 * Recognition of Handwritten Digits" (Alpaydin and Kaynak 1998, <a
 * href="https://doi.org/10.24432/C50P49">doi:10.24432/C50P49</a>, CC BY 4.0; the attribution is in
 * digits-attribution.txt beside the data). A pixel is value / 16, in [0, 1], before a
 * normalization.
 *
 * <p>The division into 1,437 training and 360 test images is written down in digits-split.txt. It
 * is stratified: each class gives the test part its share 360 * n / 1797, rounded down; the images
 * still missing come one each from the classes with the largest remainders, the smaller class first
 * among equals. Within a class, the images are shuffled with the seed {@value #SPLIT_SEED} and the
 * first ones go to the test part. The same 13 people wrote both parts, so the accuracy is not one
 * for unknown writers, and not comparable with figures on the original division.
 */
public final class Digits {
  /** Leaves the pixels in [0, 1]. */
  public static final Normalization NORMALIZATION = Normalization.UNIT;

  static final long SPLIT_SEED = 1797;
  static final int IMAGES = 1797;
  static final int TEST_IMAGES = 360;
  static final int CLASSES = 10;

  private static final String NAME = "digits";
  private static final int SIDE = 8;
  private static final int LEVELS = 16;
  private static final String RESOURCE = "digits.bin.gz";
  private static final String SHA_256 =
      "e464870e9ec71d540b790093b25429c4eabe144179b0a8c5ae37706b08b302ec";

  private Digits() {}

  /** Both parts with pixels in [0, 1]. */
  public static DataSplit load() throws DataException {
    return load(NORMALIZATION);
  }

  /**
   * Both parts: 1,437 and 360 images.
   *
   * @param normalization applied to value / 16
   * @throws DataException if the resource in the jar is missing or damaged
   */
  public static DataSplit load(Normalization normalization) throws DataException {
    DataSource all = all(normalization);
    boolean[] isTest = testMask(resource("digits-split.txt"));
    int[] train = new int[IMAGES - TEST_IMAGES];
    int[] test = new int[TEST_IMAGES];
    int trainCount = 0;
    int testCount = 0;
    for (int i = 0; i < IMAGES; i++) {
      if (isTest[i]) {
        test[testCount++] = i;
      } else {
        train[trainCount++] = i;
      }
    }
    return new DataSplit(all.subset(train), all.subset(test));
  }

  /** All 1,797 images in the order of the original file. */
  public static DataSource all(Normalization normalization) throws DataException {
    if (!normalization.fits(1)) {
      throw new DataException(
          NAME,
          "1 channel, mean and std have %d values".formatted(normalization.mean().length),
          "give one value each");
    }
    byte[] content = checked(resource(RESOURCE), SHA_256);
    byte[] labels = Arrays.copyOf(content, IMAGES);
    byte[] pixels = Arrays.copyOfRange(content, IMAGES, content.length);
    return new ByteImages(
        NAME, SIDE, SIDE, 1, pixels, labels, ByteImages.numbered(CLASSES), normalization, LEVELS);
  }

  /** Decompresses after the checksum: labels (1797), then pixels (1797, 8, 8). */
  static byte[] checked(byte[] compressed, String sha256) throws DataException {
    String actual = HexFormat.of().formatHex(Idx.sha256().digest(compressed));
    if (!actual.equals(sha256)) {
      throw new DataException(
          RESOURCE,
          "the SHA-256 is %s, expected %s".formatted(actual, sha256),
          "build or download Quantrain again");
    }
    try (var in = new GZIPInputStream(new ByteArrayInputStream(compressed))) {
      return in.readAllBytes();
    } catch (IOException e) {
      throw new DataException(RESOURCE, "damaged (" + e + ")", "build Quantrain again", e);
    }
  }

  /**
   * Reads the list of test images: decimal numbers between white space, lines with # are comments.
   */
  static boolean[] testMask(byte[] text) throws DataException {
    boolean[] isTest = new boolean[IMAGES];
    int count = 0;
    for (String line : new String(text, StandardCharsets.US_ASCII).lines().toList()) {
      if (line.startsWith("#") || line.isBlank()) {
        continue;
      }
      for (String word : line.trim().split("\\s+")) {
        int index = word.matches("[0-9]{1,4}") ? Integer.parseInt(word) : -1;
        if (index < 0 || index >= IMAGES || isTest[index]) {
          throw new DataException(
              "digits-split.txt",
              "'%s' is not a new index below %d".formatted(word, IMAGES),
              "build Quantrain again");
        }
        isTest[index] = true;
        count++;
      }
    }
    if (count != TEST_IMAGES) {
      throw new DataException(
          "digits-split.txt",
          "%d indices, expected %d".formatted(count, TEST_IMAGES),
          "build Quantrain again");
    }
    return isTest;
  }

  /** The rule that digits-split.txt was written with: the test images, ascending. */
  static int[] splitByRule(DataSource all) {
    int[] byClass = new int[CLASSES];
    for (int i = 0; i < all.size(); i++) {
      byClass[all.label(i)]++;
    }
    int[] share = new int[CLASSES];
    int missing = TEST_IMAGES;
    for (int k = 0; k < CLASSES; k++) {
      share[k] = TEST_IMAGES * byClass[k] / IMAGES;
      missing -= share[k];
    }
    for (; missing > 0; missing--) {
      int best = 0;
      int largest = -1;
      for (int k = 0; k < CLASSES; k++) {
        int remainder = TEST_IMAGES * byClass[k] - share[k] * IMAGES; // negative once served
        if (remainder > largest) {
          best = k;
          largest = remainder;
        }
      }
      share[best]++;
    }
    int[] test = new int[TEST_IMAGES];
    int count = 0;
    for (int k = 0; k < CLASSES; k++) {
      int[] members = new int[byClass[k]];
      int m = 0;
      for (int i = 0; i < all.size(); i++) {
        if (all.label(i) == k) {
          members[m++] = i;
        }
      }
      CounterRandom.shuffle(members, CounterRandom.key(SPLIT_SEED, 0, k, 0));
      System.arraycopy(members, 0, test, count, share[k]);
      count += share[k];
    }
    Arrays.sort(test);
    return test;
  }

  private static byte[] resource(String name) throws DataException {
    try (InputStream in = Digits.class.getResourceAsStream(name)) {
      if (in == null) {
        throw new DataException(name, "missing from the class path", "build Quantrain again");
      }
      return in.readAllBytes();
    } catch (DataException e) {
      throw e;
    } catch (IOException e) {
      throw new DataException(name, "cannot be read (" + e + ")", "build Quantrain again", e);
    }
  }
}
