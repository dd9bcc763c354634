package org.quantrain.data;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.file.Files;
import org.junit.jupiter.api.Test;

class FashionMnistTest {
  @Test
  void debiansPackageIsTheOriginalAndItsPixelsHaveTheDocumentedMoments() throws Exception {
    assumeTrue(
        Files.exists(FashionMnist.FILES.packageFolder()), "dataset-fashion-mnist not installed");
    DataSplit split = FashionMnist.load(Normalization.UNIT);
    assertEquals(60_000, split.train().size());
    assertEquals(10_000, split.test().size());
    assertEquals(784, split.train().imageFloats());
    int[] perClass = new int[10];
    float[] pixels = new float[784];
    double sum = 0;
    double squares = 0;
    for (int i = 0; i < split.train().size(); i++) {
      perClass[split.train().label(i)]++;
      split.train().read(i, pixels, 0);
      for (float p : pixels) {
        sum += p;
        squares += (double) p * p;
      }
    }
    for (int count : perClass) {
      assertEquals(6_000, count);
    }
    double n = 60_000.0 * 784;
    double mean = sum / n;
    double std = Math.sqrt(squares / n - mean * mean);
    // half a unit of the last digit that is given
    assertEquals(mean, FashionMnist.NORMALIZATION.mean()[0], 5e-5);
    assertEquals(std, FashionMnist.NORMALIZATION.std()[0], 5e-5);
    DataSplit limited = Datasets.load("fashion-mnist?limit=100");
    assertEquals(100, limited.train().size());
    assertEquals("Ankle boot", limited.test().classNames().get(9));
    assertArrayEquals(
        IdxFiles.pixels(FashionMnist.load().test().limit(100, Datasets.LIMIT_SEED), 7),
        IdxFiles.pixels(limited.test(), 7));
  }
}
