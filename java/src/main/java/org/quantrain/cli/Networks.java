package org.quantrain.cli;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.quantrain.LayerInfo;
import org.quantrain.Network;
import org.quantrain.QuantizedNetwork;
import org.quantrain.Quantrain;
import org.quantrain.data.DataSource;
import org.quantrain.graph.Graph;
import org.quantrain.runtime.Device;
import org.quantrain.tensor.Shape;
import org.quantrain.zoo.Zoo;

/**
 * Makes what a configuration names, and checks that it fits together before anything is trained.
 */
final class Networks {
  private Networks() {}

  /** Checks what needs neither data nor a device. */
  static void checkName(RunConfig config) {
    if (!RunConfig.isFile(config.model())) {
      if (config.replaceHead()) {
        throw new UsageException(
            "replace-head: %s is built for the classes of the data; only a model from a file has a"
                    .formatted(config.model())
                + " head to replace");
      }
      List<String> names = Zoo.names();
      String name = config.model().replaceFirst("\\?.*", "");
      if (!names.contains(name)) {
        throw new UsageException(
            "unknown model '%s'%s (or give the path of an .onnx file)"
                .formatted(name, Suggestion.orList(name, "models", names)));
      }
      try {
        Zoo.check(config.model());
      } catch (IllegalArgumentException e) {
        throw new UsageException(e.getMessage());
      }
    } else if (!Files.isRegularFile(Path.of(config.model()))) {
      throw new FailureException(config.model() + ": no such file");
    }
  }

  static Quantrain open(RunConfig config) {
    return open(config, 0);
  }

  /**
   * @param rank of this process among those of the run
   */
  static Quantrain open(RunConfig config, int rank) {
    Device device = config.deviceOf(rank);
    if (config.processes() > 1) {
      Quantrain.whyNotTogether(config.processes(), device)
          .ifPresent(
              why -> {
                throw new FailureException("processes: " + why);
              });
    }
    Quantrain quantrain =
        Quantrain.open(device, config.threadsOfEach(), config.floatProducts());
    return config.inputThreads() == 0 ? quantrain : quantrain.inputThreads(config.inputThreads());
  }

  static Quantrain open(String device, int threads) {
    return Quantrain.open(RunConfig.parseDevice(device), threads);
  }

  /** The float network, with its initial or its own weights. */
  static Network network(Quantrain quantrain, RunConfig config, DataSource data)
      throws IOException {
    if (!RunConfig.isFile(config.model())) {
      return quantrain.network(
          Zoo.build(
              config.model(),
              data.channels(),
              data.height(),
              data.width(),
              data.classes(),
              config.seed()));
    }
    Network network = quantrain.load(Path.of(config.model()));
    checkImages(config.model(), network.model().graph(), data);
    if (config.replaceHead()) {
      network.replaceHead(data.classes(), config.seed());
    } else {
      String remedy = "; --replace-head gives it a new last layer";
      checkClasses(config.model(), network.model().graph(), data, remedy);
    }
    return network;
  }

  /**
   * Checks that a network takes these images and knows their classes.
   *
   * @throws FailureException if not
   */
  static void checkFit(String model, Graph graph, DataSource data) {
    checkImages(model, graph, data);
    checkClasses(model, graph, data, "");
  }

  private static void checkImages(String model, Graph graph, DataSource data) {
    Shape input = graph.inputs().get(0).spec().shape();
    boolean fits =
        input.rank() == 4
            && input.dim(1) == data.channels()
            && input.dim(2) == data.height()
            && input.dim(3) == data.width();
    if (!fits) {
      boolean scalable = input.rank() == 4 && input.dim(1) == data.channels();
      throw new FailureException(
          "model %s takes images of %s, %s has %dx%dx%d (channels, rows, columns)%s"
              .formatted(
                  model,
                  dims(input),
                  data.name(),
                  data.channels(),
                  data.height(),
                  data.width(),
                  scalable
                      ? "; size=%dx%d among the data's options scales them"
                          .formatted(input.dim(2), input.dim(3))
                      : ""));
    }
  }

  private static void checkClasses(String model, Graph graph, DataSource data, String remedy) {
    Shape logits = graph.outputs().get(graph.outputs().size() - 1).spec().shape();
    if (logits.dim(1) != data.classes()) {
      throw new FailureException(
          "model %s knows %d classes, %s has %d%s"
              .formatted(model, logits.dim(1), data.name(), data.classes(), remedy));
    }
  }

  private static String dims(Shape shape) {
    StringBuilder text = new StringBuilder();
    for (int i = 1; i < shape.rank(); i++) {
      text.append(i == 1 ? "" : "x").append(shape.dim(i));
    }
    return text.toString();
  }

  /** The network with quantizers; everything that could stop its training later is tried now. */
  static QuantizedNetwork quantized(Network network, RunConfig config) throws IOException {
    List<String> layers = network.layers().stream().map(LayerInfo::name).toList();
    List<String> unused = config.unusedOverrides(layers);
    if (!unused.isEmpty()) {
      throw new UsageException(
          "override '%s' matches no layer; layers are: %s"
              .formatted(unused.get(0), String.join(", ", layers)));
    }
    QuantizedNetwork quantized = network.quantize(config.policy());
    quantized.requireExportable();
    return quantized;
  }
}
