package org.quantrain.cli;

import java.util.Collection;
import java.util.Comparator;
import java.util.Optional;

/** The word that was probably meant. */
final class Suggestion {
  private Suggestion() {}

  /** The candidate with the fewest changes, if they are few for its length. */
  static Optional<String> nearest(String word, Collection<String> candidates) {
    return candidates.stream()
        .min(Comparator.comparingInt(candidate -> distance(word, candidate)))
        .filter(
            candidate ->
                distance(word, candidate) <= Math.max(1, candidate.length() / 3)
                    || word.length() > 2 && candidate.startsWith(word));
  }

  /** As in "; did you mean 'train'?", else "; verbs are: train, verify". */
  static String orList(String word, String what, Collection<String> candidates) {
    String clause = clause(word, candidates);
    return clause.isEmpty() ? "; " + what + " are: " + String.join(", ", candidates) : clause;
  }

  /** As in "; did you mean 'train'?", or nothing. */
  static String clause(String word, Collection<String> candidates) {
    return nearest(word, candidates).map("; did you mean '%s'?"::formatted).orElse("");
  }

  /** Insertions, deletions, replacements and swaps of neighbours from a to b, each place once. */
  private static int distance(String a, String b) {
    int[][] d = new int[a.length() + 1][b.length() + 1]; // [i][j]: first i of a to first j of b
    for (int i = 0; i <= a.length(); i++) {
      for (int j = 0; j <= b.length(); j++) {
        if (i == 0 || j == 0) {
          d[i][j] = i + j;
          continue;
        }
        boolean same = a.charAt(i - 1) == b.charAt(j - 1);
        d[i][j] =
            Math.min(d[i - 1][j - 1] + (same ? 0 : 1), 1 + Math.min(d[i - 1][j], d[i][j - 1]));
        boolean swapped =
            i > 1
                && j > 1
                && a.charAt(i - 1) == b.charAt(j - 2)
                && a.charAt(i - 2) == b.charAt(j - 1);
        if (swapped) {
          d[i][j] = Math.min(d[i][j], d[i - 2][j - 2] + 1);
        }
      }
    }
    return d[a.length()][b.length()];
  }
}
