package org.quantrain.cli;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonMappingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.cfg.CoercionAction;
import com.fasterxml.jackson.databind.cfg.CoercionInputShape;
import com.fasterxml.jackson.databind.exc.UnrecognizedPropertyException;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.dataformat.yaml.YAMLFactory;
import com.fasterxml.jackson.dataformat.yaml.YAMLGenerator;
import com.fasterxml.jackson.dataformat.yaml.YAMLMapper;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/** config.yaml: one key for each option, with the option's name. */
final class ConfigFile {
  /** No sensible configuration is larger. */
  private static final long MOST_BYTES = 1 << 20;

  private static final Pattern MARK = Pattern.compile("(?m)^ in 'reader', line (\\d{1,9}), column");

  private static final ObjectMapper YAML =
      YAMLMapper.builder(
              YAMLFactory.builder()
                  .disable(YAMLGenerator.Feature.WRITE_DOC_START_MARKER)
                  .enable(YAMLGenerator.Feature.MINIMIZE_QUOTES)
                  .enable(YAMLGenerator.Feature.ALWAYS_QUOTE_NUMBERS_AS_STRINGS)
                  .disable(YAMLGenerator.Feature.SPLIT_LINES)
                  .build())
          .enable(JsonParser.Feature.STRICT_DUPLICATE_DETECTION)
          .enable(DeserializationFeature.FAIL_ON_NULL_FOR_PRIMITIVES)
          .disable(DeserializationFeature.ACCEPT_FLOAT_AS_INT)
          // YAML takes 1e-4 for a word, so words may be numbers; nothing may not.
          .withCoercionConfigDefaults(
              all -> all.setCoercion(CoercionInputShape.EmptyString, CoercionAction.Fail))
          .build();

  private ConfigFile() {}

  /**
   * The keys of a file, still unchecked.
   *
   * @throws FailureException if it cannot be read or is no YAML mapping
   */
  static ObjectNode read(Path file) {
    try {
      if (Files.size(file) > MOST_BYTES) {
        throw new FailureException(file + ": too large for a configuration");
      }
      JsonNode tree = YAML.readTree(text(file));
      if (tree instanceof ObjectNode object) {
        requireValues(file, object);
        return object;
      }
      if (tree == null || tree.isMissingNode() || tree.isNull()) {
        return YAML.createObjectNode();
      }
      throw new FailureException(file + ": expected lines of the form 'key: value'");
    } catch (JsonProcessingException e) {
      int line = line(e);
      String where = line < 1 ? file.toString() : file + ", line " + line;
      throw new FailureException(where + ": " + problem(e));
    } catch (NoSuchFileException e) {
      throw new FailureException(file + ": no such file");
    } catch (IOException e) {
      throw new FailureException(file + ": cannot be read: " + e.getMessage());
    }
  }

  /** Bytes that are no UTF-8 are refused, not replaced. */
  private static String text(Path file) throws IOException {
    ByteBuffer bytes = ByteBuffer.wrap(Files.readAllBytes(file));
    CharBuffer text = CharBuffer.allocate(bytes.remaining());
    if (StandardCharsets.UTF_8.newDecoder().decode(bytes, text, true).isError()) {
      int line = 1;
      for (int i = 0; i < bytes.position(); i++) {
        line += bytes.get(i) == '\n' ? 1 : 0;
      }
      throw new FailureException("%s, line %d: not in UTF-8".formatted(file, line));
    }
    return text.flip().toString();
  }

  /** A key without a value is a value that was forgotten. */
  private static void requireValues(Path file, ObjectNode given) {
    List<String> keys = keys();
    for (Map.Entry<String, JsonNode> entry : given.properties()) {
      if (!keys.contains(entry.getKey())) {
        continue; // Unknown, which merge says.
      }
      if (isNothing(entry.getValue())) {
        throw new FailureException(
            "%s: %s has no value; give one or remove the key".formatted(file, entry.getKey()));
      }
      for (JsonNode item : entry.getValue()) {
        if (isNothing(item)) {
          throw new FailureException(
              "%s: %s has an item without a value".formatted(file, entry.getKey()));
        }
      }
    }
  }

