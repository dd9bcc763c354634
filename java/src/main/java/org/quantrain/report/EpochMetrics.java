package org.quantrain.report;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.List;

/**
 * One epoch, as the log keeps it. NaN stands for what was not measured, and is null in JSON.
 *
 * @param stage "float" or "qat"
 * @param phase what its last step was, as in "TRAIN_FROZEN"
 * @param epoch from 1, within the stage
 * @param epochs of the stage
 * @param trainTop1 percent
 * @param validationTop1 percent
 * @param lossCurve mean training loss of equal parts of the epoch, in order
 */
public record EpochMetrics(
    String stage,
    String phase,
    int epoch,
    int epochs,
    double learningRate,
    double trainLoss,
    double trainTop1,
    double validationLoss,
    double validationTop1,
    double seconds,
    double imagesPerSecond,
    List<Double> lossCurve) {
  public EpochMetrics {
    lossCurve = List.copyOf(lossCurve);
  }

  ObjectNode toJson() {
    ObjectNode json = Json.object();
    json.put("stage", stage).put("phase", phase).put("epoch", epoch).put("epochs", epochs);
    Json.put(json, "learningRate", learningRate);
    Json.put(json, "trainLoss", trainLoss);
    Json.put(json, "trainTop1", trainTop1);
    Json.put(json, "validationLoss", validationLoss);
    Json.put(json, "validationTop1", validationTop1);
    Json.put(json, "seconds", seconds);
    Json.put(json, "imagesPerSecond", imagesPerSecond);
    ArrayNode curve = json.putArray("lossCurve");
    for (double loss : lossCurve) {
      curve.add(Json.rounded(loss));
    }
    return json;
  }

  static EpochMetrics of(JsonNode json) {
    List<Double> curve = new ArrayList<>();
    json.path("lossCurve").forEach(loss -> curve.add(loss.asDouble(Double.NaN)));
    return new EpochMetrics(
        json.path("stage").asText(),
        json.path("phase").asText(),
        json.path("epoch").asInt(),
        json.path("epochs").asInt(),
        number(json, "learningRate"),
        number(json, "trainLoss"),
        number(json, "trainTop1"),
        number(json, "validationLoss"),
        number(json, "validationTop1"),
        number(json, "seconds"),
        number(json, "imagesPerSecond"),
        curve);
  }

  private static double number(JsonNode json, String name) {
    return json.path(name).isNumber() ? json.path(name).asDouble() : Double.NaN;
  }
}
