package org.quantrain.report;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class MetricsLogTest {
  private static EpochMetrics epoch(String stage, int number, double loss) {
    return new EpochMetrics(
        stage, "TRAIN", number, 9, 0.01, loss, 50, Double.NaN, Double.NaN, 1.5, 100, List.of(loss));
  }

  @Test
  void whatIsAppendedIsRead(@TempDir Path folder) throws Exception {
    Path file = folder.resolve("metrics.jsonl");
    try (MetricsLog log = MetricsLog.open(file)) {
      log.append(epoch("float", 1, 2.5));
      log.append(epoch("qat", 1, 0.5));
    }
    assertEquals(List.of(epoch("float", 1, 2.5), epoch("qat", 1, 0.5)), MetricsLog.read(file));
    List<String> lines = Files.readAllLines(file);
    assertEquals(2, lines.size());
    assertTrue(lines.get(0).contains("\"validationLoss\":null"), lines.get(0));
  }

  @Test
  void halfALineOfAKilledRunIsCutOff(@TempDir Path folder) throws Exception {
    Path file = folder.resolve("metrics.jsonl");
    try (MetricsLog log = MetricsLog.open(file)) {
      log.append(epoch("float", 1, 2.5));
    }
    Files.writeString(file, "{\"stage\":\"float\",\"epo", StandardOpenOption.APPEND);
    assertEquals(List.of(epoch("float", 1, 2.5)), MetricsLog.read(file));
    try (MetricsLog log = MetricsLog.open(file)) {
      log.append(epoch("float", 2, 1.5));
    }
    assertEquals(List.of(epoch("float", 1, 2.5), epoch("float", 2, 1.5)), MetricsLog.read(file));
  }

  @Test
  void ofAnEpochThatCameTwiceTheLastCounts(@TempDir Path folder) throws Exception {
    Path file = folder.resolve("metrics.jsonl");
    try (MetricsLog log = MetricsLog.open(file)) {
      log.append(epoch("float", 1, 2.5));
      log.append(epoch("float", 2, 1.5));
      log.append(epoch("float", 2, 1.25));
    }
    assertEquals(List.of(epoch("float", 1, 2.5), epoch("float", 2, 1.25)), MetricsLog.read(file));
  }

  @Test
  void aRunWithoutALogHasNoEpochs(@TempDir Path folder) throws Exception {
    assertEquals(List.of(), MetricsLog.read(folder.resolve("metrics.jsonl")));
  }
}
