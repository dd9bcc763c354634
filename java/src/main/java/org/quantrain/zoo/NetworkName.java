package org.quantrain.zoo;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;

/**
 * A network as users write it: a name, then options after "?" joined by "&", as in
 * "mobilenetv2?width=0.5&activation=relu".
 */
record NetworkName(String text, String name, Map<String, String> options) {
  /**
   * Takes the text apart; which names and options there are is looked at later.
   *
   * @throws IllegalArgumentException if an option is not KEY=VALUE, or is given twice
   */
  static NetworkName parse(String text) {
    int mark = text.indexOf('?');
    if (mark < 0) {
      return new NetworkName(text, text, Map.of());
    }
    Map<String, String> options = new LinkedHashMap<>();
    for (String option : text.substring(mark + 1).split("&", -1)) {
      int equals = option.indexOf('=');
      if (equals < 1) {
        throw new IllegalArgumentException(
            "model " + text + ": expected KEY=VALUE after '?', got '" + option + "'");
      }
      if (options.put(option.substring(0, equals), option.substring(equals + 1)) != null) {
        throw new IllegalArgumentException("model " + text + ": '" + option + "' is a second time");
      }
    }
    return new NetworkName(text, text.substring(0, mark), options);
  }

  /** Refuses options that the network does not have. */
  void allow(List<String> known) {
    TreeSet<String> unknown = new TreeSet<>(options.keySet());
    known.forEach(unknown::remove);
    if (!unknown.isEmpty()) {
      throw new IllegalArgumentException(
          "model "
              + text
              + ": unknown option '"
              + unknown.first()
              + "'; "
              + (known.isEmpty()
                  ? name + " has no options"
                  : "options are: " + String.join(", ", known)));
    }
  }

  /** The number behind a key, within bounds. */
  double number(String key, double orElse, double least, double most) {
    String value = options.get(key);
    if (value == null) {
      return orElse;
    }
    double number;
    try {
      number = Double.parseDouble(value);
    } catch (NumberFormatException e) {
      number = Double.NaN;
    }
    if (!(number >= least && number <= most)) {
      throw new IllegalArgumentException(
          "model %s: %s: expected a number of %s to %s, got '%s'"
              .formatted(text, key, least, most, value));
    }
    return number;
  }

  /** The whole number behind a key, within bounds. */
  int integer(String key, int orElse, int least, int most) {
    double number = number(key, orElse, least, most);
    if (number != Math.rint(number)) {
      throw new IllegalArgumentException(
          "model %s: %s: expected a whole number, got '%s'"
              .formatted(text, key, options.get(key)));
    }
    return (int) number;
  }

  /** The word behind a key, one of those allowed. */
  String word(String key, String orElse, List<String> allowed) {
    String value = options.getOrDefault(key, orElse);
    if (!allowed.contains(value)) {
      throw new IllegalArgumentException(
          "model %s: %s: expected %s, got '%s'"
              .formatted(text, key, String.join(" or ", allowed), value));
    }
    return value;
  }
}
