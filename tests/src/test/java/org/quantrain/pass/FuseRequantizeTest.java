package org.quantrain.pass;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.quantrain.graph.Graph;
import org.quantrain.graph.GraphBuilder;
import org.quantrain.graph.Node;
import org.quantrain.graph.Value;
import org.quantrain.op.AccStats;
import org.quantrain.op.ConvCodes;
import org.quantrain.op.ConvGeometry;
import org.quantrain.op.ConvRequantize;
import org.quantrain.op.Lowering;
import org.quantrain.op.Requantize;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.QuantSpec;
import org.quantrain.tensor.Shape;
import org.quantrain.tensor.TensorSpec;

/** A convolution of codes and its requantization become one node where nothing lies between. */
class FuseRequantizeTest {
  private final GraphBuilder builder = new GraphBuilder();
  private final Value scale = builder.state("scale", TensorSpec.f32(1));
  private final Value zero = builder.state("zero", TensorSpec.s32(1));
  private final Value multiplier = builder.state("multiplier", TensorSpec.f32(4));
  private final Value perChannel = builder.state("per channel", TensorSpec.s32(4));
  private final Node conv = conv();

  private Node conv() {
    Value x = builder.input("x", new TensorSpec(DType.U8, Shape.of(2, 3, 5, 5)));
    Value w = builder.state("w", new TensorSpec(DType.S8, Shape.of(4, 3, 3, 3)));
    ConvCodes op = new ConvCodes(ConvGeometry.of(1, 1), Lowering.INTEGER);
    return builder.node("conv", op, x, scale, zero, w, scale);
  }

  /** With this many inputs that are optional. */
  private Node codes(int optional) {
    QuantSpec grid = new QuantSpec(8, false, false, false, false);
    List<Value> in = new ArrayList<>(List.of(conv.output(), multiplier, zero));
    for (int i = 0; i < optional; i++) {
      in.add(perChannel);
    }
    return builder.node("codes", new Requantize(grid, true), in);
  }

  private static List<String> kinds(Graph graph) {
    return graph.nodes().stream().map(n -> n.op().kind()).toList();
  }

  @Test
  void twoNodesBecomeOneThatGivesTheSameValue() {
    Node codes = codes(1);
    Graph graph = FuseRequantize.apply(builder.build(codes.output(0)), node -> true);
    assertEquals(List.of("ConvRequantize"), kinds(graph));
    Node one = graph.nodes().get(0);
    assertEquals(List.of(codes.output(0)), one.outputs());
    ConvRequantize op = (ConvRequantize) one.op();
    assertEquals(conv.op(), op.conv());
    assertEquals(codes.op(), op.requantize());
    assertEquals(codes.inputs().subList(1, 4), one.inputs().subList(5, 8));
  }

  @Test
  void nodesStayWhereTheMaskIsRead() {
    Node codes = codes(0);
    List<String> both = List.of("ConvCodes", "Requantize");
    Graph graph = builder.build(List.of(codes.output(0), codes.output(1)));
    assertEquals(both, kinds(FuseRequantize.apply(graph, node -> true)));
  }

  @Test
  void nodesStayWhereTheAccumulatorIsRead() {
    Node codes = codes(1);
    Value sum = builder.node("stats", new AccStats(), conv.output()).output(0);
    Graph graph = builder.build(List.of(codes.output(0), sum));
    assertEquals(
        List.of("ConvCodes", "Requantize", "AccStats"),
        kinds(FuseRequantize.apply(graph, node -> true)));
    Graph asked = builder.build(List.of(codes.output(0), conv.output()));
    assertEquals(3, FuseRequantize.apply(asked, node -> true).nodes().size());
  }

  @Test
  void nodesStayWhereChannelsAreLeftOut() {
    Node codes = codes(2);
    Graph graph = builder.build(codes.output(0));
    assertEquals(2, FuseRequantize.apply(graph, node -> true).nodes().size());
  }

  @Test
  void nodesStayWhereTheBackendIsNoBetterOff() {
    Node codes = codes(1);
    Graph graph = builder.build(codes.output(0));
    assertEquals(2, FuseRequantize.apply(graph, node -> false).nodes().size());
  }
}
