package org.quantrain.graph;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotSame;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.quantrain.op.Add;
import org.quantrain.op.Linear;
import org.quantrain.op.MaxPool;
import org.quantrain.op.PoolWindow;
import org.quantrain.op.Relu;
import org.quantrain.tensor.HostTensor;
import org.quantrain.tensor.Shape;
import org.quantrain.tensor.TensorSpec;

class GraphBuilderTest {
  private final GraphBuilder builder = new GraphBuilder();

  @Test
  void namesAreMadeUnique() {
    Value x = builder.input("x", TensorSpec.f32(2, 3));
    Value a = builder.add("x", new Relu(), x);
    Value b = builder.add("x", new Relu(), a);
    assertEquals(List.of("x", "x_2", "x_3"), List.of(x.name(), a.name(), b.name()));
  }

  @Test
  void furtherOutputsAreNumbered() {
    Value x = builder.input("x", TensorSpec.f32(1, 2, 4, 4));
    Node pool = builder.node("pool", new MaxPool(PoolWindow.of(2, 2)), x);
    assertEquals(List.of("pool", "pool:1"), pool.outputs().stream().map(Value::name).toList());
  }

  @Test
  void aParameterIsMadeOnceAndItsSpecCannotChange() {
    Value w = builder.param("w", TensorSpec.f32(3));
    assertSame(w, builder.param("w", TensorSpec.f32(3)));
    assertThrows(GraphException.class, () -> builder.param("w", TensorSpec.f32(4)));
    assertThrows(GraphException.class, () -> builder.state("w", TensorSpec.f32(3)));
  }

  @Test
  void shapesThatDoNotFitNameTheNode() {
    Value x = builder.input("x", TensorSpec.f32(2, 3));
    Value w = builder.param("w", TensorSpec.f32(5, 4));
    ShapeException e =
        assertThrows(ShapeException.class, () -> builder.node("fc", new Linear(), x, w));
    assertTrue(e.getMessage().startsWith("[Linear:fc] "), e.getMessage());
    assertTrue(e.getMessage().contains("[5x4]"), e.getMessage());
  }

  @Test
  void aContinuedGraphKeepsItsValuesAndNames() {
    Value x = builder.input("x", TensorSpec.f32(2, 3));
    Value y = builder.add("y", new Add(), x, builder.param("p", TensorSpec.f32(2, 3)));
    Graph graph = builder.build(y);
    GraphBuilder more = new GraphBuilder(graph);
    Value z = more.add("y", new Relu(), y);
    assertEquals("y_2", z.name());
    assertSame(graph.params().get(0), more.param("p", TensorSpec.f32(2, 3)));
    Graph longer = more.build(z);
    assertSame(graph.nodes().get(0), longer.nodes().get(0));
    assertNotSame(graph, longer);
  }

  @Test
  void aGraphPrintsAsOneLineForEachValueAndNode() {
    Value x = builder.input("x", TensorSpec.f32(Shape.BATCH, 3));
    Value y = builder.add("y", new Add(), x, x);
    Graph graph =
        builder.build(builder.add("fc", new Linear(), y, builder.param("w", TensorSpec.f32(2, 3))));
    assertEquals(
        """
        input x F32[Nx3]
        param w F32[2x3]
        y: y F32[Nx3] = Add[](x, x)
        fc: fc F32[Nx2] = Linear[](y, w)
        output fc F32[Nx2]
        """,
        graph.toString());
  }

  @Test
  void aModelNeedsContentsForEveryParameter() {
    Value x = builder.input("x", TensorSpec.f32(2, 3));
    Graph graph =
        builder.build(builder.add("y", new Add(), x, builder.param("p", TensorSpec.f32(2, 3))));
    assertThrows(GraphException.class, () -> new Model("m", graph, Map.of()));
    GraphException e =
        assertThrows(
            GraphException.class,
            () -> new Model("m", graph, Map.of("p", HostTensor.of(Shape.of(1), 1f))));
    assertTrue(e.getMessage().contains("p F32[2x3]"), e.getMessage());
  }
}
