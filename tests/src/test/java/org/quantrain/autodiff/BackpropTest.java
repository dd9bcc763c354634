package org.quantrain.autodiff;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.quantrain.graph.Graph;
import org.quantrain.graph.GraphBuilder;
import org.quantrain.graph.GraphException;
import org.quantrain.graph.Node;
import org.quantrain.graph.Value;
import org.quantrain.op.Add;
import org.quantrain.op.FakeQuant;
import org.quantrain.op.Linear;
import org.quantrain.op.LinearBackwardData;
import org.quantrain.op.Relu;
import org.quantrain.pass.AddLoss;
import org.quantrain.pass.EliminateDead;
import org.quantrain.quant.Target;
import org.quantrain.tensor.Shape;
import org.quantrain.tensor.TensorSpec;

class BackpropTest {
  private final GraphBuilder builder = new GraphBuilder();
  private final Value x = builder.input("x", TensorSpec.f32(Shape.BATCH, 3));
  private final Value w = builder.param("w", TensorSpec.f32(3, 3));

  private TrainingGraph training(Value logits) {
    return EliminateDead.apply(Backprop.of(AddLoss.apply(builder.build(logits), 0)));
  }

  private static Node producer(TrainingGraph training, Value value) {
    return training.graph().producer(value).orElseThrow();
  }

  @Test
  void gradientsOfAValueThatIsReadTwiceAreAdded() {
    Value y = builder.add("y", new Linear(), x, w);
    Value sum = builder.add("sum", new Add(), builder.add("a", new Relu(), y), y);
    TrainingGraph training = training(sum);
    Node dw = producer(training, training.gradients().get(w));
    // dw comes from dy, which is the gradient through the ReLU plus the one past it.
    Node dy = producer(training, dw.input(1));
    assertTrue(dy.op() instanceof Add, dy.toString());
    assertEquals(
        Set.of("SoftmaxCrossEntropy", "ReluBackward"),
        dy.inputs().stream()
            .map(v -> producer(training, v).op().kind())
            .collect(Collectors.toSet()));
  }

  @Test
  void gradientsOfAParameterThatTwoLayersShareAreAdded() {
    Value y = builder.add("y", new Linear(), builder.add("h", new Linear(), x, w), w);
    TrainingGraph training = training(y);
    Node dw = producer(training, training.gradients().get(w));
    assertTrue(dw.op() instanceof Add, dw.toString());
    assertEquals(
        Set.of("LinearBackwardWeights"),
        dw.inputs().stream()
            .map(v -> producer(training, v).op().kind())
            .collect(Collectors.toSet()));
  }

  @Test
  void aValueAddedToItselfGetsTwiceTheGradient() {
    Value y = builder.add("y", new Linear(), x, w);
    TrainingGraph training = training(builder.add("twice", new Add(), y, y));
    Node dy = producer(training, producer(training, training.gradients().get(w)).input(1));
    assertTrue(dy.op() instanceof Add, dy.toString());
    assertSame(dy.input(0), dy.input(1));
  }

  @Test
  void noGradientIsFormedForImages() {
    TrainingGraph training = training(builder.add("y", new Linear(), x, w));
    List<Node> data =
        training.graph().nodes().stream()
            .filter(n -> n.op() instanceof LinearBackwardData)
            .toList();
    assertEquals(List.of(), data);
  }

  @Test
  void aParameterThatTheLossDoesNotReachHasNoGradient() {
    Value y = builder.add("y", new Linear(), x, w);
    Value unused = builder.param("unused", TensorSpec.f32(3, 3));
    builder.add("z", new Linear(), x, unused);
    assertEquals(Set.of(w), training(y).gradients().keySet());
  }

  @Test
  void theForwardGraphStaysAsItWas() {
    Graph forward = AddLoss.apply(builder.build(builder.add("y", new Linear(), x, w)), 0);
    TrainingGraph training = Backprop.of(forward);
    assertEquals(forward.nodes(), training.graph().nodes().subList(0, forward.nodes().size()));
    assertEquals(forward.outputs(), training.graph().outputs());
  }

  @Test
  void aGraphWithoutALossIsRefused() {
    Graph graph = builder.build(builder.add("y", new Linear(), x, w));
    assertThrows(GraphException.class, () -> Backprop.of(graph));
  }

  @Test
  void anOperationWithoutAGradientOnTheWayIsNamed() {
    Value y = builder.add("y", new Linear(), x, w);
    Value q = builder.add("q", new FakeQuant("y", Target.ORT.activation(8)), y);
    GraphException e = assertThrows(GraphException.class, () -> training(q));
    assertTrue(e.getMessage().contains("[FakeQuant:q]"), e.getMessage());
  }
}
