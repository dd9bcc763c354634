package org.quantrain.export;

import java.io.IOException;
import java.util.List;
import java.util.stream.Collectors;

/**
 * A form in which an integer model can be given to other tools. One class for each; {@link #all}
 * names them.
 */
public interface ExportFormat {
  /** The name users write. */
  String id();

  /** What it is for, in a few words. */
  String description();

  /** As in ".json": the usual end of a file's name. */
  String extension();

  /**
   * The whole file.
   *
   * @throws IOException in one line that says why, if the format cannot express the model
   */
  byte[] toBytes(DeployedModel model) throws IOException;

  /** All formats. */
  static List<ExportFormat> all() {
    return List.of(
        new QdqExport(),
        new QOperatorExport(),
        new SafetensorsExport(),
        new RangesExport(),
        new TensorRtCacheExport(),
        new SnpeEncodingsExport(),
        new VitisPositionsExport());
  }

  /**
   * @throws IllegalArgumentException naming the formats there are
   */
  static ExportFormat of(String id) {
    return all().stream()
        .filter(format -> format.id().equals(id))
        .findFirst()
        .orElseThrow(
            () ->
                new IllegalArgumentException(
                    "unknown format '%s'; formats are: %s"
                        .formatted(
                            id,
                            all().stream()
                                .map(ExportFormat::id)
                                .collect(Collectors.joining(", ")))));
  }
}
