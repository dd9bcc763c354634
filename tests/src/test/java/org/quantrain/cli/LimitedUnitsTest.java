package org.quantrain.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A processor as one without VNNI, in a process of its own: oneDNN reads its limit at the start. */
class LimitedUnitsTest {
  @TempDir Path folder;

  @BeforeEach
  void requireX86() {
    assumeTrue(System.getProperty("os.arch").equals("amd64"), "the limit is one of x86");
  }

  private static JsonNode run(String... args) throws IOException, InterruptedException {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.add("-cp");
    command.add(
        System.getProperty("surefire.test.class.path", System.getProperty("java.class.path")));
    command.add(Main.class.getName());
    command.addAll(List.of(args));
    ProcessBuilder builder =
        new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.INHERIT);
    builder.environment().put("ONEDNN_MAX_CPU_ISA", "AVX2");
    Process process = builder.start();
    JsonNode result = new ObjectMapper().readTree(process.getInputStream());
    assertEquals(0, process.waitFor());
    return result;
  }

  @Test
  void theDoctorNamesTheRoadOfProductsAndTheLimit() throws Exception {
    for (JsonNode check : run("doctor", "--json").get("checks")) {
      String name = check.get("name").asText();
      if (name.equals("int8 units") || name.equals("bf16 units")) {
        assertFalse(check.get("ok").asBoolean(), name);
        assertTrue(check.get("remedy").asText().contains("ONEDNN_MAX_CPU_ISA=AVX2"), name);
        String road = name.startsWith("int8") ? "same bits, slower" : "emulated";
        assertTrue(check.get("detail").asText().contains(road), check.toString());
      }
    }
  }

  @Test
  void trainedCodesAreThoseOfTheExportedFile() throws Exception {
    String out = folder.resolve("run").toString();
    JsonNode result =
        run("train", "--json", "--data", "digits?limit=400", "--epochs", "1", "--qat-epochs", "1",
            "--out", out);
    int compared = 0;
    for (JsonNode claim : result.get("claims")) {
      if (claim.get("claim").asText().equals("V3")) {
        assertEquals(0, claim.get("differing").asLong());
        compared += claim.get("compared").asLong() > 0 ? 1 : 0;
      }
    }
    assertTrue(compared > 0, result.toString());
  }
}