  /** Jackson takes a missing value for an empty word. */
  private static boolean isNothing(JsonNode value) {
    return value.isNull() || (value.isTextual() && value.asText().isBlank());
  }

  /**
   * The configuration that the given keys make of the defaults.
   *
   * @throws UsageException if a key is unknown or a value has the wrong type
   */
  static RunConfig merge(RunConfig defaults, ObjectNode given) {
    ObjectNode all = YAML.valueToTree(defaults);
    List<String> keys = keys();
    given
        .fieldNames()
        .forEachRemaining(
            key -> {
              if (!keys.contains(key)) {
                throw new UsageException(
                    "unknown setting '" + key + "'" + Suggestion.clause(key, keys));
              }
            });
    all.setAll(given);
    try {
      return YAML.treeToValue(all, RunConfig.class);
    } catch (UnrecognizedPropertyException e) {
      throw new UsageException("unknown setting '" + e.getPropertyName() + "'", e);
    } catch (JsonMappingException e) {
      String key = e.getPath().isEmpty() ? "?" : String.valueOf(e.getPath().get(0).getFieldName());
      throw new UsageException(
          "%s: expected %s, got %s".formatted(key, expected(defaults, key), all.get(key)), e);
    } catch (JsonProcessingException e) {
      throw new UsageException(firstLine(e), e);
    }
  }

  /** The names that a file may use, in order. */
  static List<String> keys() {
    return List.copyOf(defaultTree().keySet());
  }

  private static Map<String, JsonNode> defaultTree() {
    ObjectNode tree = YAML.valueToTree(RunConfig.defaults(1, false));
    return tree.properties().stream()
        .collect(
            Collectors.toMap(
                Map.Entry::getKey, Map.Entry::getValue, (a, b) -> a, java.util.LinkedHashMap::new));
  }

  private static String expected(RunConfig defaults, String key) {
    JsonNode like = ((ObjectNode) YAML.valueToTree(defaults)).path(key);
    if (like.isIntegralNumber()) {
      return "a whole number";
    } else if (like.isBoolean()) {
      return "true or false";
    }
    return like.isNumber() ? "a number" : like.isArray() ? "a list" : "a word";
  }

  private static String firstLine(JsonProcessingException e) {
    return e.getOriginalMessage().lines().findFirst().orElse("no YAML");
  }

  /** The line of the problem, 0 if it is not known; the exception's own is where a token began. */
  private static int line(JsonProcessingException e) {
    return MARK.matcher(e.getOriginalMessage())
        .results()
        .map(mark -> Integer.parseInt(mark.group(1)))
        .reduce((first, second) -> second)
        .orElse(e.getLocation() == null ? 0 : e.getLocation().getLineNr());
  }

  /** YAML's messages tell the context, where it is, then the problem; marks are indented. */
  private static String problem(JsonProcessingException e) {
    return e.getOriginalMessage()
        .lines()
        .filter(line -> !line.isBlank() && !Character.isWhitespace(line.charAt(0)))
        .reduce((first, second) -> second)
        .orElse("no YAML");
  }

  static ObjectNode emptyTree() {
    return YAML.createObjectNode();
  }

  /** Adds a setting unless it is null: not given. */
  static void put(ObjectNode settings, String key, Object value) {
    if (value != null) {
      settings.set(key, YAML.valueToTree(value));
    }
  }

  /** The text of config.yaml; the same configuration always gives the same text. */
  static String write(RunConfig config) {
    try {
      return "# quantrain train --config config.yaml\n" + YAML.writeValueAsString(config);
    } catch (JsonProcessingException e) {
      throw new UncheckedIOException(e); // A record of numbers and words is always writable.
    }
  }
}
