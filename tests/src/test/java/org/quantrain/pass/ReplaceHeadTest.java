package org.quantrain.pass;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.quantrain.graph.GraphBuilder;
import org.quantrain.graph.GraphException;
import org.quantrain.graph.Model;
import org.quantrain.graph.Value;
import org.quantrain.op.Flatten;
import org.quantrain.tensor.Shape;
import org.quantrain.tensor.TensorSpec;
import org.quantrain.testkit.Networks;

class ReplaceHeadTest {
  @Test
  void onlyTheLastLayerIsNew() {
    Model model = Networks.resnetLike();
    Model other = ReplaceHead.apply(model, 7, 3);
    assertEquals(Shape.of(Shape.BATCH, 7), other.graph().outputs().get(0).spec().shape());
    assertEquals(model.graph().nodes().size(), other.graph().nodes().size());
    for (Value v : other.graph().persistent()) {
      if (!Set.of("fc.weight", "fc.bias").contains(v.name())) {
        assertSame(model.contents().get(v.name()), other.contents().get(v.name()), v.name());
      }
    }
    assertEquals(Shape.of(7, 12), other.contents().get("fc.weight").shape());
    assertEquals(Shape.of(7), other.contents().get("fc.bias").shape());
  }

  @Test
  void theNewWeightsDependOnTheSeedOnlyAndAreNeitherZeroNorLarge() {
    Model model = Networks.resnetLike();
    float[] one = ReplaceHead.apply(model, 50, 1).contents().get("fc.weight").floats();
    float[] same = ReplaceHead.apply(model, 50, 1).contents().get("fc.weight").floats();
    float[] other = ReplaceHead.apply(model, 50, 2).contents().get("fc.weight").floats();
    double squares = 0;
    for (int i = 0; i < one.length; i++) {
      assertEquals(one[i], same[i]);
      squares += one[i] * one[i];
    }
    assertTrue(one[0] != other[0]);
    assertEquals(1.0 / 12, squares / one.length, 0.03); // 600 draws: 6 % of deviation, 3 times
  }

  @Test
  void logitsOfAnotherKindOfLayerAreRefused() {
    GraphBuilder builder = new GraphBuilder();
    Value x = builder.input("x", TensorSpec.f32(Shape.BATCH, 2, 1, 1));
    Model model = new Model("flat", builder.build(builder.add("flat", new Flatten(), x)), Map.of());
    GraphException e =
        assertThrows(GraphException.class, () -> ReplaceHead.apply(model, 3, 1));
    assertTrue(e.getMessage().contains("flat"), e.getMessage());
  }
}
