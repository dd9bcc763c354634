package org.quantrain.data;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;

class DigitsTest {
  private static byte[] resource(String name) throws Exception {
    try (InputStream in = Digits.class.getResourceAsStream(name)) {
      return in.readAllBytes();
    }
  }

  private static List<String> keys(DataSource source) {
    List<String> keys = new ArrayList<>();
    for (int i = 0; i < source.size(); i++) {
      keys.add(source.label(i) + Arrays.toString(IdxFiles.pixels(source, i)));
    }
    return keys;
  }

  @Test
  void thereAre1797ImagesOf17GreyLevels() throws Exception {
    DataSource all = Digits.all(Normalization.UNIT);
    assertEquals(1797, all.size());
    assertEquals(64, all.imageFloats());
    int[] perClass = new int[10];
    for (int i = 0; i < all.size(); i++) {
      perClass[all.label(i)]++;
      for (float p : IdxFiles.pixels(all, i)) {
        assertTrue(p >= 0f && p <= 1f && p * 16 == Math.rint(p * 16));
      }
    }
    assertArrayEquals(new int[] {178, 182, 177, 183, 181, 182, 181, 179, 174, 180}, perClass);
    // the first row of the original file begins 0,0,5,13,9,1,0,0 and is a zero
    float[] row = {0f, 0f, 5f / 16, 13f / 16, 9f / 16, 1f / 16, 0f, 0f};
    assertArrayEquals(row, Arrays.copyOf(IdxFiles.pixels(all, 0), 8));
    assertEquals(0, all.label(0));
  }

  @Test
  void theSplitIsCompleteAndDisjoint() throws Exception {
    DataSplit split = Digits.load();
    assertEquals(1437, split.train().size());
    assertEquals(360, split.test().size());
    boolean[] isTest = Digits.testMask(resource("digits-split.txt"));
    DataSource all = Digits.all(Normalization.UNIT);
    List<String> both = new ArrayList<>();
    int train = 0;
    int test = 0;
    for (int i = 0; i < all.size(); i++) {
      DataSource part = isTest[i] ? split.test() : split.train();
      int at = isTest[i] ? test++ : train++;
      assertEquals(all.label(i), part.label(at));
      assertArrayEquals(IdxFiles.pixels(all, i), IdxFiles.pixels(part, at));
    }
    both.addAll(keys(split.train()));
    both.addAll(keys(split.test()));
    List<String> expected = keys(all);
    both.sort(null);
    expected.sort(null);
    assertEquals(expected, both);
  }

  @Test
  void theSplitIsStratified() throws Exception {
    DataSplit split = Digits.load();
    int[] test = new int[10];
    int[] all = new int[10];
    for (int i = 0; i < split.test().size(); i++) {
      test[split.test().label(i)]++;
      all[split.test().label(i)]++;
    }
    for (int i = 0; i < split.train().size(); i++) {
      all[split.train().label(i)]++;
    }
    for (int k = 0; k < 10; k++) {
      assertEquals(360.0 * all[k] / 1797, test[k], 1.0, "class " + k);
    }
  }

  @Test
  void theWrittenSplitIsWhatItsRuleGives() throws Exception {
    boolean[] isTest = new boolean[1797];
    for (int index : Digits.splitByRule(Digits.all(Normalization.UNIT))) {
      isTest[index] = true;
    }
    assertArrayEquals(isTest, Digits.testMask(resource("digits-split.txt")));
  }

  @Test
  void aDamagedResourceIsRefused() throws Exception {
    byte[] content = resource("digits.bin.gz");
    String sha256 = IdxFiles.sha256(content);
    assertEquals(1797 * 65, Digits.checked(content, sha256).length);
    content[1000] ^= 4;
    DataException e = assertThrows(DataException.class, () -> Digits.checked(content, sha256));
    assertTrue(e.getMessage().contains("expected " + sha256), e.getMessage());
  }

  @Test
  void aDamagedSplitIsRefused() throws Exception {
    String text = new String(resource("digits-split.txt"), StandardCharsets.US_ASCII);
    for (String bad :
        List.of(
            text + " 1797\n",
            text + " -1\n",
            text + text,
            text + " x\n",
            text.substring(0, text.length() - 30))) {
      assertThrows(
          DataException.class, () -> Digits.testMask(bad.getBytes(StandardCharsets.US_ASCII)));
    }
  }

  @Test
  void theAttributionComesWithTheData() throws Exception {
    String text = new String(resource("digits-attribution.txt"), StandardCharsets.UTF_8);
    assertTrue(text.contains("CC BY 4.0"));
    assertTrue(text.contains("Alpaydin"));
    assertFalse(text.isBlank());
  }
}
