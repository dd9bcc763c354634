package org.quantrain.cli;

import com.fasterxml.jackson.databind.PropertyNamingStrategies;
import com.fasterxml.jackson.databind.annotation.JsonNaming;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.regex.PatternSyntaxException;
import org.quantrain.data.Augmentation;
import org.quantrain.op.Compute;
import org.quantrain.op.Lowering;
import org.quantrain.quant.QuantPolicy;
import org.quantrain.quant.Quantizer;
import org.quantrain.quant.Target;
import org.quantrain.runtime.Device;
import org.quantrain.runtime.FloatProducts;
import org.quantrain.train.Recipe;

/**
 * Everything that a training run depends on: what config.yaml says, with the names of the options.
 *
 * @param model a name of the zoo, or the path of an ONNX file
 * @param replaceHead a model from a file gets a new last layer, for the classes of the data
 * @param quantizer how scales are found: ema, lsq, lsq+, pact or dsq
 * @param override layers with other bits, each REGEX=W4A8
 * @param lr learning rate of the float stage
 * @param validation part of the training images held out
 * @param augment as {@link Augmentation#of} reads it
 * @param lowering simulated or integer: how codes are multiplied while statistics move
 * @param compute f32 or bf16: operands of the products in gradients and in the float stage
 * @param tf32 on CUDA, products of float32 may take TF32
 * @param deterministic on CUDA, sums of floats are added in the same order in every run
 * @param accumulate parts of a batch that are run one behind the other
 * @param device as {@link Device#parse} reads it
 * @param syncBatchNorm where several processes train, batch norm is over the images of all
 * @param processes that share every batch
 * @param threads of each process; 0: the cores, shared among the processes
 * @param inputThreads that make batches ahead; 0: as many as compute
 */
