package org.quantrain.benchmarks;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import org.quantrain.bench.RepeatedStep;
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
import org.quantrain.op.MatMul;
import org.quantrain.op.MatMulCodes;
import org.quantrain.plan.Plan;
import org.quantrain.tensor.Shape;

/**
 * Where the time of a step goes: medians of each node over some steps, beside what the machine
 * would need for its bytes and its products.
 */
final class StepProfile {
  /**
   * A node, or all nodes of a kind.
   *
   * @param bytes of all that it reads and writes, once each
   * @param operations 2 per product, or 0
   * @param onCodes whether the products are of codes
   * @param floor seconds of a node that is bound by the machine's copy bandwidth or rate of
   *     products; less is possible where a cache still holds what it reads
   */
  record Row(
      String name,
      int nodes,
      double seconds,
      long bytes,
      long operations,
      boolean onCodes,
      double floor) {
    String kind() {
      return name.substring(0, name.indexOf(' '));
    }

    private Row named(String other) {
      return new Row(other, nodes, seconds, bytes, operations, onCodes, floor);
    }

    private Row plus(Row other) {
      return new Row(
          name,
          nodes + other.nodes,
          seconds + other.seconds,
          bytes + other.bytes,
          operations + other.operations,
          onCodes,
          floor + other.floor);
    }
  }

  private final List<Row> nodes = new ArrayList<>();
  private final MachineRates rates;

  private StepProfile(MachineRates rates) {
    this.rates = rates;
  }

  static StepProfile of(RepeatedStep step, int samples, MachineRates rates) {
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
    StepProfile profile = new StepProfile(rates);
    for (int i = 0; i < count; i++) {
      Arrays.sort(seconds[i]);
      Node node = plan.graph().nodes().get(i);
      long bytes = bytes(node, plan.batch());
      long operations = operations(node, plan.batch());
      profile.nodes.add(
          new Row(
              node.op().kind() + " " + node.name(),
              1,
              seconds[i][samples / 2],
              bytes,
              operations,
              isOnCodes(node),
              rates.floor(bytes, operations, isOnCodes(node))));
    }
    return profile;
  }

  /** Seconds that all nodes of a plan, one after the other, take at least. */
  static double floor(Plan plan, MachineRates rates) {
    return plan.graph().nodes().stream()
        .mapToDouble(
            n -> rates.floor(bytes(n, plan.batch()), operations(n, plan.batch()), isOnCodes(n)))
        .sum();
  }

  /** What an output stands for in place of an input is not moved. */
  private static long bytes(Node node, int batch) {
    long bytes = 0;
    Set<Integer> aliased = new HashSet<>();
    for (int i = 0; i < node.outputs().size(); i++) {
      int input = node.op().aliasOf(i);
      if (input >= 0) {
        aliased.add(input);
      } else {
        bytes += node.output(i).spec().withBatch(batch).bytes();
      }
    }
    for (int i = 0; i < node.inputs().size(); i++) {
      if (!aliased.contains(i)) {
        bytes += node.input(i).spec().withBatch(batch).bytes();
      }
    }
    return bytes;
  }

  private static boolean isOnCodes(Node node) {
    return node.op() instanceof ConvCodes
        || node.op() instanceof LinearCodes
        || node.op() instanceof MatMulCodes;
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
    } else if (node.op() instanceof MatMul product) {
      Shape a = shape(node.input(0), batch);
      int inner = a.dim(a.rank() - (product.transA() ? 2 : 1));
      return 2 * inner * shape(node.output(0), batch).elements();
    } else if (node.op() instanceof MatMulCodes) {
      Shape a = shape(node.input(0), batch);
      return 2 * a.dim(a.rank() - 1) * shape(node.output(0), batch).elements();
    } else {
      return 0;
    }
    return 2 * weights.elements() * (pixels.elements() / pixels.dim(1));
  }

  private static Shape shape(Value value, int batch) {
    return value.spec().withBatch(batch).shape();
  }

  MachineRates rates() {
    return rates;
  }

  /** In the order in which they run. */
  List<Row> nodes() {
    return nodes;
  }

  /** From the one that takes longest. */
  List<Row> kinds() {
    Map<String, Row> kinds = new LinkedHashMap<>();
    nodes.forEach(row -> kinds.merge(row.kind(), row.named(row.kind()), Row::plus));
    return kinds.values().stream()
        .sorted(Comparator.comparingDouble(Row::seconds).reversed())
        .toList();
  }

  double seconds() {
    return nodes.stream().mapToDouble(Row::seconds).sum();
  }

  double floor() {
    return nodes.stream().mapToDouble(Row::floor).sum();
  }

  /** The step beside its floor, and the machine. */
  String summary() {
    return String.format(
        Locale.ROOT,
        "%.1f ms in %d nodes, floor %.1f ms: %.2f of the time"
            + " (copy %.1f GB/s, products of floats %.0f GOP/s, of codes %.0f)",
        seconds() * 1e3,
        nodes.size(),
        floor() * 1e3,
        floor() / seconds(),
        rates.copy() / 1e9,
        rates.floats() / 1e9,
        rates.codes() / 1e9);
  }

  /** The nodes in order, then their kinds from the longest. */
  @Override
  public String toString() {
    StringBuilder text = new StringBuilder();
    String heading =
        String.format(
            "%9s %7s %8s %8s %8s %8s%n", "us", "of all", "GB/s", "of copy", "GOP/s", "floor");
    text.append(String.format("%-64s", "node")).append(heading);
    nodes.forEach(row -> line(text, row.name(), row));
    text.append(String.format("%n%-64s", "nodes of a kind")).append(heading);
    kinds().forEach(row -> line(text, "%4d %s".formatted(row.nodes(), row.name()), row));
    return text.append(String.format("%n%s%n", summary())).toString();
  }

  private void line(StringBuilder text, String name, Row row) {
    double rate = row.bytes() / row.seconds();
    text.append(
        String.format(
            Locale.ROOT,
            "%-64s%9.1f %6.1f%% %8.1f %8.2f %8s %8.2f%n",
            name,
            row.seconds() * 1e6,
            100 * row.seconds() / seconds(),
            rate / 1e9,
            rate / rates.copy(),
            row.operations() == 0
                ? ""
                : String.format(Locale.ROOT, "%.0f", row.operations() / row.seconds() / 1e9),
            row.floor() / row.seconds()));
  }

  void writeTo(ObjectNode object) {
    object.put("milliseconds", seconds() * 1e3).put("floorMilliseconds", floor() * 1e3);
    object.put("copyGbPerSecond", rates.copy() / 1e9);
    object.put("floatGopPerSecond", rates.floats() / 1e9);
    object.put("codeGopPerSecond", rates.codes() / 1e9);
    ArrayNode array = object.putArray("nodes");
    for (Row row : nodes) {
      array
          .addObject()
          .put("name", row.name())
          .put("microseconds", row.seconds() * 1e6)
          .put("bytes", row.bytes())
          .put("operations", row.operations())
          .put("floorMicroseconds", row.floor() * 1e6);
    }
  }
}
