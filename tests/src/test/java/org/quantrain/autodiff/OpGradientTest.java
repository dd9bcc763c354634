package org.quantrain.autodiff;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.quantrain.backend.cpu.CpuBackend;
import org.quantrain.graph.Graph;
import org.quantrain.graph.GraphBuilder;
import org.quantrain.graph.Node;
import org.quantrain.graph.Op;
import org.quantrain.graph.Value;
import org.quantrain.op.BatchNormAbsorb;
import org.quantrain.op.ConvBnCorrect;
import org.quantrain.op.FoldWeight;
import org.quantrain.op.Gather;
import org.quantrain.op.LearnedGrid;
import org.quantrain.op.RequantizeFixed;
import org.quantrain.op.ScaleRule;
import org.quantrain.op.SoftmaxCrossEntropy;
import org.quantrain.plan.Plan;
import org.quantrain.plan.PlanCompiler;
import org.quantrain.plan.PlanOptions;
import org.quantrain.runtime.Backend;
import org.quantrain.runtime.ParameterStore;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.HostTensor;
import org.quantrain.tensor.TensorSpec;
import org.quantrain.testkit.EdgeValues;
import org.quantrain.testkit.Example;
import org.quantrain.testkit.OpCase;
import org.quantrain.testkit.OpCases;
import org.quantrain.testkit.Surrogate;
import org.quantrain.testkit.Tensors;

/**
 * The vector-Jacobian product of every operation against differences of what it does to real
 * numbers.
 */
class OpGradientTest {
  private static Backend backend;

  @BeforeAll
  static void open() {
    backend = CpuBackend.open(2);
  }

  @AfterAll
  static void close() {
    backend.close();
  }

  static Stream<Example> examples() {
    return OpCases.all().stream().map(OpCase::gradients).flatMap(g -> g.get().stream());
  }

  @ParameterizedTest
  @MethodSource("examples")
  void theGradientIsTheDerivative(Example example) {
    Op op = example.op();
    GraphBuilder builder = new GraphBuilder();
    Map<Value, HostTensor> contents = new HashMap<>();
    Map<String, HostTensor> state = new HashMap<>();
    List<Value> in = new ArrayList<>();
    for (int i = 0; i < example.inputs().size(); i++) {
      HostTensor t = example.inputs().get(i);
      boolean updated = op.updates().contains(i);
      Value v = updated ? builder.state("in" + i, t.spec()) : builder.input("in" + i, t.spec());
      in.add(v);
      contents.put(v, t);
      if (updated) {
        state.put(v.name(), t);
      }
    }
    Node node = builder.node("node", op, in);
    List<Value> outputGrads = new ArrayList<>();
    for (int i = 0; i < node.outputs().size(); i++) {
      TensorSpec spec = node.output(i).spec();
      if (spec.dtype() == DType.MASK || spec.dtype() == DType.S64) {
        outputGrads.add(null);
        continue;
      }
      Value g = builder.input("g" + i, spec.as(DType.F32));
      int n = Math.toIntExact(spec.shape().elements());
      // The loss is the end of a graph: its own gradient is 1.
      float[] values =
          op instanceof SoftmaxCrossEntropy ? new float[] {1} : EdgeValues.ordinary(n, 50 + i);
      contents.put(g, Tensors.of(g.spec(), Arrays.copyOf(values, n)));
      outputGrads.add(g);
    }
    List<Value> grads = op.vjp(builder, node, outputGrads);
    assertEquals(in.size(), grads.size(), "gradients of " + example);
    List<Value> outputs = new ArrayList<>(node.outputs());
    grads.stream().filter(g -> g != null && !outputs.contains(g)).forEach(outputs::add);
    Graph graph = builder.build(outputs);

    try (ParameterStore store = new ParameterStore(backend, graph.persistent(), state);
        Plan plan = PlanCompiler.compile(graph, 1, backend, store, PlanOptions.defaults())) {
      for (Value v : graph.inputs()) {
        plan.input(v).put(0, contents.get(v).bytes());
      }
      plan.run();
      Map<Value, double[]> leaves = new HashMap<>();
      Map<Value, double[]> gradients = new HashMap<>();
      for (int i = 0; i < in.size(); i++) {
        double[] real = real(example, i);
        if (real != null) {
          leaves.put(in.get(i), real);
        }
        if (grads.get(i) != null) {
          assertTrue(real != null, "gradient of an input that stands for no real number: " + i);
          gradients.put(in.get(i), Tensors.logical(plan.read(grads.get(i))));
        }
      }
      assertFalse(gradients.isEmpty());
      Surrogate surrogate = new Surrogate(List.of(node), plan::read, leaves);
      List<String> found = new ArrayList<>();
      new FiniteDifferences(
              leaves,
              gradients,
              isSoft(op),
              Map.of(),
              point -> functional(node, surrogate.evaluate(point), outputGrads, contents))
          .check(example.toString(), found);
      assertTrue(found.isEmpty(), String.join("\n", found));
    }
  }

