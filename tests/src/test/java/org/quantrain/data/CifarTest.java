package org.quantrain.data;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class CifarTest {
  @TempDir private Path folder;

  /** Records whose pixel (y, x) of colour c is n + 32 y + x + 50 c, mod 256. */
  private static byte[] records(int count, int labelBytes, int classes) {
    int record = labelBytes + 3072;
    byte[] bytes = new byte[count * record];
    for (int n = 0; n < count; n++) {
      bytes[n * record] = (byte) 200; // the coarse label, if there are two
      bytes[n * record + labelBytes - 1] = (byte) (n % classes);
      for (int i = 0; i < 3072; i++) {
        bytes[n * record + labelBytes + i] = (byte) (n + i % 1024 + 50 * (i / 1024));
      }
    }
    return bytes;
  }

  private void cifar10() throws Exception {
    for (int i = 1; i <= 5; i++) {
      Files.write(folder.resolve("data_batch_" + i + ".bin"), records(i, 1, 10));
    }
    Files.write(folder.resolve("test_batch.bin"), records(3, 1, 10));
  }

  private void refuses(String... words) {
    DataException e =
        assertThrows(DataException.class, () -> Datasets.load("cifar:" + folder));
    for (String word : words) {
      assertTrue(e.getMessage().contains(word), e.getMessage());
    }
  }

  @Test
  void planesBecomePixels() throws Exception {
    cifar10();
    DataSplit split = Datasets.load("cifar:" + folder);
    assertEquals(15, split.train().size());
    assertEquals(3, split.test().size());
    float[] pixels = IdxFiles.pixels(split.test(), 2);
    for (int i = 0; i < pixels.length; i++) {
      assertEquals((2 + i / 3 + 50 * (i % 3) & 0xff) / 255f, pixels[i]);
    }
    assertEquals(2, split.test().label(2));
    assertEquals("9", split.test().classNames().get(9));
    assertEquals(4, split.train().label(14));
  }

  @Test
  void theFineLabelsOfCifar100AreTaken() throws Exception {
    Files.write(folder.resolve("train.bin"), records(120, 2, 100));
    Files.write(folder.resolve("test.bin"), records(2, 2, 100));
    StringBuilder names = new StringBuilder();
    for (int i = 0; i < 100; i++) {
      names.append("name").append(i).append('\n');
    }
    Files.writeString(folder.resolve("fine_label_names.txt"), names);
    DataSource train = Datasets.load("cifar:" + folder + "?size=16").train();
    assertEquals(99, train.label(99));
    assertEquals("name99", train.classNames().get(99));
    assertEquals(16, train.height());
  }

  @Test
  void malformedFilesAreNamed() throws Exception {
    refuses("data_batch_1.bin", "no such file");
    cifar10();
    Path file = folder.resolve("data_batch_3.bin");
    byte[] whole = Files.readAllBytes(file);
    Files.write(file, Arrays.copyOf(whole, whole.length - 1));
    refuses("data_batch_3.bin", "multiple of the 3073");
    whole[0] = 10;
    Files.write(file, whole);
    refuses("data_batch_3.bin", "label 10");
    whole[0] = 0;
    Files.write(file, whole);
    Files.writeString(folder.resolve("batches.meta.txt"), "cat\ndog\n");
    refuses("batches.meta.txt", "2 names for 10 classes");
  }

  @Test
  void cifar10SaysWhereToGetIt() {
    DataException e = assertThrows(DataException.class, () -> Datasets.load("cifar10"));
    assertArrayEquals(
        new boolean[] {true, true},
        new boolean[] {
          e.getMessage().contains("binary version"), e.getMessage().contains("cifar:PATH")
        },
        e.getMessage());
  }
}
