package org.quantrain.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeSet;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What {@code quantrain bundle} writes, and that it runs where nothing else is. */
class BundleTest {
  /** What the scripts of a bundle call, beside what the shell does itself. */
  private static final List<String> TOOLS =
      List.of("sh", "date", "dirname", "env", "mkdir", "mktemp", "readlink", "tail", "timeout");

  @TempDir Path folder;

  /** A program's two streams, after it ended. */
  private record Outcome(int code, String text) {
    static Outcome of(List<String> command) throws IOException, InterruptedException {
      Path log = Files.createTempFile("outcome", ".txt");
      try {
        Process process =
            new ProcessBuilder(command)
                .redirectErrorStream(true)
                .redirectOutput(log.toFile())
                .start();
        boolean ended = process.waitFor(5, TimeUnit.MINUTES);
        if (!ended) {
          process.destroyForcibly().waitFor();
        }
        String text = Files.readString(log, StandardCharsets.UTF_8);
        assertTrue(ended, text);
        return new Outcome(process.exitValue(), text);
      } finally {
        Files.delete(log);
      }
    }
  }

  private static String succeed(String... command) throws IOException, InterruptedException {
    Outcome outcome = Outcome.of(List.of(command));
    assertEquals(0, outcome.code(), outcome.text());
    return outcome.text();
  }

  @Test
  void itVerifiesItselfInARootWithoutJavaNetworkAndPermissionToWriteIntoIt() throws Exception {
    Path data = Files.createDirectories(folder.resolve("my data"));
    String name = "carried-".repeat(15) + ".txt"; // of more bytes than a plain header takes
    Files.writeString(data.resolve(name), "carried");
    Path archive = folder.resolve("bundle.tar.gz");
    Cli made =
        Cli.run("bundle", "--json", "--limit", "200", "--with", "" + data, "-o", "" + archive);
    assertEquals(0, made.code(), made.err());

    Path root = Files.createDirectories(folder.resolve("root"));
    succeed("tar", "-xzf", archive.toString(), "-C", root.toString());
    Path bundle = root.resolve(made.json().get("folder").asText());
    assertEquals("carried", Files.readString(bundle.resolve("data/my data").resolve(name)));
    assertPartsAddUp(made.json(), archive);

    List<String> namespace = namespace();
    assumeTrue(!namespace.isEmpty(), "namespaces are not permitted");
    furnish(root);
    String prepare =
        """
        mount --rbind /proc "$1/proc" && mount --rbind /dev "$1/dev" &&
        mount --bind "$2" "$2" && mount -o remount,bind,ro "$2" &&
        exec chroot "$1" /bin/env -i HOME=/home PATH=/bin "/${2##*/}/verify.sh" --quick --seconds 2000 /home/out
        """;
    List<String> inside = new ArrayList<>(namespace);
    inside.addAll(List.of("sh", "-c", prepare, "sh", root.toString(), bundle.toString()));
    Outcome outcome = Outcome.of(inside);
    assertEquals(0, outcome.code(), outcome.text());
    String last = outcome.text().lines().reduce((a, b) -> b).orElse("");
    Matcher counted =
        Pattern.compile("(\\d+) passed, 0 failed, (\\d+) skipped; .*").matcher(last);
    assertTrue(counted.matches() && Integer.parseInt(counted.group(1)) >= 3, outcome.text());
    assertEquals(
        Long.parseLong(counted.group(2)),
        outcome.text().lines().filter(l -> l.matches("(gpu|torch)-\\S+ +skipped: \\S.*")).count(),
        outcome.text());
    Path training = root.resolve("home/out/cpu-training.log");
    String proof = Files.readString(training);
    for (String claim : List.of("V2", "V3")) {
      assertTrue(Pattern.compile(claim + ".*\\b0 of [0-9,]+").matcher(proof).find(), proof);
    }
  }

  @Test
  void onePartWithoutAFolderForItsLogsSaysWhatIsMissing() throws Exception {
    Path script = Path.of("../bundle/verify.sh").toAbsolutePath();
    assumeTrue(!Files.exists(Path.of("/proc/driver/nvidia/version")), "there is a GPU");
    Outcome outcome =
        Outcome.of(
            List.of("env", "TMPDIR=" + folder, "sh", script.toString(), "--only", "gpu-codes"));
    assertEquals(0, outcome.code(), outcome.text());
    assertTrue(
        Pattern.compile("gpu-codes +skipped: .*driver").matcher(outcome.text()).find(),
        outcome.text());
  }

