package org.quantrain.data;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.IntBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.quantrain.data.Batches.LastBatch;

class BatchesTest {
  private record Batch(int valid, List<Integer> labels, List<Float> pixels) {}

  private static Batch fill(Batches batches, int epoch, int batch) {
    FloatBuffer images = batches.allocateImages();
    IntBuffer labels = batches.allocateLabels();
    return copy(batches.fill(epoch, batch, images, labels), images, labels);
  }

  private static Batch copy(int valid, FloatBuffer images, IntBuffer labels) {
    assertEquals(0, images.position());
    assertEquals(0, labels.position());
    return new Batch(
        valid,
        IntStream.range(0, labels.limit()).mapToObj(labels::get).toList(),
        IntStream.range(0, images.limit()).mapToObj(images::get).toList());
  }

  private static List<Integer> epochLabels(Batches batches, int epoch) {
    List<Integer> labels = new ArrayList<>();
    for (int b = 0; b < batches.batchesPerEpoch(); b++) {
      Batch batch = fill(batches, epoch, b);
      labels.addAll(batch.labels().subList(0, batch.valid()));
    }
    return labels;
  }

  private static final NumberedImages SOURCE = new NumberedImages(23, 3, 4, 2);

  @Test
  void everyEpochIsAnotherPermutation() {
    Batches batches = Batches.shuffled(SOURCE, 5, 7).with(LastBatch.PAD);
    List<List<Integer>> seen = new ArrayList<>();
    for (int epoch = 0; epoch < 20; epoch++) {
      List<Integer> labels = epochLabels(batches, epoch);
      assertFalse(seen.contains(labels));
      seen.add(labels);
      List<Integer> sorted = new ArrayList<>(labels);
      sorted.sort(null);
      assertEquals(IntStream.range(0, 23).boxed().toList(), sorted);
    }
    assertNotEquals(seen.get(0), epochLabels(Batches.shuffled(SOURCE, 5, 8), 0));
  }

  @Test
  void theOrderOfAnEpochNeverChangesBetweenVersions() {
    // A change of the generator would break every resumed run. Computed apart, from the definition.
    assertEquals(
        List.of(0, 2, 8, 6, 3, 4, 7, 1, 5, 9),
        epochLabels(Batches.shuffled(new NumberedImages(10, 1, 1, 1), 10, 42), 3));
  }

  @Test
  void thePermutationsAreUniform() {
    // Each of 6 orders of 3 images: 10,000 expected of 60,000; 5 sigma = 5 sqrt(60000 5/36) = 456.
    int[] count = new int[27];
    for (int key = 0; key < 60_000; key++) {
      int[] p = CounterRandom.permutation(3, CounterRandom.key(1, 1, key, 0));
      count[9 * p[0] + 3 * p[1] + p[2]]++;
    }
    int orders = 0;
    for (int c : count) {
      if (c > 0) {
        orders++;
        assertEquals(10_000, c, 456);
      }
    }
    assertEquals(6, orders);
  }

  @Test
  void imagesStayWithTheirLabels() {
    Batch batch = fill(Batches.shuffled(SOURCE, 5, 1), 2, 1);
    for (int row = 0; row < 5; row++) {
      for (int i = 0; i < 24; i++) {
        assertEquals(1000f * batch.labels().get(row) + i + 1, batch.pixels().get(24 * row + i));
      }
    }
  }

  @Test
  void aShortLastBatchIsDropped() {
    Batches batches = Batches.shuffled(SOURCE, 5, 1);
    assertEquals(4, batches.batchesPerEpoch());
    assertEquals(20, epochLabels(batches, 0).size());
    assertThrows(IndexOutOfBoundsException.class, () -> fill(batches, 0, 4));
    assertThrows(IllegalArgumentException.class, () -> Batches.shuffled(SOURCE, 24, 1));
  }

