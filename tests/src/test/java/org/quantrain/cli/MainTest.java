package org.quantrain.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class MainTest {
  /** One line on standard error with these words. */
  private static void refuses(int code, List<String> args, String... words) {
    Cli cli = Cli.run(args.toArray(String[]::new));
    assertEquals(code, cli.code(), cli.toString());
    assertEquals("", cli.out());
    assertEquals(1, cli.err().lines().count(), cli.err());
    assertTrue(cli.err().startsWith("quantrain: "), cli.err());
    for (String word : words) {
      assertTrue(cli.err().contains(word), cli.err());
    }
  }

  @Test
  void theHelpNamesEveryVerb() {
    Cli help = Cli.run("--help");
    assertEquals(0, help.code());
    for (String verb :
        List.of("train", "quantize", "export", "verify", "eval", "inspect", "doctor", "bundle", "test")) {
      assertTrue(help.out().contains("  " + verb + " "), help.out());
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"train", "quantize", "export", "verify", "eval", "inspect", "doctor", "bundle", "test"})
  void everyVerbHasHelpWithAnExample(String verb) {
    Cli help = Cli.run(verb, "--help");
    assertEquals(0, help.code(), help.err());
    assertTrue(help.out().contains("Usage: quantrain " + verb), help.out());
    assertTrue(help.out().contains("Example"), help.out());
    assertTrue(help.out().contains("quantrain " + verb), help.out());
  }

  @Test
  void theVersionIsThatOfTheBuild() throws Exception {
    Cli version = Cli.run("--version");
    assertEquals(0, version.code());
    assertTrue(version.out().startsWith("quantrain " + Version.NUMBER), version.out());
    Path pom = Path.of("..", "pom.xml");
    assertTrue(
        Files.readString(pom).contains("<version>" + Version.NUMBER + "</version>"),
        "Version.NUMBER is not the version in " + pom);
  }

  @Test
  void withoutAVerbTheHelpIsPrintedAndNothingSucceeded() {
    Cli cli = Cli.run();
    assertEquals(2, cli.code());
    assertTrue(cli.err().contains("Usage: quantrain"), cli.err());
  }

  @Test
  void anUnknownVerbGetsASuggestion() {
    refuses(2, List.of("trian"), "unknown verb 'trian'", "did you mean 'train'?");
    refuses(2, List.of("frobnicate"), "verbs are: train, quantize, export, verify");
  }

  @Test
  void anUnknownOptionGetsASuggestion() {
    refuses(2, List.of("train", "--epoch=3"), "'--epoch'", "did you mean '--epochs'?");
    refuses(2, List.of("eval", "x.onnx", "--dta", "digits"), "did you mean '--data'?");
    refuses(2, List.of("train", "extra"), "'extra' is one word too many");
  }

  @Test
  void valuesThatMakeNoSenseAreRefusedBeforeAnythingIsDone(@TempDir Path folder) {
    Path out = folder.resolve("run");
    List<List<String>> wrong =
        List.of(
            List.of("--batch", "x"),
            List.of("--wbits", "9"),
            List.of("--abits", "1"),
            List.of("--target", "tpu"),
            List.of("--quantizer", "lsqq"),
            List.of("--weights", "per-chanel"),
            List.of("--lowering", "both"),
            List.of("--device", "gpu"),
            List.of("--device", "cuda:x"),
            List.of("--device", "cuda:1", "--processes", "2"),
            List.of("--tf32", "true"),
            List.of("--device", "cpu", "--deterministic", "false"),
            List.of("--deterministic", "maybe"),
            List.of("--processes", "0"),
            List.of("--processes", "3", "--batch", "32"),
            List.of("--processes", "256", "--accumulate", "16777216"),
            List.of("--epochs", "-1"),
            List.of("--lr", "0"),
            List.of("--freeze-from", "2"),
            List.of("--augment", "mirror"),
            List.of("--input-threads", "0"),
            List.of("--override", "conv1"),
            List.of("--override", "co(nv1=W4"),
            List.of("--override", "conv1=W1"),
            List.of("--override", "conv9=W4"),
            List.of("--batch", "5000"),
            List.of("--model", "lenett"));
    for (List<String> options : wrong) {
      List<String> args = new java.util.ArrayList<>(List.of("train", "--out", out.toString()));
      args.addAll(options);
      refuses(2, args, "see quantrain train --help");
      assertFalse(Files.exists(out), options.toString());
    }
  }

  @Test
  void aSettingGivenTwiceIsRefused(@TempDir Path folder) {
    String out = folder.resolve("run").toString();
    List<List<String>> twice =
        List.of(
            List.of("--data", "digits", "--data", "mnist"),
            List.of("--wbits", "4", "--wbits", "5"),
            List.of("--wbits", "4", "--abits", "4", "--epochs", "1", "--wbits=4"),
            List.of("--epochs", "1", "--epochs", "2"),
            List.of("--threads", "1", "--threads", "2"),
            List.of("--out", out, "--out", out));
    for (List<String> options : twice) {
      List<String> args = new java.util.ArrayList<>(List.of("train"));
      args.addAll(options);
      refuses(2, args, "option '" + options.get(0) + "'", "see quantrain train --help");
    }
    assertFalse(Files.exists(folder.resolve("run")));
  }

  @ParameterizedTest
  @ValueSource(strings = {"0", "-1", "1025", "100000"})
  void aNumberOfThreadsOutOfRangeIsRefusedFirst(String threads, @TempDir Path folder) {
    String missing = folder.resolve("missing").toString();
    for (List<String> verb :
        List.of(
            List.of("train"),
            List.of("train", "--resume", missing),
            List.of("verify", missing),
            List.of("eval", missing))) {
      List<String> args = new java.util.ArrayList<>(verb);
      args.add("--threads=" + threads);
      refuses(2, args, "threads: expected 1 to 1024, got " + threads);
    }
  }

  @Test
  void trainingAndTestingOnTheSameImagesIsRefused(@TempDir Path folder) throws Exception {
    Path out = folder.resolve("run");
    Path file = Files.writeString(folder.resolve("x.yaml"), "data: digits?limit=9&split=test\n");
    refuses(
        2,
        List.of("train", "--out", out.toString(), "--data", "digits?split=train"),
        "split=train",
        "tested on the images it was trained on");
    refuses(
        2,
        List.of("train", "--out", out.toString(), "--config", file.toString()),
        "split=test",
        "tested on the images it was trained on");
    assertFalse(Files.exists(out));
  }

  @Test
  void aModelThatIsNoFileIsAFailure(@TempDir Path folder) {
    String missing = folder.resolve("no.onnx").toString();
    refuses(1, List.of("train", "--model", missing), missing, "no such file");
    refuses(1, List.of("verify", missing), missing, "no such file");
    refuses(1, List.of("inspect", missing), missing, "no such file");
    refuses(1, List.of("eval", missing, "--data", "digits"), missing, "no such file");
  }

  @Test
  void aFileThatIsNoModelIsNamed(@TempDir Path folder) throws Exception {
    Path file = Files.writeString(folder.resolve("text.onnx"), "DequantizeLinear is not enough");
    refuses(1, List.of("inspect", file.toString()), "text.onnx");
    refuses(1, List.of("verify", file.toString()), "text.onnx");
  }

  @Test
  void anUnknownDatasetLeavesNoFolder(@TempDir Path folder) {
    Path out = folder.resolve("deep/run");
    refuses(1, List.of("train", "--data", "digit", "--out", out.toString()), "'digits'");
    assertFalse(Files.exists(folder.resolve("deep")));
  }

  @Test
  void anOutputFolderThatCannotBeIsNamed(@TempDir Path folder) throws Exception {
    Path file = Files.writeString(folder.resolve("file"), "x");
    refuses(
        1, List.of("train", "--out", file.resolve("run").toString()), file + " is not a folder");
    Path used = Files.createDirectory(folder.resolve("used"));
    Files.writeString(used.resolve("config.yaml"), "model: lenet\n");
    refuses(1, List.of("train", "--out", used.toString()), used.toString(), "--resume");
  }

  @Test
  void onlyARunCanBeResumedAndOnlyAsItWas(@TempDir Path folder) {
    refuses(1, List.of("train", "--resume", folder.toString()), "config.yaml");
    refuses(2, List.of("train", "--resume", folder.toString(), "--lr", "1"), "--resume");
  }

  @Test
  void theCudaDeviceIsNotSilentlyReplaced(@TempDir Path folder) {
    Path out = folder.resolve("run");
    refuses(1, List.of("train", "--device", "cuda", "--out", out.toString()), "doctor");
    assertFalse(Files.exists(out));
  }

  @Test
  void machinesAreToldOfFailuresToo() throws Exception {
    Cli cli = Cli.run("train", "--json", "--wbits", "9");
    assertEquals(2, cli.code());
    assertTrue(cli.json().get("error").asText().contains("weight bits"), cli.out());
  }

  @Test
  void whereAnErrorComesFromIsShownOnRequestOnly() {
    assertFalse(Cli.run("train", "--wbits", "9").err().contains("\tat "));
    assertTrue(Cli.run("train", "--wbits", "9", "--verbose").err().contains("\tat "));
  }

  @Test
  void testsAreLeftToTheLauncher() {
    refuses(2, List.of("test"), "./quantrain test");
  }
}