  private static void assertPartsAddUp(JsonNode result, Path archive) throws IOException {
    long packed = 0;
    for (JsonNode part : result.get("parts")) {
      assertTrue(part.get("packed").asLong() > 0, result.toString());
      packed += part.get("packed").asLong();
    }
    assertEquals(Files.size(archive), packed);
    assertEquals(packed, result.get("bytes").asLong());
  }

  /** How this process may give a program mounts and a network of its own; empty if it may not. */
  private static List<String> namespace() throws InterruptedException {
    for (String kind : List.of("-mn", "-rmn")) {
      List<String> words = List.of("unshare", kind);
      try {
        List<String> trial = new ArrayList<>(words);
        trial.addAll(List.of("sh", "-c", "mount --rbind /proc /proc"));
        if (Outcome.of(trial).code() == 0) {
          return words;
        }
      } catch (IOException e) { // there is no such program
        return List.of();
      }
    }
    return List.of();
  }

  /** A shell, the tools, and the libraries that they are linked to: no more than the C library. */
  private static void furnish(Path root) throws IOException, InterruptedException {
    for (String folder : List.of("bin", "proc", "dev", "tmp", "home")) {
      Files.createDirectories(root.resolve(folder));
    }
    TreeSet<String> libraries = new TreeSet<>();
    for (String tool : TOOLS) {
      String path = succeed("sh", "-c", "command -v " + tool).strip();
      Files.copy(Path.of(path).toRealPath(), root.resolve("bin").resolve(tool));
      Matcher m = Pattern.compile("(?m)(/\\S+) \\(0x").matcher(succeed("ldd", path));
      while (m.find()) {
        libraries.add(m.group(1));
      }
    }
    // Of the C library, too, what the loader may be asked for.
    String libc = libraries.stream().filter(l -> l.contains("/libc.so")).findFirst().orElseThrow();
    for (String name : List.of("libm.so.6", "libdl.so.2", "libpthread.so.0", "librt.so.1")) {
      libraries.add(Path.of(libc).resolveSibling(name).toString());
    }
    for (String library : libraries) {
      Path target = root.resolve(library.substring(1));
      Files.createDirectories(target.getParent());
      Files.copy(Path.of(library).toRealPath(), target);
    }
  }

  private static void refuses(int code, List<String> args, String... words) {
    List<String> all = new ArrayList<>(List.of("bundle"));
    all.addAll(args);
    Cli cli = Cli.run(all.toArray(String[]::new));
    assertEquals(code, cli.code(), cli.toString());
    assertEquals(1, cli.err().lines().count(), cli.err());
    for (String word : words) {
      assertTrue(cli.err().contains(word), cli.err());
    }
  }

  @Test
  void whatCannotBecomeABundleIsRefusedInOneLineAndLeavesNothing() throws IOException {
    Path archive = folder.resolve("out").resolve("b.tar.gz");
    refuses(1, List.of("-o", folder.resolve("b.zip") + ""), "b.zip", ".tar.xz or .tar.gz");
    refuses(
        1,
        List.of("-o", archive + "", "--with", folder.resolve("absent") + ""),
        "absent: no such file");
    Path twin = Files.createDirectories(folder.resolve("twin"));
    refuses(
        1, List.of("-o", archive + "", "--with", twin + "", "--with", twin + ""), "called twin");
    refuses(
        1,
        List.of("-o", archive + "", "--with", folder + ""),
        folder + ": the archive " + archive + " would be in it",
        "--out");
    refuses(2, List.of("-o", archive + "", "--limit", "0"), "limit: 0 MB");
    assertFalse(Files.exists(archive.getParent()));
  }

  @Test
  void aBundleThatIsTooLargeSaysWhatItsPartsTakeAndLeavesNothing() throws IOException {
    refuses(
        1,
        List.of("-o", folder.resolve("b.tar.gz") + "", "--limit", "1"),
        "without data, more than the limit of 1.0 MB",
        "Java runtime",
        "--limit");
    try (Stream<Path> files = Files.list(folder)) {
      assertEquals(0, files.count());
    }
  }
}