  @Test
  void aShortLastBatchIsPaddedWithZerosAndNoLabel() {
    Batches batches = Batches.inOrder(SOURCE, 5);
    assertEquals(5, batches.batchesPerEpoch());
    assertEquals(IntStream.range(0, 23).boxed().toList(), epochLabels(batches, 9));
    FloatBuffer images = batches.allocateImages();
    IntBuffer labels = batches.allocateLabels();
    batches.fill(0, 3, images, labels); // so that there is something to overwrite
    Batch last = copy(batches.fill(0, 4, images, labels), images, labels);
    assertEquals(3, last.valid());
    assertEquals(3, batches.validRows(4));
    assertEquals(List.of(20, 21, 22, Batches.NO_LABEL, Batches.NO_LABEL), last.labels());
    for (float p : last.pixels().subList(3 * 24, 5 * 24)) {
      assertEquals(0f, p);
    }
    assertEquals(1, Batches.inOrder(SOURCE, 100).batchesPerEpoch());
  }

  @Test
  void anyNumberOfThreadsFillsTheSameBatches() {
    Batches batches = Batches.shuffled(SOURCE, 4, 5).with(Augmentation.cropAndFlip(2));
    List<Batch> one = IntStream.range(0, 500).mapToObj(i -> fill(batches, i / 5, i % 5)).toList();
    Batches others = Batches.shuffled(SOURCE, 4, 5).with(Augmentation.cropAndFlip(2));
    List<Batch> many =
        IntStream.range(0, 500).parallel().mapToObj(i -> fill(others, i / 5, i % 5)).toList();
    assertEquals(one, many);
  }

  @Test
  void buffersThatDoNotFitAreRefused() {
    Batches batches = Batches.shuffled(SOURCE, 5, 1);
    FloatBuffer images = batches.allocateImages();
    IntBuffer labels = batches.allocateLabels();
    assertTrue(images.isDirect() && labels.isDirect());
    assertThrows(
        IllegalArgumentException.class,
        () -> batches.fill(0, 0, FloatBuffer.allocate(119), labels));
    assertThrows(
        IllegalArgumentException.class, () -> batches.fill(0, 0, images, IntBuffer.allocate(4)));
    assertThrows(
        IllegalArgumentException.class,
        () -> batches.fill(0, 0, images.asReadOnlyBuffer(), labels));
    assertThrows(IllegalArgumentException.class, () -> batches.fill(-1, 0, images, labels));
    ByteOrder other =
        ByteOrder.nativeOrder() == ByteOrder.BIG_ENDIAN
            ? ByteOrder.LITTLE_ENDIAN
            : ByteOrder.BIG_ENDIAN;
    FloatBuffer swapped = ByteBuffer.allocateDirect(480).order(other).asFloatBuffer();
    assertThrows(IllegalArgumentException.class, () -> batches.fill(0, 0, swapped, labels));
    assertThrows(IllegalArgumentException.class, () -> Batches.inOrder(SOURCE, 0));
    assertThrows(IllegalArgumentException.class, () -> Batches.inOrder(SOURCE, 1 << 30));
  }

  @Test
  void anAugmentationChangesFromEpochToEpochAndNoneDoesNot() {
    Batches augmented = Batches.inOrder(SOURCE, 23).with(Augmentation.crop(1));
    assertNotEquals(fill(augmented, 0, 0), fill(augmented, 1, 0));
    assertEquals(fill(augmented, 1, 0), fill(augmented, 1, 0));
    Batches plain = Batches.inOrder(SOURCE, 23);
    assertEquals(fill(plain, 0, 0), fill(plain, 1, 0));
  }

  @Test
  void aSplitNeedsTwoPartsOfOneShape() {
    DataSource other = new NumberedImages(23, 4, 3, 2);
    assertThrows(IllegalArgumentException.class, () -> new DataSplit(SOURCE, other));
    assertThrows(IllegalArgumentException.class, () -> SOURCE.subset());
    assertThrows(IndexOutOfBoundsException.class, () -> SOURCE.subset(1, 23));
    assertEquals(7, SOURCE.subset(7, 3).label(0));
    assertEquals(-2f, SOURCE.subset(7, 3).paddingValue(1));
  }
}
