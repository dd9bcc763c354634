package org.quantrain.data;

import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Turns a data spec, one string as it stands on a command line or in a configuration, into a
 * dataset: {@code NAME} or {@code NAME?OPTION=VALUE&OPTION=VALUE}.
 *
 * <table>
 * <caption>Names</caption>
 * <tr><th>name</th><th>images</th><th>default mean, std</th></tr>
 * <tr><td>digits</td><td>8x8x1, 1,437 + 360, embedded</td><td>0, 1 (of value / 16)</td></tr>
 * <tr><td>mnist</td><td>28x28x1, 60,000 + 10,000</td><td>0.1307, 0.3081</td></tr>
 * <tr><td>fashion-mnist</td><td>28x28x1, 60,000 + 10,000</td><td>0.2860, 0.3530</td></tr>
 * <tr><td>cifar10</td><td>32x32x3, 50,000 + 10,000, see {@link Cifar}</td>
 * <td>0.4914,0.4822,0.4465, 0.2470,0.2435,0.2616</td></tr>
 * <tr><td>idx:PATH</td><td>a folder with MNIST's four file names</td><td>0, 1</td></tr>
 * <tr><td>cifar:PATH</td><td>a folder with the binary files of CIFAR-10 or CIFAR-100</td>
 * <td>0, 1</td></tr>
 * <tr><td>imagefolder:PATH</td><td>JPEG and PNG files in one folder for each class, see {@link
 * ImageFolder}</td><td>0, 1</td></tr>
 * </table>
 *
 * <table>
 * <caption>Options</caption>
 * <tr><th>option</th><th>meaning</th></tr>
 * <tr><td>limit=N</td><td>of each part, the first N images after a shuffle with the seed 0</td>
 * </tr>
 * <tr><td>split=train|test</td><td>this part as both the training and the test part</td></tr>
 * <tr><td>mean=.. std=..</td><td>normalization of pixels in [0, 1]; one number, or one per channel
 * with commas; one that is not given keeps its default</td></tr>
 * <tr><td>size=N, size=HxW</td><td>every image is scaled to cover N rows and N columns (H and W),
 * and its middle cut out</td></tr>
 * <tr><td>channels=1|3</td><td>of imagefolder only: grey, or red, green, blue (default)</td></tr>
 * </table>
 *
 * <p>Examples: {@code digits}, {@code fashion-mnist?limit=1000}, {@code
 * imagefolder:/data/pets?size=224&mean=0.485,0.456,0.406&std=0.229,0.224,0.225}. A path ends at the
 * first '?'.
 */
public final class Datasets {
  /** The seed of the shuffle before {@code limit}. */
  public static final long LIMIT_SEED = 0;

  private static final String IDX = "idx:";
  private static final String CIFAR = "cifar:";
  private static final String IMAGE_FOLDER = "imagefolder:";
  private static final List<String> NAMES =
      List.of("digits", "mnist", "fashion-mnist", "cifar10", IDX, CIFAR, IMAGE_FOLDER);
  private static final List<String> OPTIONS =
      List.of("limit", "split", "mean", "std", "size", "channels");
  private static final Pattern SIZE = Pattern.compile("(\\d{1,5})(?:x(\\d{1,5}))?");

  private Datasets() {}

  /** The valid names; one that ends in ':' is followed by a path. */
  public static List<String> names() {
    return NAMES;
  }

  /** The valid options. */
  public static List<String> options() {
    return OPTIONS;
  }

  /**
   * Loads what a spec names.
   *
   * @throws DataException if the spec has an unknown name or option or a value out of range (the
   *     message lists the valid ones), or if the data cannot be found or read
   */
  public static DataSplit load(String spec) throws DataException {
    return load(spec, Optional.empty());
  }

