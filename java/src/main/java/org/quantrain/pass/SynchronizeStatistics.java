package org.quantrain.pass;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.quantrain.autodiff.TrainingGraph;
import org.quantrain.graph.Graph;
import org.quantrain.graph.GraphBuilder;
import org.quantrain.graph.GraphException;
import org.quantrain.graph.Node;
import org.quantrain.graph.Op;
import org.quantrain.graph.Value;
import org.quantrain.op.Add;
import org.quantrain.op.AllReduce;
import org.quantrain.op.AllReduce.Kind;
import org.quantrain.op.AverageState;
import org.quantrain.op.BatchNorm;
import org.quantrain.op.BatchNormAbsorb;
import org.quantrain.op.BatchNormAbsorbBackward;
import org.quantrain.op.BatchNormBackward;
import org.quantrain.op.BatchNormStats;
import org.quantrain.op.BatchNormStatsBackward;
import org.quantrain.op.Binary;
import org.quantrain.op.ChannelMoments;
import org.quantrain.op.GradientPart;
import org.quantrain.op.MoveBatchNorm;
import org.quantrain.op.MseRange;
import org.quantrain.op.UpdateQParams;

/**
 * Makes a graph for processes that each run it on a part of the batch: what is a statistic of the
 * batch is reduced over all of them, so that every state stays the same in each. The gradients of
 * the parameters stay those of a process's own part, for whoever takes their mean.
 *
 * <p>A value is common if it is a parameter, a state, a reduction, or follows from such alone. What
 * moves a state must be common; a range that is not is reduced where it is used, because smallest
 * and largest real values are those of the smallest and largest accumulators.
 */
public final class SynchronizeStatistics {
  private final int processes;
  private final boolean batchNorm;
  private final GraphBuilder builder = new GraphBuilder();
  private final Map<Value, Value> made = new HashMap<>();

  /** Values of the new graph that are the same in all processes. */
  private final Set<Value> common = new HashSet<>();

  /** Reductions by what they are of; a value has one kind of reduction. */
  private final Map<Value, Value> reduced = new HashMap<>();

  private SynchronizeStatistics(int processes, boolean batchNorm) {
    this.processes = processes;
    this.batchNorm = batchNorm;
  }

  /**
   * A training graph; loss and number of correct rows become those of all processes.
   *
   * @param batchNorm over the whole batch; else each process normalizes with the statistics of its
   *     part, and the running ones follow their mean
   * @throws GraphException naming a node that would move a state apart
   */
  public static TrainingGraph apply(TrainingGraph training, int processes, boolean batchNorm) {
    SynchronizeStatistics pass = new SynchronizeStatistics(processes, batchNorm);
    pass.rebuild(training.graph());
    List<Value> outputs = training.graph().outputs();
    Value loss = pass.reduce(pass.now(outputs.get(1)), Kind.MEAN);
    Value correct = pass.reduce(pass.now(outputs.get(2)), Kind.SUM);
    Map<Value, Value> gradients = new LinkedHashMap<>();
    training.gradients().forEach((param, gradient) -> gradients.put(param, pass.now(gradient)));
    return new TrainingGraph(
        pass.builder.build(pass.now(outputs.get(0)), loss, correct), gradients);
  }

  /**
   * A graph without gradients, such as one that calibrates.
   *
   * @throws GraphException as for a training graph
   */
  public static Graph apply(Graph graph, int processes) {
    SynchronizeStatistics pass = new SynchronizeStatistics(processes, true);
    pass.rebuild(graph);
    return pass.builder.build(graph.outputs().stream().map(pass::now).toList());
  }

  private void rebuild(Graph graph) {
    graph.inputs().forEach(v -> made.put(v, builder.input(v)));
    for (Node node : graph.nodes()) {
      List<Value> in = node.inputs().stream().map(this::now).toList();
      if (in.stream().allMatch(this::isCommon)) {
        keep(node, node.op(), in);
      } else {
        synchronize(graph, node, in);
      }
    }
  }

  private Value now(Value value) {
    return made.getOrDefault(value, value);
  }

  private boolean isCommon(Value value) {
    return value.isPersistent() || common.contains(value);
  }

