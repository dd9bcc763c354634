package org.quantrain.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.quantrain.Quantrain;

/** A machine without a device, which is told and left alone. */
class WithoutCudaTest {
  @TempDir private Path folder;

  @Test
  void noClassThatCallsCudasLibrariesIsLoaded() throws Exception {
    assumeTrue(!Quantrain.checkCuda().get(0).ok(), "there is a device");
    for (List<String> words :
        List.of(
            List.of("doctor"),
            List.of("train", "--epochs", "0", "--qat-epochs", "1", "--data", "digits?limit=256"))) {
      List<String> classes = loadedBy(words);
      assertTrue(
          classes.stream().anyMatch(line -> line.contains("org.quantrain.cli.Main")), "the log");
      assertEquals(
          List.of(),
          classes.stream().filter(line -> line.contains("org.bytedeco.cuda.")).toList(),
          words.get(0));
    }
  }

  private List<String> loadedBy(List<String> words) throws Exception {
    Path log = folder.resolve("classes");
    List<String> command =
        new java.util.ArrayList<>(
            List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-Xlog:class+load:file=" + log,
                "-cp",
                System.getProperty(
                    "surefire.test.class.path", System.getProperty("java.class.path")),
                Main.class.getName()));
    command.addAll(words);
    if (words.get(0).equals("train")) {
      command.addAll(List.of("--out", folder.resolve("run").toString()));
    }
    Process process =
        new ProcessBuilder(command)
            .redirectErrorStream(true)
            .redirectOutput(folder.resolve("out").toFile())
            .start();
    assertEquals(0, process.waitFor(), () -> text(folder.resolve("out")));
    return Files.readAllLines(log);
  }

  private static String text(Path file) {
    try {
      return Files.readString(file);
    } catch (java.io.IOException e) {
      return e.toString();
    }
  }

  @Test
  void aFolderOfLibrariesThatIsNoneIsRefused() throws Exception {
    Cli cli = Cli.run("doctor", "--cuda-libraries", folder.resolve("nothing").toString());
    assertEquals(2, cli.code());
    assertTrue(
        cli.err().contains("--cuda-libraries: " + folder.resolve("nothing") + " is no folder"),
        cli.err());
  }
}