  /**
   * Loads what a spec names for a model that knows what becomes of its images: mean and std that the
   * spec leaves out are the model's, not the dataset's, and so is the size of a folder's images. Data
   * that has a size of its own is scaled only where the spec says so.
   *
   * @throws DataException as above, and if the spec names others than the model's
   */
  public static DataSplit load(String spec, Optional<Preprocessing> recorded)
      throws DataException {
    int question = spec.indexOf('?');
    String name = question < 0 ? spec : spec.substring(0, question);
    String prefix = prefix(name);
    if (!NAMES.contains(prefix)) {
      throw unknown(spec, "dataset", name, NAMES);
    }
    Map<String, String> options = options(spec, question);
    if (options.containsKey("channels") && !prefix.equals(IMAGE_FOLDER)) {
      throw new DataException(spec, "channels is an option of imagefolder only", "remove it");
    }
    if (recorded.isPresent()) {
      take(spec, options, recorded.get(), prefix.equals(IMAGE_FOLDER));
    }
    ImageSize size = size(spec, options.get("size"));
    DataSplit split =
        switch (prefix) {
          case "digits" -> Digits.load(normalization(spec, options, Digits.NORMALIZATION));
          case "mnist" -> Mnist.load(normalization(spec, options, Mnist.NORMALIZATION));
          case "fashion-mnist" ->
              FashionMnist.load(normalization(spec, options, FashionMnist.NORMALIZATION));
          case "cifar10" -> Cifar.load(normalization(spec, options, Cifar.NORMALIZATION));
          case IDX ->
              Idx.folder(path(spec, name), normalization(spec, options, Normalization.UNIT));
          case CIFAR ->
              Cifar.folder(path(spec, name), normalization(spec, options, Normalization.UNIT));
          default ->
              ImageFolder.load(
                  path(spec, name),
                  normalization(spec, options, Normalization.UNIT),
                  size,
                  channels(spec, options.get("channels")));
        };
    if (size != null && !size.equals(Preprocessing.sizeOf(split.train()))) {
      split = split.map(source -> new Resized(source, size));
    }
    return limit(spec, options, chosen(spec, options, split));
  }

  /** Fills in what is recorded. */
  private static void take(
      String spec, Map<String, String> options, Preprocessing recorded, boolean scales)
      throws DataException {
    Normalization own = recorded.normalization();
    Normalization normalization = normalization(spec, options, own);
    ImageSize size = size(spec, options.getOrDefault("size", recorded.size().toString()));
    if (!normalization.isSame(own) || !size.equals(recorded.size())) {
      throw new DataException(
          spec,
          "asks for %s&size=%s, the model was made with %s&size=%s"
              .formatted(normalization, size, own, recorded.size()),
          "leave mean, std and size out to take the model's");
    }
    options.put("mean", Normalization.join(own.mean()));
    options.put("std", Normalization.join(own.std()));
    if (scales) {
      options.put("size", size.toString());
    }
  }

  /** The same spec with its path, if it has one, made absolute: it holds in any folder. */
  public static String withFullPath(String spec) {
    int question = spec.indexOf('?');
    String name = question < 0 ? spec : spec.substring(0, question);
    String prefix = prefix(name);
    if (!prefix.endsWith(":") || prefix.length() == name.length()) {
      return spec;
    }
    Path path = Path.of(name.substring(prefix.length())).toAbsolutePath().normalize();
    return prefix + path + spec.substring(name.length());
  }

  /** "idx:" of "idx:PATH"; a name without a path is its own. */
  private static String prefix(String name) {
    return NAMES.stream()
        .filter(known -> known.endsWith(":") && name.startsWith(known))
        .findFirst()
        .orElse(name);
  }

  private static Map<String, String> options(String spec, int question) throws DataException {
    Map<String, String> options = new LinkedHashMap<>();
    if (question < 0) {
      return options;
    }
    for (String option : spec.substring(question + 1).split("&", -1)) {
      int equals = option.indexOf('=');
      String key = equals < 0 ? option : option.substring(0, equals);
      if (!OPTIONS.contains(key)) {
        throw unknown(spec, "option", key, OPTIONS);
      }
      if (equals < 0 || equals == option.length() - 1) {
        throw new DataException(spec, key + " has no value", "write " + key + "=VALUE");
      }
      if (options.put(key, option.substring(equals + 1)) != null) {
        throw new DataException(spec, key + " is given twice", "remove one");
      }
    }
    return options;
  }

  private static Path path(String spec, String name) throws DataException {
    String prefix = prefix(name);
    String text = name.substring(prefix.length());
    String remedy = "write " + prefix + "PATH";
    if (text.isEmpty()) {
      throw new DataException(spec, "no path", remedy);
    }
    try {
      return Path.of(text);
    } catch (InvalidPathException e) {
      throw new DataException(spec, "not a path (" + e.getReason() + ")", remedy, e);
    }
  }

  static ImageSize size(String spec, String text) throws DataException {
    if (text == null) {
      return null;
    }
    Matcher matcher = SIZE.matcher(text);
    String remedy = "write size=N or size=HxW, as in size=224";
    if (!matcher.matches()) {
      throw new DataException(spec, "size is '%s'".formatted(text), remedy);
    }
    int height = Integer.parseInt(matcher.group(1));
    int width = matcher.group(2) == null ? height : Integer.parseInt(matcher.group(2));
    try {
      return new ImageSize(height, width);
    } catch (IllegalArgumentException e) {
      throw new DataException(spec, e.getMessage(), remedy, e);
    }
  }

