package org.quantrain.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.quantrain.Quantrain;

/** {@code quantrain bench step} and {@code doctor --device}, which need no source tree. */
class BenchStepTest {
  @TempDir private Path folder;

  private static Cli bench(String... options) {
    List<String> words = new ArrayList<>(List.of("bench", "step", "--model", "lenet"));
    words.addAll(List.of("--size", "8", "--samples", "1", "--threads", "1"));
    words.addAll(List.of(options));
    return Cli.run(words.toArray(String[]::new));
  }

  @Test
  void stepsAreTimedInTheirOwnProcessesAndWrittenWhenTheyAre() throws Exception {
    Path file = folder.resolve("rows.jsonl");
    Cli cli =
        bench("--batch", "2", "--only", "W8A8,float", "--rows", file.toString(), "--json");
    assertEquals(0, cli.code(), cli.toString());
    JsonNode rows = cli.json().get("rows");
    assertEquals(2, rows.size(), cli.out());
    assertEquals("QAT W8A8 integer", rows.get(0).get("step").asText());
    assertEquals("float32", rows.get(1).get("step").asText());
    List<String> lines = Files.readAllLines(file);
    for (int i = 0; i < rows.size(); i++) {
      JsonNode row = rows.get(i);
      assertEquals(row, new ObjectMapper().readTree(lines.get(i)));
      double seconds = row.get("milliseconds").asDouble() / 1e3;
      assertEquals(2 / seconds, row.get("imagesPerSecond").asDouble(), 1e-3 / seconds);
      assertTrue(row.get("allocatedBytes").asLong() > 4 * 44_426, row.toString());
      assertTrue(row.get("loss").isNumber(), row.toString());
    }
  }

  @Test
  void aStepThatFailsIsARowThatSaysWhyAndTheExitCode() throws Exception {
    Cli cli = bench("--batch", "2000000000", "--only", "float", "--json");
    assertEquals(1, cli.code(), cli.toString());
    JsonNode row = cli.json().get("rows").get(0);
    assertTrue(row.get("error").asText().length() > 10, row.toString());
    assertTrue(cli.err().contains("failed: "), cli.err());
  }

  @Test
  void whatMakesNoSenseIsRefusedInOneLine() {
    for (List<String> wrong :
        List.of(
            List.of("--compute", "f16", "compute: expected f32 or bf16, got 'f16'"),
            List.of("--lowering", "exact", "lowering: expected integer or simulated"),
            List.of("--only", "W2A2", "there are QAT W8A8 integer, QAT W4A4 LSQ integer, float32"),
            List.of("--batch", "8,0", "batch: expected 1 or more, got 0"),
            List.of("--device", "gpu", "device: expected auto, cpu, cuda"))) {
      Cli cli = bench(wrong.get(0), wrong.get(1));
      assertEquals(2, cli.code(), cli.toString());
      assertEquals(1, cli.err().lines().count(), cli.err());
      assertTrue(cli.err().contains(wrong.get(2)), cli.err());
    }
  }

  @Test
  void aDeviceThatIsNotThereIsToldOnce() throws Exception {
    assumeTrue(!Quantrain.checkCuda().get(0).ok(), "there is a device");
    for (Cli cli : List.of(bench("--device", "cuda"), Cli.run("doctor", "--device", "cuda:1"))) {
      assertEquals(1, cli.code(), cli.toString());
      assertEquals(1, cli.err().lines().count(), cli.err());
      assertTrue(cli.err().contains("no device cuda:"), cli.err());
    }
  }

  @Test
  void theDoctorCountsTheIntegersInWhichADeviceDiffersFromTheCpu() throws Exception {
    Cli cli = Cli.run("doctor", "--device", "cpu", "--model", "lenet", "--json");
    assertEquals(0, cli.code(), cli.toString());
    List<String> steps = new ArrayList<>();
    for (JsonNode check : cli.json().get("checks")) {
      if (check.get("name").asText().equals("step")) {
        steps.add(check.get("detail").asText());
      }
    }
    assertEquals(2, steps.size(), cli.out());
    for (String step : steps) {
      assertTrue(step.matches("lenet QAT W.A.* integer: 0 of [1-9][0-9,]+ differ; .*"), step);
    }
  }
}