  private static boolean isSoft(Op op) {
    ScaleRule rule =
        op instanceof LearnedGrid grid
            ? grid.rule()
            : op instanceof FoldWeight fold ? fold.rule() : ScaleRule.OBSERVED;
    return rule == ScaleRule.SOFT_CLIP || rule == ScaleRule.SOFT_RANGE;
  }

  /** The sum of what the outputs stand for, weighted with their gradients. */
  private static double functional(
      Node node,
      Map<Value, double[]> reals,
      List<Value> outputGrads,
      Map<Value, HostTensor> contents) {
    double sum = 0;
    for (int i = 0; i < node.outputs().size(); i++) {
      double[] y = reals.get(node.output(i));
      if (y != null) {
        double[] g = Tensors.logical(contents.get(outputGrads.get(i)));
        for (int k = 0; k < y.length; k++) {
          sum += g[k] * y[k];
        }
      }
    }
    return sum;
  }

  /** What input i stands for; null where it stands for no real number. */
  private static double[] real(Example example, int i) {
    List<HostTensor> in = example.inputs();
    HostTensor t = in.get(i);
    if (example.op() instanceof LearnedGrid && t.spec().dtype() != DType.F32) {
      // The gradient goes by the real value, not by the codes.
      return null;
    }
    if (example.op() instanceof Gather && t.spec().dtype() == DType.S32) {
      return null;
    }
    if (t.spec().dtype().isCodes()) {
      boolean scaled = i + 1 < in.size() && in.get(i + 1).spec().dtype() == DType.F32;
      int zero = i + (scaled ? 2 : 1);
      return Surrogate.realOfCodes(
          t,
          scaled ? in.get(i + 1).floats() : new float[] {1},
          zero < in.size() ? in.get(zero).ints()[0] : 0);
    }
    if (t.spec().dtype() == DType.F32) {
      double[] real = Tensors.logical(t);
      if (example.op() instanceof ConvBnCorrect correct && i == 2) {
        // A variance's gradient is that of its deviation.
        for (int c = 0; c < real.length; c++) {
          real[c] = Math.sqrt(real[c] + correct.epsilon());
        }
      }
      return real;
    }
    if (t.spec().dtype() != DType.S32 || t.shape().elements() == 1) {
      return null;
    }
    double[] scale = accumulatorScale(example);
    if (t.shape().rank() == 1) {
      // A bias in units of the accumulator; keep flags come after it and are constant.
      double[] real = new double[scale.length];
      for (int c = 0; c < real.length; c++) {
        real[c] = scale[c] * t.ints()[c];
      }
      return scale.length == t.shape().elements() && !(example.op() instanceof SoftmaxCrossEntropy)
          ? real
          : null;
    }
    return Surrogate.realOfAcc(t, scale, null, null);
  }

  private static double[] accumulatorScale(Example example) {
    List<HostTensor> in = example.inputs();
    if (example.op() instanceof BatchNormAbsorb) {
      return product(in.get(5), in.get(6), in.get(0));
    } else if (example.op() instanceof ConvBnCorrect) {
      return product(in.get(6), in.get(7), in.get(0));
    } else if (example.op() instanceof SoftmaxCrossEntropy) {
      return new double[0];
    } else if (example.op() instanceof RequantizeFixed) {
      int[] m = in.get(1).ints();
      double[] scale = new double[m.length];
      Arrays.setAll(scale, c -> Math.scalb((double) m[c], in.get(2).ints()[c] - 31));
      return scale;
    }
    return Tensors.logical(in.get(1));
  }

  private static double[] product(HostTensor a, HostTensor b, HostTensor acc) {
    double[] scale = new double[acc.shape().dim(1)];
    float[] w = b.floats();
    for (int c = 0; c < scale.length; c++) {
      scale[c] = (double) a.floats()[0] * w[w.length == 1 ? 0 : c];
    }
    return scale;
  }
}