  private static int channels(String spec, String text) throws DataException {
    if (text == null || text.equals("3")) {
      return 3;
    }
    if (!text.equals("1")) {
      throw new DataException(
          spec, "channels is '%s'".formatted(text), "write channels=1 or channels=3");
    }
    return 1;
  }

  private static DataSplit chosen(String spec, Map<String, String> options, DataSplit split)
      throws DataException {
    String part = options.get("split");
    if (part == null) {
      return split;
    }
    return switch (part) {
      case "train" -> DataSplit.shared(split.train());
      case "test" -> DataSplit.shared(split.test());
      default -> throw unknown(spec, "split", part, List.of("train", "test"));
    };
  }

  private static DataSplit limit(String spec, Map<String, String> options, DataSplit split)
      throws DataException {
    String text = options.get("limit");
    if (text == null) {
      return split;
    }
    int limit = 0;
    try {
      limit = Integer.parseInt(text);
    } catch (NumberFormatException e) {
      // said below, with the numbers that are out of range
    }
    if (limit < 1) {
      throw new DataException(
          spec, "limit is '%s'".formatted(text), "give a whole number, at least 1");
    }
    int count = limit;
    return split.map(source -> source.limit(count, LIMIT_SEED));
  }

  private static Normalization normalization(
      String spec, Map<String, String> options, Normalization standard) throws DataException {
    String given = options.get("mean");
    float[] mean = given == null ? standard.mean() : numbers(spec, "mean", given);
    given = options.get("std");
    float[] std = given == null ? standard.std() : numbers(spec, "std", given);
    // One number holds for all channels, also beside several of the other kind.
    int channels = Math.max(mean.length, std.length);
    try {
      return new Normalization(repeated(mean, channels), repeated(std, channels));
    } catch (IllegalArgumentException e) {
      throw new DataException(
          spec, e.getMessage(), "give as many numbers for mean as for std, std above 0", e);
    }
  }

  private static float[] repeated(float[] values, int count) {
    if (values.length != 1) {
      return values;
    }
    float[] repeated = new float[count];
    Arrays.fill(repeated, values[0]);
    return repeated;
  }

  static float[] numbers(String spec, String option, String text) throws DataException {
    String[] words = text.split(",", -1);
    float[] numbers = new float[words.length];
    for (int i = 0; i < words.length; i++) {
      try {
        numbers[i] = Float.parseFloat(words[i]);
      } catch (NumberFormatException e) {
        throw new DataException(
            spec,
            "'%s' in %s is no number".formatted(words[i], option),
            "write numbers with commas, as in %s=0.5,0.5,0.5".formatted(option),
            e);
      }
    }
    return numbers;
  }

  private static DataException unknown(String spec, String kind, String got, List<String> valid) {
    String lower = got.toLowerCase(Locale.ROOT);
    int colon = lower.indexOf(':');
    String word = colon < 0 ? lower : lower.substring(0, colon + 1);
    String near =
        valid.stream().min(Comparator.comparingInt(name -> distance(word, name))).orElseThrow();
    boolean similar = distance(word, near) <= Math.max(1, near.length() / 3);
    List<String> shown = new ArrayList<>();
    for (String name : valid) {
      shown.add(name.endsWith(":") ? name + "PATH" : name);
    }
    return new DataException(
        spec,
        "unknown %s '%s'".formatted(kind, got),
        (similar ? "did you mean '%s'? ".formatted(near) : "")
            + "valid are "
            + String.join(", ", shown));
  }

  /** Levenshtein's edit distance: insertions, deletions and replacements from a to b. */
  private static int distance(String a, String b) {
    int[] row = new int[b.length() + 1]; // row[j]: from the first i characters of a to j of b
    for (int j = 0; j <= b.length(); j++) {
      row[j] = j;
    }
    for (int i = 1; i <= a.length(); i++) {
      int diagonal = row[0];
      row[0] = i;
      for (int j = 1; j <= b.length(); j++) {
        int replaced = diagonal + (a.charAt(i - 1) == b.charAt(j - 1) ? 0 : 1);
        diagonal = row[j];
        row[j] = Math.min(replaced, 1 + Math.min(row[j], row[j - 1]));
      }
    }
    return row[b.length()];
  }
}
