package org.quantrain.benchmarks;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.quantrain.graph.Node;
import org.quantrain.graph.Value;
import org.quantrain.op.Conv2d;
import org.quantrain.op.Conv2dBackwardData;
import org.quantrain.op.Conv2dBackwardWeights;
import org.quantrain.op.ConvCodes;
import org.quantrain.op.Linear;
import org.quantrain.op.LinearBackwardData;
import org.quantrain.op.LinearBackwardWeights;
import org.quantrain.op.LinearCodes;
import org.quantrain.plan.Plan;
import org.quantrain.tensor.Shape;

/** Where the time of a step goes: medians of each node over some steps, beside a copy. */
final class StepProfile {
  /** bytes: of all that the node reads and writes, once each; operations: 2 per product, or 0. */
  private record Row(String name, int nodes, double seconds, long bytes, long operations) {
    Row plus(Row other) {
      return new Row(
          name,
          nodes + other.nodes,
          seconds + other.seconds,
          bytes + other.bytes,
          operations + other.operations);
    }
  }

  private static final long COPY_BYTES = 64 << 20;

  private final List<Row> nodes = new ArrayList<>();
  private final double copy;

  private StepProfile(double copy) {
    this.copy = copy;
  }

  static StepProfile of(TrainingStep step, int samples, int threads) {
    double copy = copyBandwidth(samples, threads);
    Plan plan = step.plan();
    int count = plan.graph().nodes().size();
    double[][] seconds = new double[count][samples];
    long[] nanoseconds = new long[count];
    step.run();
    step.run();
    for (int s = 0; s < samples; s++) {
      plan.runTimed(nanoseconds);
      for (int i = 0; i < count; i++) {
        seconds[i][s] = nanoseconds[i] * 1e-9;
      }
    }
    StepProfile profile = new StepProfile(copy);
    for (int i = 0; i < count; i++) {
      Arrays.sort(seconds[i]);
      Node node = plan.graph().nodes().get(i);
      profile.nodes.add(
          new Row(
              node.op().kind() + " " + node.name(),
              1,
              seconds[i][samples / 2],
              bytes(node, plan.batch()),
              operations(node, plan.batch())));
    }
    return profile;
  }

  private static double copyBandwidth(int samples, int threads) {
    int ways = NativeCases.qt_cases_copies_open(COPY_BYTES, threads);
    List<Runnable> copies = new ArrayList<>();
    for (int i = 0; i < ways; i++) {
      int way = i;
      copies.add(() -> NativeCases.qt_cases_copy(way));
    }
    double seconds = Arrays.stream(Sampler.medians(samples, copies)).min().orElse(Double.NaN);
    NativeCases.qt_cases_copies_close();
    return 2.0 * COPY_BYTES / seconds;
  }

  private static long bytes(Node node, int batch) {
    long bytes = 0;
    for (Value v : node.inputs()) {
      bytes += v.spec().withBatch(batch).bytes();
    }
    for (int i = 0; i < node.outputs().size(); i++) {
      if (node.op().aliasOf(i) < 0) {
        bytes += node.output(i).spec().withBatch(batch).bytes();
      }
    }
    return bytes;
  }

  /** Of products: each weight meets each pixel (or row) of the layer's output. */
  private static long operations(Node node, int batch) {
    Shape pixels;
    Shape weights;
    if (node.op() instanceof Conv2d || node.op() instanceof Linear) {
      pixels = shape(node.output(0), batch);
      weights = shape(node.input(1), batch);
    } else if (node.op() instanceof ConvCodes || node.op() instanceof LinearCodes) {
      pixels = shape(node.output(0), batch);
      weights = shape(node.input(3), batch);
    } else if (node.op() instanceof Conv2dBackwardData || node.op() instanceof LinearBackwardData) {
      pixels = shape(node.input(0), batch);
      weights = shape(node.input(1), batch);
    } else if (node.op() instanceof Conv2dBackwardWeights
        || node.op() instanceof LinearBackwardWeights) {
      pixels = shape(node.input(1), batch);
      weights = shape(node.output(0), batch);
    } else {
      return 0;
    }
    return 2 * weights.elements() * (pixels.elements() / pixels.dim(1));
  }

  private static Shape shape(Value value, int batch) {
    return value.spec().withBatch(batch).shape();
  }

  private List<Row> kinds() {
    Map<String, Row> kinds = new LinkedHashMap<>();
    for (Row row : nodes) {
      String kind = row.name().substring(0, row.name().indexOf(' '));
      kinds.merge(
          kind, new Row(kind, 1, row.seconds(), row.bytes(), row.operations()), Row::plus);
    }
    return kinds.values().stream()
        .sorted(Comparator.comparingDouble(Row::seconds).reversed())
        .toList();
  }

  private double total() {
    return nodes.stream().mapToDouble(Row::seconds).sum();
  }

  /** The nodes in order, then their kinds from the longest. */
  @Override
  public String toString() {
    StringBuilder text = new StringBuilder();
    String heading =
        String.format("%9s %7s %8s %8s %8s%n", "us", "of all", "GB/s", "of copy", "GOP/s");
    text.append(String.format("%-64s", "node")).append(heading);
    nodes.forEach(row -> line(text, row.name(), row));
    text.append(String.format("%n%-64s", "nodes of a kind")).append(heading);
    kinds().forEach(row -> line(text, "%4d %s".formatted(row.nodes(), row.name()), row));
    text.append(
        String.format(
            Locale.ROOT,
            "%n%.1f ms in %d nodes; copy %.1f GB/s%n",
            total() * 1e3,
            nodes.size(),
            copy / 1e9));
    return text.toString();
  }

  private void line(StringBuilder text, String name, Row row) {
    double rate = row.bytes() / row.seconds();
    text.append(
        String.format(
            Locale.ROOT,
            "%-64s%9.1f %6.1f%% %8.1f %8.2f %8s%n",
            name,
            row.seconds() * 1e6,
            100 * row.seconds() / total(),
            rate / 1e9,
            rate / copy,
            row.operations() == 0
                ? ""
                : String.format(Locale.ROOT, "%.0f", row.operations() / row.seconds() / 1e9)));
  }

  void writeTo(ObjectNode object) {
    object.put("milliseconds", total() * 1e3).put("copyGbPerSecond", copy / 1e9);
    ArrayNode array = object.putArray("nodes");
    for (Row row : nodes) {
      array
          .addObject()
          .put("name", row.name())
          .put("microseconds", row.seconds() * 1e6)
          .put("bytes", row.bytes())
          .put("operations", row.operations());
    }
  }
}
