package org.quantrain.report;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.UncheckedIOException;

/** JSON as runs and commands write it: NaN and infinity are null, fields keep their order. */
public final class Json {
  private static final ObjectMapper MAPPER = JsonMapper.builder().build();

  private Json() {}

  public static ObjectNode object() {
    return JsonNodeFactory.instance.objectNode();
  }

  /** Adds a number with six significant digits, or null if it is not finite. */
  public static void put(ObjectNode object, String name, double value) {
    if (Double.isFinite(value)) {
      object.put(name, rounded(value));
    } else {
      object.putNull(name);
    }
  }

  /** With six significant digits: what floats are worth, and no longer than it must be. */
  static double rounded(double value) {
    return Double.isFinite(value)
        ? new java.math.BigDecimal(value).round(new java.math.MathContext(6)).doubleValue()
        : value;
  }

  /** On one line. */
  public static String line(JsonNode json) {
    return json.toString();
  }

  /** On several lines, with a line break at the end. */
  public static String pretty(JsonNode json) {
    try {
      return MAPPER.writerWithDefaultPrettyPrinter().writeValueAsString(json) + "\n";
    } catch (JsonProcessingException e) {
      throw new UncheckedIOException(e); // A tree is always writable.
    }
  }

  /**
   * @throws JsonProcessingException if it is no JSON
   */
  public static JsonNode parse(String text) throws JsonProcessingException {
    return MAPPER.readTree(text);
  }
}
