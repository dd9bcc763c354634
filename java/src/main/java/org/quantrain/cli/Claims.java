package org.quantrain.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.List;
import org.quantrain.integer.Accuracy;
import org.quantrain.integer.Claim;
import org.quantrain.integer.Difference;
import org.quantrain.integer.IntegerModel;
import org.quantrain.integer.LayerHeadroom;
import org.quantrain.integer.TensorCount;
import org.quantrain.integer.VerificationReport;
import org.quantrain.report.ClaimResult;
import org.quantrain.report.Json;

/** What a verification found, in the words of reports and of JSON. */
final class Claims {
  private Claims() {}

  static List<ClaimResult> of(VerificationReport report) {
    List<ClaimResult> results = new ArrayList<>();
    for (Claim claim : report.claims()) {
      results.add(
          new ClaimResult(
              claim.claim(),
              claim.subject(),
              claim.against(),
              claim.compared(),
              claim.differing(),
              claim.logitsCompared(),
              claim.logitsDiffering(),
              claim.islandsCompared(),
              claim.islandsDiffering(),
              claim.first() == null ? null : of(claim.first()),
              claim.tensors().stream().map(Claims::of).toList()));
    }
    return results;
  }

  private static ClaimResult.TensorResult of(TensorCount count) {
    return new ClaimResult.TensorResult(count.tensor(), count.compared(), count.differing(), count.claimed());
  }

  private static ClaimResult.Difference of(Difference first) {
    return new ClaimResult.Difference(
        first.layer(),
        first.tensor(),
        first.image(),
        first.element(),
        first.coordinates(),
        "%d (%s)".formatted(first.subjectCode(), first.subjectReal()),
        "%d (%s)".formatted(first.againstCode(), first.againstReal()));
  }

  /** The field {@code claims}. */
  static void put(ObjectNode json, VerificationReport report) {
    ArrayNode claims = json.putArray("claims");
    of(report).forEach(claim -> claims.add(claim.toJson()));
  }

  /** All that is known: what verify.json holds. */
  static ObjectNode toJson(VerificationReport report) {
    ObjectNode json = Json.object();
    json.put("file", report.file()).put("images", report.images()).put("holds", report.holds());
    json.put("digestMatches", report.digestMatches());
    ObjectNode runtime = json.putObject("runtime");
    runtime.put("name", report.runtime().name()).put("version", report.runtime().version());
    runtime.put("optimization", report.runtime().optimization());
    runtime.put("instructions", report.runtime().instructions());
    ObjectNode operators = runtime.putObject("operators");
    report.runtime().operators().forEach(operators::put);
    ArrayNode kept = runtime.putArray("keptFloat");
    report.runtime().keptFloat().forEach(kept::add);
    ArrayNode claims = json.putArray("claims");
    for (ClaimResult claim : of(report)) {
      ObjectNode one = claim.toJson();
      ArrayNode tensors = one.putArray("tensors");
      for (ClaimResult.TensorResult tensor : claim.tensors()) {
        ObjectNode row = tensors.addObject();
        row.put("tensor", tensor.tensor()).put("compared", tensor.compared());
        row.put("differing", tensor.differing());
      }
      claims.add(one);
    }
    putAccuracy(json, report);
    ArrayNode layers = json.putArray("headroom");
    for (LayerHeadroom layer : report.headroom()) {
      ObjectNode row = layers.addObject().put("layer", layer.layer());
      row.put("largestSum", layer.largestSum()).put("bound", layer.bound());
      row.put("codes", layer.codes()).put("saturated", layer.saturated());
    }
    return json;
  }

  /** The field {@code accuracy}: of the interpreter and of the runtime. */
  static void putAccuracy(ObjectNode json, VerificationReport report) {
    ArrayNode accuracy = json.putArray("accuracy");
    for (Accuracy a : report.accuracy()) {
      ObjectNode one = accuracy.addObject().put("of", a.of());
      one.put("images", a.images()).put("correct", a.correct());
    }
  }

  /** Says if the file was changed: that explains whatever else is said. */
  static void sayDigest(Console console, IntegerModel model) {
    if (model.digestMatches().isPresent() && !model.digestMatches().get()) {
      console.fact(
          "digest", "BROKEN: %s was changed after it was written".formatted(model.where()));
    }
  }

  /** What people read. */
  static void say(Console console, VerificationReport report) {
    if (report.runtime().operators().keySet().stream().anyMatch(name -> name.contains(": "))) {
      report
          .runtime()
          .operators()
          .forEach((name, count) -> console.fact("runs", count + " " + name));
    }
    for (String problem : report.runtime().keptFloat()) {
      console.fact("runtime", "not executed as expected: " + problem);
    }
    report.headroomLine().ifPresent(line -> console.fact("headroom", line));
    for (ClaimResult claim : of(report)) {
      console.fact(
          claim.claim(),
          "%s (%s against %s)".formatted(claim.verdict(), claim.against(), claim.subject()));
      if (claim.first() != null) {
        console.fact("", "first: " + claim.firstDifference());
      }
    }
  }
}