  private void synchronize(Graph graph, Node node, List<Value> in) {
    Op op = node.op();
    if (op instanceof UpdateQParams) {
      boolean chosen =
          graph.producer(node.input(0)).filter(n -> n.op() instanceof MseRange).isPresent();
      keep(
          node,
          op,
          with(
              in,
              reduce(in.get(0), chosen ? Kind.MEAN : Kind.MIN),
              reduce(in.get(1), chosen ? Kind.MEAN : Kind.MAX)));
    } else if (!batchNorm || !isOfTheBatch(op)) {
      keep(node, op, in);
    } else if (op instanceof BatchNorm bn) {
      Value[] moments = moments(node, bn.momentum(), in.get(0), in.get(3), in.get(4));
      BatchNorm given = bn.with(BatchNorm.Mode.FROZEN);
      Value y =
          builder.add(
              node.name(), given, in.get(0), in.get(1), in.get(2), moments[0], moments[1]);
      replace(node, y, moments[0], moments[1]);
    } else if (op instanceof BatchNormStats stats) {
      replace(node, moments(node, stats.momentum(), in.get(0), in.get(1), in.get(2)));
    } else if (op instanceof BatchNormStatsBackward) {
      // Sums over the rows of all; the kernel divides by the rows of one.
      keep(
          node,
          op,
          List.of(
              in.get(0),
              in.get(1),
              in.get(2),
              reduce(in.get(3), Kind.MEAN),
              reduce(in.get(4), Kind.MEAN)));
    } else if (op instanceof BatchNormAbsorb absorb) {
      List<Value> sums = new ArrayList<>(in);
      sums.set(1, reduce(in.get(1), Kind.SUM));
      sums.set(2, reduce(in.get(2), Kind.SUM_PAIRS));
      keep(node, absorb.sharedBy(processes), sums);
    } else if (op instanceof BatchNormBackward backward) {
      float epsilon = backward.epsilon();
      inTwo(
          node,
          in,
          new BatchNormBackward(epsilon, backward.mode(), GradientPart.SUMS, 1),
          new BatchNormBackward(epsilon, backward.mode(), GradientPart.FROM_SUMS, processes));
    } else {
      BatchNormAbsorbBackward backward = (BatchNormAbsorbBackward) op;
      inTwo(
          node,
          in,
          new BatchNormAbsorbBackward(backward.gradients(), GradientPart.SUMS, 1),
          new BatchNormAbsorbBackward(backward.gradients(), GradientPart.FROM_SUMS, processes));
    }
  }

  /** Batch norm with the statistics of its rows, and the gradients through them. */
  private static boolean isOfTheBatch(Op op) {
    return (op instanceof BatchNorm bn && bn.mode() == BatchNorm.Mode.TRAIN)
        || (op instanceof BatchNormBackward back && back.mode() == BatchNorm.Mode.TRAIN)
        || op instanceof BatchNormStats
        || op instanceof BatchNormStatsBackward
        || op instanceof BatchNormAbsorb
        || op instanceof BatchNormAbsorbBackward;
  }

  /**
   * Mean and variance over the rows of all, each process having as many: the variance of a part
   * about the mean of all is its own and the square of the distance of the means.
   */
  private Value[] moments(Node node, float momentum, Value x, Value runningMean, Value runningVar) {
    String name = node.name();
    Node own = builder.node(name + ".part", new ChannelMoments(), x);
    Value mean = reduce(own.output(0), Kind.MEAN);
    Value off =
        builder.add(name + ".off", new Binary(Binary.Kind.SUB), own.output(0), mean);
    Value square = builder.add(name + ".off2", new Binary(Binary.Kind.MUL), off, off);
    Value var = reduce(builder.add(name + ".about", new Add(), own.output(1), square), Kind.MEAN);
    builder.node(
        name + ".move",
        new MoveBatchNorm(momentum, processes),
        x,
        mean,
        var,
        runningMean,
        runningVar);
    return new Value[] {mean, var};
  }

  /** The sums, their reduction, and what follows from it. */
  private void inTwo(Node node, List<Value> in, Op sums, Op fromSums) {
    Node own = builder.node(node.name() + ".sums", sums, in);
    List<Value> all = new ArrayList<>(in);
    own.outputs().forEach(v -> all.add(reduce(v, Kind.SUM)));
    Value dx = builder.node(node.name(), fromSums, all).output();
    replace(node, dx, own.output(0), own.output(1));
  }

  private Value reduce(Value value, Kind kind) {
    if (isCommon(value)) {
      return value;
    }
    return reduced.computeIfAbsent(
        value,
        v -> {
          Value all = builder.add(v.name() + ".all", new AllReduce(kind), v);
          common.add(all);
          return all;
        });
  }

  private static List<Value> with(List<Value> in, Value first, Value second) {
    List<Value> changed = new ArrayList<>(in);
    changed.set(0, first);
    changed.set(1, second);
    return changed;
  }

  /** Adds a node with other inputs. */
  private void keep(Node node, Op op, List<Value> in) {
    Node copy = builder.node(node.name(), op, in);
    replace(node, copy.outputs().toArray(Value[]::new));
    if (in.stream().allMatch(this::isCommon)) {
      common.addAll(copy.outputs());
    } else if (!op.updates().isEmpty() && !movesByCommon(op, in)) {
      average(node, op, in);
    }
  }

  /** Batch norm reads rows that differ, but moves its state by reduced sums. */
  private boolean movesByCommon(Op op, List<Value> in) {
    return op instanceof BatchNormAbsorb && isCommon(in.get(1)) && isCommon(in.get(2));
  }

  /** What a process moved by its own rows becomes the mean over all. */
  private void average(Node node, Op op, List<Value> in) {
    if (!isOfTheBatch(op)) {
      throw new GraphException(
          "["
              + op.kind()
              + ":"
              + node.name()
              + "] moves a state by the values of one process; it cannot train in several");
    }
    for (int i : op.updates().stream().sorted().toList()) {
      builder.node(node.name() + ".average", new AverageState(), in.get(i));
    }
  }

  private void replace(Node node, Value... values) {
    for (int i = 0; i < node.outputs().size(); i++) {
      made.put(node.output(i), values[i]);
    }
  }
}
