package org.quantrain.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.Map;
import org.quantrain.data.DataSource;
import org.quantrain.data.Preprocessing;
import org.quantrain.onnx.QdqMetadata;
import org.quantrain.report.Json;
import org.quantrain.report.Numbers;
import org.quantrain.train.Evaluation;

/** What comes out when a float network has become an integer model, for people and machines. */
final class Results {
  private Results() {}

  /** What an exported integer model says about itself. */
  static Map<String, String> metadata(String quantizer, Path floatModel, DataSource images)
      throws IOException {
    Map<String, String> metadata = metadata(images);
    metadata.put(QdqMetadata.QUANTIZER, quantizer);
    metadata.put(QdqMetadata.SOURCE, "sha256:" + sha256(floatModel));
    return metadata;
  }

  /** What any model says about itself and the images it was made of. */
  static Map<String, String> metadata(DataSource images) {
    Map<String, String> metadata = new LinkedHashMap<>();
    metadata.put(QdqMetadata.VERSION, Version.NUMBER);
    Preprocessing.of(images).ifPresent(p -> metadata.putAll(p.toMetadata()));
    return metadata;
  }

  private static String sha256(Path file) throws IOException {
    try {
      MessageDigest digest = MessageDigest.getInstance("SHA-256");
      return HexFormat.of().formatHex(digest.digest(Files.readAllBytes(file)));
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e); // Every Java has it.
    }
  }

  static void sayFloat(Console console, Evaluation evaluation) {
    console.fact("float", Numbers.percent(evaluation.top1()) + " top-1");
  }

  static void sayInteger(Console console, String bits, Evaluation evaluation) {
    console.fact("integer", "%s top-1, %s".formatted(Numbers.percent(evaluation.top1()), bits));
  }

  static void put(ObjectNode json, Path file, Evaluation evaluation) {
    Json.put(json, "top1", evaluation.top1());
    Json.put(json, "top5", evaluation.top5());
    Json.put(json, "loss", evaluation.loss());
    json.put("images", evaluation.images()).put("file", file.toString());
  }
}
