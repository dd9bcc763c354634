package org.quantrain.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.quantrain.quant.Target;
import picocli.CommandLine.Option;

/** Options that say which value gets which grid; they are settings of {@link RunConfig}. */
class QuantizationOptions {
  private static final class TargetNames extends ArrayList<String> {
    private static final long serialVersionUID = 1L;

    TargetNames() {
      super(Arrays.stream(Target.values()).map(Target::id).toList());
    }
  }

  @Option(names = "--wbits", paramLabel = "N", description = "Bits of weights, 2 to 8; default 8.")
  private Integer wbits;

  @Option(
      names = "--abits",
      paramLabel = "N",
      description = "Bits of activations, 2 to 8; default 8.")
  private Integer abits;

  @Option(
      names = "--first-last-bits",
      paramLabel = "N",
      description = "Bits of the first and the last layer; default 8.")
  private Integer firstLastBits;

  @Option(
      names = "--weights",
      paramLabel = "SCALES",
      description = "per-channel (default) or per-tensor.")
  private String weights;

  @Option(
      names = "--target",
      paramLabel = "NAME",
      completionCandidates = TargetNames.class,
      description =
          "The runtime to quantize for, default ort; there are: ${COMPLETION-CANDIDATES}.")
  private String target;

  @Option(
      names = "--override",
      paramLabel = "REGEX=W4A8",
      description =
          "Other bits for the layers whose whole name matches; may be repeated, first wins.")
  private List<String> override = new ArrayList<>();

  /** Adds the settings that were typed. */
  void put(ObjectNode given) {
    ConfigFile.put(given, "wbits", wbits);
    ConfigFile.put(given, "abits", abits);
    ConfigFile.put(given, "first-last-bits", firstLastBits);
    ConfigFile.put(given, "weights", weights);
    ConfigFile.put(given, "target", target);
    ConfigFile.put(given, "override", override.isEmpty() ? null : override);
  }
}
