package org.quantrain.data;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.awt.image.BufferedImage;
import java.awt.image.Raster;
import java.io.UncheckedIOException;
import java.nio.FloatBuffer;
import java.nio.IntBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ImageFolderTest {
  @TempDir private Path folder;

  private Path file(String name) {
    return folder.resolve(name);
  }

  private DataSource load(String options) throws DataException {
    return Datasets.load("imagefolder:" + folder + options).test();
  }

  /** One line, with the name of the file, and these words. */
  private static void assertMessage(Exception e, String... words) {
    for (String word : words) {
      assertTrue(e.getMessage().contains(word), e.getMessage());
    }
    assertFalse(e.getMessage().contains("\n"), e.getMessage());
  }

  private void refuses(String options, String... words) {
    assertMessage(assertThrows(DataException.class, () -> load(options)), words);
  }

  private void refusesToRead(String... words) throws DataException {
    refusesToRead(folder, words);
  }

  private static void refusesToRead(Path folder, String... words) throws DataException {
    DataSource images = Datasets.load("imagefolder:" + folder + "?size=4").test();
    UncheckedIOException e =
        assertThrows(
            UncheckedIOException.class,
            () -> {
              for (int i = 0; i < images.size(); i++) {
                IdxFiles.pixels(images, i);
              }
            });
    assertMessage(e.getCause(), words);
  }

  /** Pixels from 0 to 255. */
  private static int[] bytes(DataSource source, int index) {
    float[] pixels = IdxFiles.pixels(source, index);
    int[] bytes = new int[pixels.length];
    for (int i = 0; i < bytes.length; i++) {
      bytes[i] = Math.round(pixels[i] * 255);
      assertEquals(bytes[i] / 255f, pixels[i]);
    }
    return bytes;
  }

  @Test
  void classesAndImagesComeInTheOrderOfTheirNames() throws Exception {
    for (String name : List.of("b/2.png", "b/10.png", "a/x.PNG", "B/1.png")) {
      ImageFiles.png(file(name), 2, 3, name.charAt(name.length() - 5));
    }
    Files.writeString(file(".DS_Store"), "");
    Files.writeString(file("a/.hidden.png"), "");
    Files.writeString(file("README.txt"), "");
    DataSource images = load("");
    assertEquals(List.of("B", "a", "b"), images.classNames());
    assertEquals(4, images.size());
    assertEquals(2, images.height());
    assertEquals(3, images.width());
    assertArrayEquals(
        new int[] {0, 1, 2, 2}, new int[] {
          images.label(0), images.label(1), images.label(2), images.label(3)
        });
    assertArrayEquals(bytes(images, 2), expected(2, 3, '0')); // 10.png comes before 2.png
    assertArrayEquals(bytes(images, 3), expected(2, 3, '2'));
  }

  private static int[] expected(int height, int width, int seed) {
    BufferedImage image = ImageFiles.pattern(height, width, BufferedImage.TYPE_INT_RGB, seed);
    int[] values = new int[height * width * 3];
    for (int i = 0; i < height * width; i++) {
      int colour = image.getRGB(i % width, i / width);
      values[3 * i] = colour >> 16 & 0xff;
      values[3 * i + 1] = colour >> 8 & 0xff;
      values[3 * i + 2] = colour & 0xff;
    }
    return values;
  }

  @Test
  void everyKindOfPngGivesTheValuesItHolds() throws Exception {
    BufferedImage grey = new BufferedImage(3, 1, BufferedImage.TYPE_BYTE_GRAY);
    BufferedImage deep = new BufferedImage(3, 1, BufferedImage.TYPE_USHORT_GRAY);
    BufferedImage palette = new BufferedImage(3, 1, BufferedImage.TYPE_BYTE_INDEXED);
    BufferedImage alpha = new BufferedImage(3, 1, BufferedImage.TYPE_INT_ARGB);
    for (int x = 0; x < 3; x++) {
      grey.getRaster().setSample(x, 0, 0, 100 * x + 7);
      deep.getRaster().setSample(x, 0, 0, (100 * x + 7) * 257);
      palette.setRGB(x, 0, x == 1 ? 0xffffff00 : 0xff0000ff);
      alpha.setRGB(x, 0, 0x80112233 * (x + 1));
    }
    alpha.setRGB(0, 0, 0x80112233);
    ImageFiles.write(file("c/1.png"), "png", grey);
    ImageFiles.write(file("c/2.png"), "png", deep);
    ImageFiles.write(file("c/3.png"), "png", palette);
    ImageFiles.write(file("c/4.png"), "png", alpha);
    DataSource images = load("");
    int[] greys = {7, 7, 7, 107, 107, 107, 207, 207, 207};
    assertArrayEquals(greys, bytes(images, 0));
    assertArrayEquals(greys, bytes(images, 1));
    assertArrayEquals(new int[] {0, 0, 255, 255, 255, 0, 0, 0, 255}, bytes(images, 2));
    assertArrayEquals(new int[] {0x11, 0x22, 0x33}, Arrays.copyOf(bytes(images, 3), 3));
    DataSource single = load("?channels=1");
    assertEquals(1, single.channels());
    assertArrayEquals(new int[] {7, 107, 207}, bytes(single, 0));
    assertEquals(29, bytes(single, 2)[0]); // 0.114 * 255
  }

  @Test
  void aJpegIsReadWhateverItsName() throws Exception {
    BufferedImage image = new BufferedImage(16, 16, BufferedImage.TYPE_INT_RGB);
    for (int i = 0; i < 256; i++) {
      image.setRGB(i % 16, i / 16, 0x8040c0);
    }
    ImageFiles.write(file("c/a.png"), "jpeg", image);
    int[] pixels = bytes(load(""), 0);
    for (int i = 0; i < pixels.length; i++) {
      assertEquals(new int[] {0x80, 0x40, 0xc0}[i % 3], pixels[i], 3); // rounding of the colours
    }
  }

  @Test
  void aJpegHasTheColoursThatItsDecoderGives() throws Exception {
    int[] types = {BufferedImage.TYPE_INT_RGB, BufferedImage.TYPE_BYTE_GRAY};
    for (int i = 0; i < types.length; i++) {
      Path jpeg =
          ImageFiles.write(file("c/" + i + ".jpg"), "jpeg", ImageFiles.pattern(33, 50, types[i], 7));
      Raster decoded = ImageIO.read(jpeg.toFile()).getRaster();
      assertEquals(i == 0 ? 3 : 1, decoded.getNumBands());
      int[] expected = new int[33 * 50 * 3];
      for (int at = 0; at < expected.length; at++) {
        int band = at % 3 % decoded.getNumBands();
        expected[at] = decoded.getSample(at / 3 % 50, at / 150, band);
      }
      assertArrayEquals(expected, bytes(load(""), i));
    }
  }

  @Test
  void partsAreFoundAndMustHaveTheSameClasses() throws Exception {
    ImageFiles.png(file("train/a/1.png"), 4, 4, 1);
    ImageFiles.png(file("train/b/1.png"), 4, 4, 2);
    ImageFiles.png(file("val/a/1.png"), 4, 4, 3);
    refuses("", "val", "no folder for class 'b'");
    ImageFiles.png(file("val/b/1.png"), 4, 4, 4);
    DataSplit split = Datasets.load("imagefolder:" + folder);
    assertFalse(split.isShared());
    assertEquals(2, split.train().size());
    assertArrayEquals(expected(4, 4, 3), bytes(split.test(), 0));
    ImageFiles.png(file("test/a/1.png"), 4, 4, 5);
    ImageFiles.png(file("test/b/1.png"), 4, 4, 6);
    ImageFiles.png(file("test/c/1.png"), 4, 4, 6);
    refuses("", "class 'c'", "test");
    assertTrue(Datasets.load("imagefolder:" + file("train")).isShared());
  }

  @Test
  void imagesOfSeveralSizesNeedOne() throws Exception {
    ImageFiles.png(file("c/1.png"), 4, 6, 1);
    ImageFiles.png(file("c/2.png"), 5, 6, 1);
    DataSource plain = load("");
    IdxFiles.pixels(plain, 0);
    UncheckedIOException e =
        assertThrows(UncheckedIOException.class, () -> IdxFiles.pixels(plain, 1));
    assertMessage((Exception) e.getCause(), "2.png", "5x6 pixels, 1.png has 4x6", "size=N");
    DataSource scaled = load("?size=8x6");
    assertEquals(8, scaled.height());
    assertEquals(6, scaled.width());
    bytes(scaled, 1);
  }

  @Test
  void aFileThatIsNoWholeImageIsNamed() throws Exception {
    ImageFiles.png(file("c/good.png"), 40, 40, 1);
    Path png = ImageFiles.png(file("c/bad.png"), 40, 40, 9);
    byte[] whole = Files.readAllBytes(png);
    Files.write(png, Arrays.copyOf(whole, whole.length / 2));
    refusesToRead("bad.png", "remove the file");
    byte[] flipped = whole.clone();
    flipped[whole.length / 2] ^= 0x55;
    Files.write(png, flipped);
    refusesToRead("bad.png");
    ImageFiles.write(
        png, "jpeg", ImageFiles.pattern(64, 64, BufferedImage.TYPE_INT_RGB, 3));
    whole = Files.readAllBytes(png);
    for (int length : new int[] {whole.length * 3 / 4, whole.length / 2, 200, 20, 3}) {
      Files.write(png, Arrays.copyOf(whole, length));
      refusesToRead("bad.png");
    }
    Files.write(png, new byte[0]);
    refusesToRead("bad.png", "empty");
    Files.writeString(png, "GIF89a and so on");
    refusesToRead("bad.png", "neither JPEG nor PNG");
    Files.write(png, ImageFiles.header(200_000, 200_000));
    refusesToRead("bad.png", "200000x200000 pixels, more than");
    Files.write(png, ImageFiles.header(5_000, 5_000));
    refusesToRead("bad.png");
  }

  @Test
  void aPartIsCutOutOfTheFileAndNotOfWhatWasScaled() throws Exception {
    BufferedImage image = ImageFiles.pattern(40, 60, BufferedImage.TYPE_INT_RGB, 5);
    Region part = new Region(7, 20, 8, 12);
    ImageFiles.write(file("whole/c/1.png"), "png", image);
    ImageFiles.write(
        file("part/c/1.png"),
        "png",
        image.getSubimage(part.left(), part.top(), part.width(), part.height()));
    for (String size : new String[] {"?size=4x6", "?size=8x12", "?size=16x24"}) {
      DataSource whole = Datasets.load("imagefolder:" + file("whole") + size).test();
      DataSource cut = Datasets.load("imagefolder:" + file("part") + size).test();
      for (int again = 0; again < 2; again++) { // the second time after the whole image was kept
        float[] pixels = new float[whole.imageFloats()];
        whole.subset(0).read(0, (height, width) -> part, pixels, 0);
        assertArrayEquals(IdxFiles.pixels(cut, 0), pixels, size);
        IdxFiles.pixels(whole, 0);
      }
    }
    DataSource asInFile = Datasets.load("imagefolder:" + file("whole")).test();
    float[] pixels = new float[asInFile.imageFloats()];
    for (int again = 0; again < 2; again++) {
      asInFile.read(0, (height, width) -> new Region(0, 0, height, width), pixels, 0);
      assertArrayEquals(IdxFiles.pixels(asInFile, 0), pixels);
    }
    assertThrows(
        IllegalArgumentException.class,
        () -> asInFile.read(0, (height, width) -> new Region(0, 0, 41, 60), pixels, 0));
  }

  @Test
  void aDamagedFileDoesNotSpoilTheNext() throws Exception {
    for (String kind : List.of("png", "jpeg")) {
      BufferedImage image = ImageFiles.pattern(48, 64, BufferedImage.TYPE_INT_RGB, 3);
      Path good = ImageFiles.write(file(kind + "/c/1.png"), kind, image);
      int[] expected = bytes(Datasets.load("imagefolder:" + file(kind)).test(), 0);
      byte[] whole = Files.readAllBytes(good);
      for (int length = 30; length < whole.length; length += whole.length / 7) {
        Files.write(good, Arrays.copyOf(whole, length));
        refusesToRead(file(kind), "1.png");
        Files.write(good, whole);
        assertArrayEquals(
            expected, bytes(Datasets.load("imagefolder:" + file(kind)).test(), 0));
      }
    }
  }

  @Test
  void aFolderThatIsNoneOfImagesSaysWhatToDo() throws Exception {
    refuses("", "no class", "one folder for each class");
    Files.createDirectories(file("empty"));
    refuses("", "empty", "no .jpg, .jpeg or .png file");
    ImageFiles.png(file("empty/1.png"), 2, 2, 1);
    Files.writeString(file("empty/2.webp"), "");
    refuses("", "2.webp", "convert");
    Files.delete(file("empty/2.webp"));
    Files.createDirectories(file("empty/more"));
    refuses("", "a folder in a class");
    Files.delete(file("empty/more"));
    ImageFiles.png(file("stray.png"), 2, 2, 1);
    refuses("", "stray.png", "in no class");
    Files.delete(file("stray.png"));
    refuses("?mean=1,2&std=1,2", "3 channel(s)");
    refuses("?size=0", "size=N");
    refuses("?size=5000", "4096");
    refuses("?size=big", "'big'");
    refuses("?channels=2", "channels=1 or channels=3");
    assertMessage(
        assertThrows(DataException.class, () -> Datasets.load("imagefolder:/no/such")),
        "no such folder");
  }

  @Test
  void batchesReadByThreadsEqualImagesReadOneByOne() throws Exception {
    for (int i = 0; i < 40; i++) {
      ImageFiles.png(file("c" + i % 3 + "/" + i + ".png"), 5, 7, i);
    }
    DataSource images = load("?mean=0.5&std=0.25");
    Batches batches = Batches.inOrder(images, 16);
    FloatBuffer pixels = batches.allocateImages();
    IntBuffer labels = batches.allocateLabels();
    float[] row = new float[images.imageFloats()];
    for (int b = 0; b < batches.batchesPerEpoch(); b++) {
      int valid = batches.fill(0, b, pixels, labels);
      for (int i = 0; i < valid; i++) {
        pixels.get(i * row.length, row);
        assertArrayEquals(IdxFiles.pixels(images, 16 * b + i), row);
        assertEquals(images.label(16 * b + i), labels.get(i));
      }
    }
    Files.writeString(file("c0/12.png"), "broken");
    DataSource broken = load("");
    UncheckedIOException e =
        assertThrows(
            UncheckedIOException.class,
            () -> Batches.inOrder(broken, 16).fill(0, 0, pixels, labels));
    assertMessage((Exception) e.getCause(), "12.png");
  }
}
