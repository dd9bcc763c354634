package org.quantrain.graph;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.quantrain.op.Add;
import org.quantrain.op.BatchNormStats;
import org.quantrain.op.Relu;
import org.quantrain.tensor.TensorSpec;

class GraphVerifierTest {
  private static final TensorSpec SPEC = TensorSpec.f32(2, 3);

  private static Value value(String name, Value.Role role) {
    return new Value(name, SPEC, role);
  }

  private static String faults(List<Value> inputs, List<Node> nodes, List<Value> outputs) {
    return assertThrows(GraphException.class, () -> new Graph(inputs, nodes, outputs)).getMessage();
  }

  @Test
  void allFaultsAreReportedAtOnce() {
    Value x = value("x", Value.Role.INPUT);
    Value stranger = value("stranger", Value.Role.COMPUTED);
    Value y = value("y", Value.Role.COMPUTED);
    Value late = value("late", Value.Role.COMPUTED);
    Value otherX = value("x", Value.Role.COMPUTED);
    Value wrong = new Value("wrong", TensorSpec.f32(3, 2), Value.Role.COMPUTED);
    Value param = new Value("param", TensorSpec.f32(3), Value.Role.PARAM);
    Value state = new Value("state", TensorSpec.f32(3), Value.Role.STATE);
    Value mean = new Value("mean", TensorSpec.f32(3), Value.Role.COMPUTED);
    Value var = new Value("var", TensorSpec.f32(3), Value.Role.COMPUTED);
    List<Node> nodes =
        List.of(
            new Node("early", new Add(), List.of(x, late), List.of(y)),
            new Node("late", new Relu(), List.of(x), List.of(late)),
            new Node("late", new Relu(), List.of(x), List.of(late)),
            new Node("clash", new Relu(), List.of(x), List.of(otherX)),
            new Node("shape", new Relu(), List.of(x), List.of(wrong)),
            new Node(
                "misfit", new Add(), List.of(x, wrong), List.of(value("z", Value.Role.COMPUTED))),
            new Node(
                "update",
                new BatchNormStats(1e-5f, 0.1f),
                List.of(x, param, state),
                List.of(mean, var)));
    String text = faults(List.of(x), nodes, List.of(y, stranger));
    for (String fault :
        List.of(
            "[Add:early] reads late before it is computed",
            "[Relu:late] node name is used twice",
            "[Relu:late] computes late a second time",
            "two values are named x",
            "[Relu:shape] expected outputs [F32[2x3]], got [F32[3x2]]",
            "[Add:misfit] b: expected F32[2x3], got F32[3x2]",
            "[BatchNormStats:update] updates param, which is not STATE",
            "output stranger is not computed")) {
      assertTrue(text.contains(fault), "missing: " + fault + "\nin:\n" + text);
    }
    assertEquals(8, text.lines().count(), text);
  }

  @Test
  void aParameterMayBeReadManyTimesAndBeAnOutput() {
    Value p = value("p", Value.Role.PARAM);
    Value y = value("y", Value.Role.COMPUTED);
    Graph graph =
        new Graph(
            List.of(), List.of(new Node("y", new Add(), List.of(p, p), List.of(y))), List.of(y, p));
    assertEquals(List.of(p), graph.params());
    assertEquals(1, graph.consumers(p).size());
  }

  @Test
  void twoParametersOfOneNameAreAFault() {
    Value y = value("y", Value.Role.COMPUTED);
    Node node =
        new Node(
            "y",
            new Add(),
            List.of(value("p", Value.Role.PARAM), value("p", Value.Role.PARAM)),
            List.of(y));
    assertTrue(faults(List.of(), List.of(node), List.of(y)).contains("two values are named p"));
  }
}
