package org.quantrain.nativecheck;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** NUMERICS.md derives what there is, and what it points to exists. */
class NumericsPageTest {
  /** Without a formula: how a function is declared, and which type a number in a struct means. */
  private static final Set<String> NO_FORMULA = Set.of("hd.h", "types.h");

  private static String page;

  @BeforeAll
  static void read() throws IOException {
    page = Files.readString(Command.SOURCE.resolve("NUMERICS.md"));
  }

  private static List<Path> files(Path folder, String extension) throws IOException {
    try (Stream<Path> files = Files.walk(folder)) {
      return files.filter(f -> f.toString().endsWith(extension)).toList();
    }
  }

  private static Set<String> quoted(String regex) {
    return Pattern.compile("`(" + regex + ")`")
        .matcher(page)
        .results()
        .map(m -> m.group(1))
        .collect(Collectors.toCollection(TreeSet::new));
  }

  @Test
  void everyFileOfFormulasIsNamed() throws IOException {
    Set<String> missing = new TreeSet<>();
    for (Path file : files(Command.SOURCE.resolve("math"), ".h")) {
      missing.add(file.getFileName().toString());
    }
    assertTrue(missing.size() > 20, missing.toString());
    missing.removeAll(NO_FORMULA);
    missing.removeAll(quoted("\\w+\\.h"));
    assertEquals(Set.of(), missing);
  }

  @Test
  void everyKernelIsNamed() throws IOException {
    Set<String> missing = KernelList.names();
    missing.removeAll(quoted("\\w+"));
    assertEquals(Set.of(), missing);
  }

  @Test
  void everyTestThatIsNamedExists() throws IOException {
    Set<String> words = new HashSet<>();
    for (Path file : files(Path.of("src"), ".java")) {
      Pattern.compile("\\w+")
          .matcher(Files.readString(file))
          .results()
          .map(MatchResult::group)
          .forEach(words::add);
    }
    Set<String> missing = quoted("[A-Z]\\w*(Test|Cases|Rules|Oracle)");
    // Sentences, which is what methods of tests are called.
    missing.addAll(quoted("[a-z]+([A-Z][a-z0-9]*){3,}"));
    assertTrue(missing.size() > 40, missing.toString());
    missing.removeAll(words);
    assertEquals(Set.of(), missing);
  }

  @Test
  void everyHeadingThatAFormulaPointsToExists() throws IOException {
    Set<String> headings = new TreeSet<>();
    for (Path file : files(Command.SOURCE.resolve("math"), ".h")) {
      String text = Files.readString(file).replaceAll("\\s*\\n//\\s*", " ");
      Pattern.compile("NUMERICS\\.md, \"([^\"]+)\"(?: and \"([^\"]+)\")?")
          .matcher(text)
          .results()
          .flatMap(m -> Stream.of(m.group(1), m.group(2) == null ? m.group(1) : m.group(2)))
          .forEach(headings::add);
    }
    assertTrue(headings.size() > 10, headings.toString());
    String titles =
        page.lines().filter(line -> line.startsWith("#")).collect(Collectors.joining("\n"));
    headings.removeIf(titles::contains);
    assertEquals(Set.of(), headings);
  }
}