@JsonNaming(PropertyNamingStrategies.KebabCaseStrategy.class)
record RunConfig(
    String model,
    boolean replaceHead,
    String data,
    int wbits,
    int abits,
    int firstLastBits,
    String quantizer,
    String weights,
    String target,
    List<String> override,
    int epochs,
    int qatEpochs,
    int batch,
    float lr,
    float qatLr,
    float momentum,
    float weightDecay,
    float labelSmoothing,
    int calibrationBatches,
    int quantDelay,
    float freezeFrom,
    float observerMomentum,
    float validation,
    String augment,
    String lowering,
    String compute,
    boolean tf32,
    boolean deterministic,
    int accumulate,
    boolean syncBatchNorm,
    long seed,
    String device,
    int processes,
    int threads,
    int inputThreads) {
  private static final int MOST_THREADS = 1024;
  private static final int MOST_PROCESSES = 256;
  private static final String PER_CHANNEL = "per-channel";
  private static final String PER_TENSOR = "per-tensor";
  private static final Pattern BITS = Pattern.compile("(?i)(?:W(\\d{1,2}))?(?:A(\\d{1,2}))?");

  RunConfig {
    override = override == null ? List.of() : List.copyOf(override);
  }

  /**
   * What is not said otherwise.
   *
   * @param pretrained the model comes with its weights, so the float stage has nothing to do
   */
  static RunConfig defaults(int trainImages, boolean pretrained) {
    Recipe recipe = Recipe.forImages(trainImages);
    QuantPolicy policy = QuantPolicy.forTarget(Target.ORT);
    return new RunConfig(
        "lenet",
        false,
        "digits",
        policy.weightBits(),
        policy.activationBits(),
        policy.firstAndLastBits(),
        policy.quantizer().id(),
        PER_CHANNEL,
        policy.target().id(),
        List.of(),
        pretrained ? 0 : recipe.floatEpochs(),
        recipe.qatEpochs(),
        recipe.batch(),
        recipe.floatLearningRate(),
        recipe.qatLearningRate(),
        recipe.momentum(),
        recipe.weightDecay(),
        recipe.smoothing(),
        recipe.calibrationBatches(),
        recipe.quantDelaySteps(),
        recipe.freezeFrom(),
        recipe.observerMomentum(),
        recipe.validationFraction(),
        "none",
        recipe.trainLowering().name().toLowerCase(Locale.ROOT),
        recipe.compute().name().toLowerCase(Locale.ROOT),
        FloatProducts.EXACT.tf32(),
        FloatProducts.EXACT.deterministic(),
        recipe.accumulate(),
        recipe.syncBatchNorm(),
        recipe.seed(),
        "auto",
        1,
        0,
        0);
  }

  /** The device of a process: on CUDA each has its own, numbered as they are. */
  Device deviceOf(int rank) {
    Device named = parseDevice(device);
    return named.kind() == Device.Kind.CUDA && processes > 1
        ? new Device(Device.Kind.CUDA, rank)
        : named;
  }

  /** What a CUDA device may do to products of floats. */
  FloatProducts floatProducts() {
    return new FloatProducts(tf32, deterministic);
  }

  /** Threads of each process, at least 1; 0 for the backend's own choice in a process by itself. */
  int threadsOfEach() {
    return threads > 0 || processes == 1
        ? threads
        : Math.max(1, Runtime.getRuntime().availableProcessors() / processes);
  }

  /**
   * A number of threads that was typed.
   *
   * @param name of the setting
   * @return 0 for null
   * @throws UsageException if it is out of range
   */
  static int requireThreads(String name, Integer typed) {
    if (typed == null) {
      return 0;
    }
    if (typed < 1 || typed > MOST_THREADS) {
      throw new UsageException("%s: expected 1 to %d, got %d".formatted(name, MOST_THREADS, typed));
    }
    return typed;
  }

  /** Whether the model is a file, by its name alone. */
  static boolean isFile(String model) {
    return model.endsWith(".onnx") || model.contains("/") || model.contains("\\");
  }

  /** As in "W4A8". */
  String bits() {
    return "W" + wbits + "A" + abits;
  }

  /** End of the integer model's file name. */
  String suffix() {
    return Target.of(target).format().suffix();
  }

  /** A short name for the model, for folders and titles. */
  String modelName() {
    return isFile(model) ? model.replaceFirst(".*[/\\\\]", "").replaceFirst("\\.onnx$", "") : model;
  }

  /** As in "digits-lenet-w8a8"; safe as a file's name. */
  String stem() {
    String source = data.replaceFirst("[?:].*", "");
    String name = source + "-" + modelName() + "-" + bits();
    return name.toLowerCase(Locale.ROOT).replaceAll("[^a-z0-9._-]+", "-");
  }

  /**
   * What the quantizers are to be.
   *
   * @throws UsageException if a value is not one of those there are
   */
  QuantPolicy policy() {
    oneOf("quantizer", quantizer, Arrays.stream(Quantizer.values()).map(Quantizer::id).toList());
    oneOf("weights", weights, List.of(PER_CHANNEL, PER_TENSOR));
    try {
      QuantPolicy policy =
          QuantPolicy.forTarget(Target.of(target))
              .weights(wbits)
              .activations(abits)
              .firstAndLast(firstLastBits);
      if (weights.equals(PER_TENSOR)) {
        policy = policy.perTensorWeights();
      }
      policy = policy.quantizer(Quantizer.of(quantizer));
      for (String text : override) {
        LayerBits one = parse(text);
        policy = policy.override(one.layer(), one.weightBits(), one.activationBits());
      }
      return policy;
    } catch (IllegalArgumentException e) {
      throw new UsageException(e.getMessage(), e);
    }
  }

  private record LayerBits(String layer, int weightBits, int activationBits) {}

  private static LayerBits parse(String text) {
    int equals = text.lastIndexOf('=');
    Matcher bits = BITS.matcher(text.substring(equals + 1));
    if (equals < 1 || equals == text.length() - 1 || !bits.matches()) {
      throw new UsageException(
          "override: expected REGEX=W4A8, REGEX=W4 or REGEX=A8, got '" + text + "'");
    }
    try {
      Pattern.compile(text.substring(0, equals));
    } catch (PatternSyntaxException e) {
      throw new UsageException(
          "override: '%s' is no regular expression (%s)"
              .formatted(text.substring(0, equals), e.getDescription()),
          e);
    }
    return new LayerBits(text.substring(0, equals), number(bits.group(1)), number(bits.group(2)));
  }

  private static int number(String digits) {
    return digits == null ? 0 : Integer.parseInt(digits);
  }

  /** The override patterns that no layer's whole name matches. */
  List<String> unusedOverrides(List<String> layers) {
    List<String> unused = new ArrayList<>();
    for (String text : override) {
      Pattern pattern = Pattern.compile(parse(text).layer());
      if (layers.stream().noneMatch(layer -> pattern.matcher(layer).matches())) {
        unused.add(text);
      }
    }
    return unused;
  }

  /** @throws UsageException if a device has no such products */
  static void requireProductsOf(String device, FloatProducts products) {
    boolean onCuda = parseDevice(device).kind() == Device.Kind.CUDA;
    if (!onCuda && !products.equals(FloatProducts.EXACT)) {
      throw new UsageException(
          "%s: only CUDA has such products; expected %s, or cuda as the device, got %s"
              .formatted(
                  products.tf32() ? "tf32" : "deterministic",
                  products.tf32() ? "false" : "true",
                  device));
    }
  }

  /**
   * How training is to go.
   *
   * @throws UsageException if a value is out of range
   */
  Recipe recipe() {
    oneOf("lowering", lowering, List.of("simulated", "integer"));
    oneOf("compute", compute, List.of("f32", "bf16"));
    requireProductsOf(device, floatProducts());
    if (processes < 1 || processes > MOST_PROCESSES) {
      throw new UsageException(
          "processes: expected 1 to %d, got %d".formatted(MOST_PROCESSES, processes));
    }
    if (processes > 1 && device.indexOf(':') >= 0) {
      throw new UsageException(
          "device: %d processes take the CUDA devices from 0 on, one each; expected cuda, got %s"
              .formatted(processes, device));
    }
    if (processes > 1 && accumulate > 0 && batch % ((long) accumulate * processes) != 0) {
      throw new UsageException(
          "batch: expected a multiple of the %d processes%s, got %d"
              .formatted(
                  processes,
                  accumulate == 1 ? "" : " times the %d parts of a batch".formatted(accumulate),
                  batch));
    }
    if (threads != 0) {
      requireThreads("threads", threads);
    }
    if (inputThreads != 0) {
      requireThreads("input-threads", inputThreads);
    }
    try {
      return new Recipe(
          epochs,
          qatEpochs,
          batch,
          lr,
          qatLr,
          momentum,
          weightDecay,
          labelSmoothing,
          calibrationBatches,
          quantDelay,
          freezeFrom,
          observerMomentum,
          validation,
          Augmentation.of(augment),
          Lowering.valueOf(lowering.toUpperCase(Locale.ROOT)),
          Compute.valueOf(compute.toUpperCase(Locale.ROOT)),
          accumulate,
          syncBatchNorm,
          seed);
    } catch (IllegalArgumentException e) {
      throw new UsageException(e.getMessage(), e);
    }
  }

  /**
   * A device that was typed.
   *
   * @throws UsageException if it is none
   */
  static Device parseDevice(String typed) {
    try {
      return Device.parse(typed);
    } catch (IllegalArgumentException e) {
      List<String> names = List.of("auto", "cpu", "cuda");
      throw new UsageException("device: " + e.getMessage() + Suggestion.clause(typed, names), e);
    }
  }

  static void oneOf(String name, String value, List<String> values) {
    if (!values.contains(value)) {
      throw new UsageException(
          "%s: expected %s, got '%s'%s"
              .formatted(
                  name, String.join(" or ", values), value, Suggestion.clause(value, values)));
    }
  }
}
