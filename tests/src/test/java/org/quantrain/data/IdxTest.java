package org.quantrain.data;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.quantrain.data.IdxFiles.gzip;
import static org.quantrain.data.IdxFiles.idx;
import static org.quantrain.data.IdxFiles.images;
import static org.quantrain.data.IdxFiles.labels;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class IdxTest {
  @TempDir Path folder;

  private Path write(byte[] content) throws Exception {
    return Files.write(folder.resolve("file"), content);
  }

  private void refuses(byte[] content, String... words) throws Exception {
    refuses(write(content), words);
  }

  private static void refuses(Path file, String... words) {
    DataException e = assertThrows(DataException.class, () -> Idx.read(file));
    assertTrue(e.getMessage().startsWith(file.toAbsolutePath().toString()), e.getMessage());
    assertFalse(e.getMessage().contains("\n"), e.getMessage());
    assertTrue(e.getMessage().contains("; "), e.getMessage());
    for (String word : words) {
      assertTrue(e.getMessage().contains(word), e.getMessage());
    }
  }

  @Test
  void aPlainAndACompressedFileReadTheSame() throws Exception {
    byte[] content = images(50, 40, 41); // longer than the first chunk
    Idx plain = Idx.read(write(content));
    Idx compressed = Idx.read(write(gzip(content)));
    assertArrayEquals(new int[] {50, 40, 41}, plain.shape());
    assertArrayEquals(plain.shape(), compressed.shape());
    assertArrayEquals(Arrays.copyOfRange(content, 16, content.length), plain.elements());
    assertArrayEquals(plain.elements(), compressed.elements());
  }

  @Test
  void aMissingFileIsRefused() {
    refuses(folder.resolve("nowhere"), "no such file");
  }

  @Test
  void aFolderIsRefused() {
    refuses(folder, "not a regular file");
  }

  @Test
  void everyTruncationIsRefused() throws Exception {
    byte[] content = images(2, 3, 4);
    for (int length = 0; length < content.length; length++) {
      refuses(Arrays.copyOf(content, length));
    }
    refuses(Arrays.copyOf(content, content.length - 1), "truncated", "24 elements (2x3x4)");
  }

  @Test
  void everyTruncationOfACompressedFileIsRefused() throws Exception {
    byte[] content = gzip(images(2, 3, 4));
    for (int length = 0; length < content.length; length++) {
      refuses(Arrays.copyOf(content, length));
    }
  }

  @Test
  void aCompressedFileWithAShortContentIsRefused() throws Exception {
    byte[] content = images(20, 3, 4);
    refuses(gzip(Arrays.copyOf(content, 100)), "truncated", "the file holds 84");
  }

  @Test
  void aFileLongerThanItsHeaderIsRefused() throws Exception {
    byte[] content = images(2, 3, 4);
    refuses(Arrays.copyOf(content, content.length + 1), "more than the 24 elements");
    refuses(gzip(Arrays.copyOf(content, content.length + 1)), "more than the 24 elements");
  }

  @Test
  void aDamagedCompressedFileNeverReadsAsAnother() throws Exception {
    byte[] content = images(30, 8, 8);
    byte[] compressed = gzip(content);
    Random random = new Random(1);
    for (int i = 0; i < 500; i++) {
      byte[] damaged = compressed.clone();
      // behind gzip's own header, whose time stamp may be anything
      damaged[10 + random.nextInt(damaged.length - 10)] ^= (byte) (1 << random.nextInt(8));
      Path file = write(damaged);
      try {
        assertArrayEquals(
            Arrays.copyOfRange(content, 16, content.length), Idx.read(file).elements());
      } catch (DataException expected) {
        assertTrue(expected.getMessage().contains("file"), expected.getMessage());
      }
    }
  }

  @Test
  void aWrongMagicIsRefused() throws Exception {
    refuses("P5 28 28 255".getBytes("US-ASCII"), "starts with 5035");
    refuses(idx(0x0d, new int[] {1}, new byte[4]), "element type 0x0d", "0x08");
    refuses(idx(8, new int[0], new byte[4]), "rank 0");
    refuses(idx(8, new int[] {1, 1, 1, 1, 1}, new byte[1]), "rank 5");
    refuses(idx(8, new int[] {3, 0}, new byte[0]), "dimension 1 is 0");
  }

  @Test
  void aHugeHeaderIsRefusedWithoutTheMemoryItAsksFor() throws Exception {
    refuses(idx(8, new int[] {-1, -1, -1, -1}, new byte[9]), "more than");
    refuses(idx(8, new int[] {65536, 65536}, new byte[9]), "more than");
    refuses(idx(8, new int[] {2_000_000_000}, new byte[9]), "cannot hold");
    refuses(gzip(idx(8, new int[] {2_000_000_000}, new byte[9])), "cannot hold");
    // within what deflate could expand to: refused when the content ends, having grown only so far
    refuses(gzip(idx(8, new int[] {20_000}, new byte[9])), "truncated", "the file holds 9");
  }

  @Test
  void anotherContentThanExpectedIsRefusedWhateverItsCompression() throws Exception {
    byte[] content = labels(9);
    String sha256 = IdxFiles.sha256(content);
    assertEquals(9, Idx.read(write(content), sha256).elements().length);
    assertEquals(9, Idx.read(write(gzip(content)), sha256).elements().length);
    content[10] ^= 1;
    DataException e =
        assertThrows(DataException.class, () -> Idx.read(write(gzip(content)), sha256));
    assertTrue(e.getMessage().contains("expected " + sha256), e.getMessage());
    assertTrue(e.getMessage().contains(IdxFiles.sha256(content)), e.getMessage());
  }

  @Test
  void aFolderGivesBothPartsChannelsLastAndNormalized() throws Exception {
    DataSplit split = Idx.folder(IdxFiles.folder(folder), Normalization.of(0.5f, 0.25f));
    assertEquals(9, split.train().size());
    assertEquals(6, split.test().size());
    assertEquals(4, split.train().height());
    assertEquals(5, split.train().width());
    assertEquals(1, split.train().channels());
    assertEquals(3, split.train().classes());
    assertEquals(2, split.train().label(5));
    float[] pixels = new float[23];
    split.train().read(2, pixels, 3);
    assertEquals(0f, pixels[2]);
    for (int i = 0; i < 20; i++) {
      assertEquals(((14 + i) / 255f - 0.5f) / 0.25f, pixels[3 + i]);
    }
    assertEquals(-2f, split.train().paddingValue(0));
    assertThrows(IndexOutOfBoundsException.class, () -> split.train().read(9, pixels, 0));
    assertThrows(IndexOutOfBoundsException.class, () -> split.train().read(-1, pixels, 0));
    assertThrows(IndexOutOfBoundsException.class, () -> split.train().read(0, pixels, 4));
  }

  @Test
  void imagesOfRankFourHaveChannels() throws Exception {
    byte[] pixels = new byte[2 * 2 * 2 * 3];
    for (int i = 0; i < pixels.length; i++) {
      pixels[i] = (byte) (10 * i);
    }
    byte[] content = idx(8, new int[] {2, 2, 2, 3}, pixels);
    Files.write(folder.resolve(Idx.TRAIN_IMAGES), content);
    Files.write(folder.resolve(Idx.TEST_IMAGES), content);
    Files.write(folder.resolve(Idx.TRAIN_LABELS), labels(2));
    Files.write(folder.resolve(Idx.TEST_LABELS), labels(2));
    float[] mean = {0.1f, 0.2f, 0.3f};
    float[] std = {1f, 2f, 4f};
    DataSource train = Idx.folder(folder, new Normalization(mean, std)).train();
    float[] read = IdxFiles.pixels(train, 1);
    for (int i = 0; i < 12; i++) {
      assertEquals(((10 * (12 + i)) / 255f - mean[i % 3]) / std[i % 3], read[i]);
    }
    Normalization two = new Normalization(new float[2], new float[] {1f, 1f});
    DataException e = assertThrows(DataException.class, () -> Idx.folder(folder, two));
    assertTrue(e.getMessage().contains("3 channel(s), mean and std have 2"), e.getMessage());
  }

  @Test
  void imagesAndLabelsOfDifferentNumberAreRefused() throws Exception {
    IdxFiles.folder(folder);
    Files.write(folder.resolve(Idx.TEST_LABELS), labels(5));
    DataException e =
        assertThrows(DataException.class, () -> Idx.folder(folder, Normalization.UNIT));
    assertTrue(e.getMessage().contains("6 images for 5 labels"), e.getMessage());
  }

  @Test
  void exchangedImagesAndLabelsAreRefused() throws Exception {
    IdxFiles.folder(folder);
    Files.write(folder.resolve(Idx.TEST_LABELS), images(6, 4, 5));
    DataException e =
        assertThrows(DataException.class, () -> Idx.folder(folder, Normalization.UNIT));
    assertTrue(e.getMessage().contains("rank 3, labels have rank 1"), e.getMessage());
    IdxFiles.folder(folder);
    Files.write(folder.resolve(Idx.TRAIN_IMAGES), labels(9));
    e = assertThrows(DataException.class, () -> Idx.folder(folder, Normalization.UNIT));
    assertTrue(e.getMessage().contains("rank 1, images have rank 3"), e.getMessage());
  }

  @Test
  void partsOfDifferentSizeAreRefused() throws Exception {
    IdxFiles.folder(folder);
    Files.write(folder.resolve(Idx.TRAIN_IMAGES), images(9, 5, 4));
    DataException e =
        assertThrows(DataException.class, () -> Idx.folder(folder, Normalization.UNIT));
    assertTrue(e.getMessage().contains("[4, 5, 1]"), e.getMessage());
  }

  @Test
  void aFolderWithoutAFileSaysWhich() throws Exception {
    IdxFiles.folder(folder);
    Files.delete(folder.resolve(Idx.TEST_LABELS));
    DataException e =
        assertThrows(DataException.class, () -> Idx.folder(folder, Normalization.UNIT));
    assertTrue(e.getMessage().contains("has no t10k-labels-idx1-ubyte or"), e.getMessage());
  }
}
