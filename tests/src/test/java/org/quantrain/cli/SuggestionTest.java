package org.quantrain.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;

class SuggestionTest {
  private static final List<String> VERBS = List.of("train", "verify", "eval", "inspect");

  @Test
  void slipsOfTheFingersAreUnderstood() {
    assertEquals(Optional.of("train"), Suggestion.nearest("trian", VERBS));
    assertEquals(Optional.of("train"), Suggestion.nearest("trin", VERBS));
    assertEquals(Optional.of("verify"), Suggestion.nearest("verifyy", VERBS));
    assertEquals(Optional.of("inspect"), Suggestion.nearest("insp", VERBS));
  }

  @Test
  void otherWordsAreNotGuessedAt() {
    assertEquals(Optional.empty(), Suggestion.nearest("sweep", VERBS));
    assertEquals(Optional.empty(), Suggestion.nearest("", VERBS));
  }
}
