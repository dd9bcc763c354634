package org.quantrain.data;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class DatasetsTest {
  private static void refuses(String spec, String... words) {
    DataException e = assertThrows(DataException.class, () -> Datasets.load(spec));
    for (String word : words) {
      assertTrue(e.getMessage().contains(word), e.getMessage());
    }
    assertFalse(e.getMessage().contains("\n"), e.getMessage());
  }

  @Test
  void aBareNameLoadsTheWholeDataset() throws Exception {
    DataSplit split = Datasets.load("digits");
    assertEquals(1437, split.train().size());
    assertEquals(360, split.test().size());
  }

  @Test
  void aFolderOfIdxFilesLoadsWithItsOptions(@TempDir Path folder) throws Exception {
    IdxFiles.folder(folder);
    DataSplit split = Datasets.load("idx:" + folder + "?mean=0.5&std=0.5&limit=7");
    assertEquals(7, split.train().size());
    assertEquals(6, split.test().size());
    assertEquals(-1f, split.test().paddingValue(0));
  }

  @Test
  void whatTheModelKnowsOfItsImagesNeedNotBeSaidAgain() throws Exception {
    Preprocessing model =
        new Preprocessing(Normalization.of(0.25f, 0.5f), new ImageSize(10, 12));
    Optional<Preprocessing> recorded = Preprocessing.read("m.onnx", model.toMetadata());
    assertEquals(Optional.of(model), recorded);
    DataSource said = Datasets.load("digits?mean=0.25&std=0.5&size=10x12").test();
    DataSource taken = Datasets.load("digits?size=10x12", recorded).test();
    assertEquals(Optional.of(model), Preprocessing.of(taken.limit(7, 1)));
    assertArrayEquals(IdxFiles.pixels(said, 3), IdxFiles.pixels(taken, 3));
    Datasets.load("digits?mean=0.25&size=10x12", recorded);
    assertEquals(8, Datasets.load("digits", recorded).test().width());
    for (String other : new String[] {"mean=0.2", "std=0.4", "mean=0.2,0.2,0.2", "size=8"}) {
      DataException e =
          assertThrows(DataException.class, () -> Datasets.load("digits?" + other, recorded));
      assertTrue(e.getMessage().contains(other), e.getMessage());
      assertTrue(e.getMessage().contains("mean=0.25&std=0.5&size=10x12"), e.getMessage());
    }
  }

  @Test
  void whatAFileSaysOfItsImagesIsCompleteOrRefused() throws Exception {
    assertEquals(Optional.empty(), Preprocessing.read("m.onnx", Map.of("author", "me")));
    Map<String, String> whole =
        new Preprocessing(Normalization.UNIT, new ImageSize(8, 8)).toMetadata();
    for (String key : whole.keySet()) {
      for (String damaged : new String[] {null, "", "x", "-1x"}) {
        Map<String, String> metadata = new HashMap<>(whole);
        metadata.computeIfPresent(key, (k, v) -> damaged);
        DataException e =
            assertThrows(DataException.class, () -> Preprocessing.read("m.onnx", metadata));
        assertTrue(e.getMessage().startsWith("m.onnx: "), e.getMessage());
      }
    }
  }

  @Test
  void aLimitTakesTheSameImagesEveryTimeAndFromAllClasses() throws Exception {
    DataSource first = Datasets.load("digits?limit=100").train();
    DataSource second = Datasets.load("digits?limit=100").train();
    DataSource fewer = Datasets.load("digits?limit=40").train();
    Set<Integer> classes = new HashSet<>();
    Set<String> images = new HashSet<>();
    for (int i = 0; i < 100; i++) {
      assertArrayEquals(IdxFiles.pixels(first, i), IdxFiles.pixels(second, i));
      if (i < 40) {
        assertArrayEquals(IdxFiles.pixels(first, i), IdxFiles.pixels(fewer, i));
      }
      classes.add(first.label(i));
      images.add(Arrays.toString(IdxFiles.pixels(first, i)));
    }
    assertEquals(10, classes.size());
    assertEquals(100, images.size());
  }

  @Test
  void aLimitAboveTheSizeChangesNothing() throws Exception {
    DataSplit all = Datasets.load("digits");
    assertSame(all.train(), all.train().limit(1437, 3));
    assertEquals(360, Datasets.load("digits?limit=1000").test().size());
    assertThrows(IllegalArgumentException.class, () -> all.train().limit(0, 3));
  }

  @Test
  void aSplitIsBothPartsAtOnce() throws Exception {
    assertEquals(360, Datasets.load("digits?split=test").train().size());
    assertEquals(1437, Datasets.load("digits?split=train").test().size());
  }

  @Test
  void meanAndStdReplaceTheDefaultsOneByOne() throws Exception {
    float plain = IdxFiles.pixels(Datasets.load("digits").train(), 0)[3];
    assertEquals(
        (plain - 0.3f) / 0.4f,
        IdxFiles.pixels(Datasets.load("digits?mean=0.3&std=0.4").train(), 0)[3]);
    assertEquals(plain / 0.4f, IdxFiles.pixels(Datasets.load("digits?std=0.4").train(), 0)[3]);
  }

  @Test
  void anyDatasetCanBeScaled() throws Exception {
    DataSplit split = Datasets.load("digits?size=12x10&limit=5");
    assertEquals(12, split.train().height());
    assertEquals(10, split.test().width());
    float[] pixels = IdxFiles.pixels(split.test(), 0);
    assertEquals(120, pixels.length);
    for (float pixel : pixels) {
      assertTrue(pixel >= 0 && pixel <= 1.00001f, "a mean of values in [0, 1]: " + pixel);
    }
  }

  @Test
  void aPathHoldsInAnyFolder() {
    Path here = Path.of("").toAbsolutePath();
    assertEquals("digits?limit=3", Datasets.withFullPath("digits?limit=3"));
    assertEquals("idx:" + here.resolve("a?limit=3"), Datasets.withFullPath("idx:b/../a?limit=3"));
    assertEquals("imagefolder:/a", Datasets.withFullPath("imagefolder:/a"));
  }

  @Test
  void anUnknownNameListsTheValidOnesAndTheNearest() {
    refuses("digit", "did you mean 'digits'?", "digits, mnist, fashion-mnist, cifar10, idx:PATH");
    refuses("imagefolders:/pets", "did you mean 'imagefolder:'?", "imagefolder:PATH");
    refuses("Fashion_MNIST", "did you mean 'fashion-mnist'?");
    refuses("", "unknown dataset ''");
    DataException e = assertThrows(DataException.class, () -> Datasets.load("imagenet-21k"));
    assertFalse(e.getMessage().contains("did you mean"), e.getMessage());
  }

  @Test
  void anUnknownOptionListsTheValidOnesAndTheNearest() {
    refuses("digits?limits=3", "did you mean 'limit'?", "limit, split, mean, std");
    refuses("digits?sise=224", "did you mean 'size'?", "limit, split, mean, std, size, channels");
    refuses("digits?channels=1", "imagefolder only");
    refuses("digits?", "unknown option ''");
    refuses("digits?limit=3&", "unknown option ''");
    refuses("digits?split=tests", "did you mean 'test'?");
  }

  @Test
  void valuesOutOfRangeAreRefused() {
    refuses("digits?limit=0", "at least 1");
    refuses("digits?limit=-5", "at least 1");
    refuses("digits?limit=many", "'many'");
    refuses("digits?limit=99999999999", "at least 1");
    refuses("digits?limit", "limit has no value");
    refuses("digits?limit=", "limit has no value");
    refuses("digits?limit=3&limit=4", "given twice");
    refuses("digits?std=0", "std 0.0");
    refuses("digits?std=NaN", "NaN");
    refuses("digits?mean=a", "'a' in mean");
    refuses("digits?mean=1,2", "1 channel");
    refuses("digits?mean=1,2&std=1,2,3", "2 and 3");
    refuses("idx:", "no path");
    refuses("idx:/no/such/folder", "no such folder");
    refuses("idx:a\0b", "not a path");
    refuses("dig\nits", "unknown dataset");
  }
}
