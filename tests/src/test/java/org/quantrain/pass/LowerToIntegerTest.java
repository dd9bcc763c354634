package org.quantrain.pass;

import static org.junit.jupiter.api.Assertions.assertEquals;
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
import org.quantrain.op.BatchNorm;
import org.quantrain.op.Conv2d;
import org.quantrain.op.ConvGeometry;
import org.quantrain.op.FakeQuant;
import org.quantrain.op.Flatten;
import org.quantrain.op.GlobalAveragePool;
import org.quantrain.op.Linear;
import org.quantrain.op.Lowering;
import org.quantrain.op.Relu;
import org.quantrain.pass.LowerToInteger.Mode;
import org.quantrain.quant.QuantPolicy;
import org.quantrain.quant.Target;
import org.quantrain.tensor.Shape;
import org.quantrain.tensor.TensorSpec;
import org.quantrain.testkit.Networks;

class LowerToIntegerTest {
  private static final QuantPolicy W4A4 =
      QuantPolicy.forTarget(Target.ORT).weights(4).activations(4);

  private final GraphBuilder builder = new GraphBuilder();

  private Value conv(String name, Value x) {
    int in = x.spec().shape().dim(1);
    Value w = builder.param(name + ".w", TensorSpec.f32(3, in, 3, 3));
    return builder.add(name, new Conv2d(ConvGeometry.of(1, 1)), x, w);
  }

  private Value norm(String name, Value x) {
    TensorSpec c = TensorSpec.f32(3);
    BatchNorm op = new BatchNorm(1e-5f, 0.1f, BatchNorm.Mode.TRAIN);
    return builder
        .node(
            name,
            op,
            x,
            builder.param(name + ".g", c),
            builder.param(name + ".b", c),
            builder.state(name + ".m", c),
            builder.state(name + ".v", c))
        .output(0);
  }

  /** Two convolutions, a residual add, a pool and a classifier. */
  private Graph residual(QuantPolicy policy) {
    Value x = builder.input("x", TensorSpec.f32(Shape.BATCH, 2, 4, 4));
    Value skip = builder.add("relu1", new Relu(), norm("bn1", conv("conv1", x)));
    Value sum = builder.add("sum", new Add(), norm("bn2", conv("conv2", skip)), skip);
    Value y = builder.add("relu2", new Relu(), sum);
    Value f = builder.add("flat", new Flatten(), builder.add("pool", new GlobalAveragePool(), y));
    Value w = builder.param("fc.w", TensorSpec.f32(5, 3));
    Value b = builder.param("fc.b", TensorSpec.f32(5));
    Value logits = builder.add("fc", new Linear(), f, w, b);
    return InsertQuantizers.apply(builder.build(logits), policy);
  }

  /** One node a line: name, operation, names of the inputs. */
  private static String text(Graph graph) {
    return graph.nodes().stream()
        .map(
            n ->
                n.name()
                    + " = "
                    + n.op().kind()
                    + n.inputs().stream()
                        .map(Value::name)
                        .collect(Collectors.joining(", ", "(", ")")))
        .collect(Collectors.joining("\n", "", "\n"));
  }

  @Test
  void aFrozenResidualNetworkIsWhatGetsDeployed() {
    assertEquals(
        """
        x.codes = Quantize(x, x.scale, x.zero_point)
        conv1.w.codes = FoldWeight(conv1.w, x.scale, bn1.g, bn1.b, bn1.m, bn1.v)
        conv1.acc = ConvCodes(x.codes, x.scale, x.zero_point, conv1.w.codes, conv1.w.codes:1)
        relu1.multiplier = Multiplier(conv1.w.codes:2, relu1.scale)
        relu1.codes = Requantize(conv1.acc, relu1.multiplier, relu1.zero_point, conv1.w.codes:3)
        relu1.b4.codes = RequantizeCodes(relu1.codes, relu1.scale, relu1.zero_point, \
        relu1.b4.scale, relu1.b4.zero_point)
        conv2.w.codes = FoldWeight(conv2.w, relu1.b4.scale, bn2.g, bn2.b, bn2.m, bn2.v)
        conv2.acc = ConvCodes(relu1.b4.codes, relu1.b4.scale, relu1.b4.zero_point, \
        conv2.w.codes, conv2.w.codes:1)
        bn2.multiplier = Multiplier(conv2.w.codes:2, bn2.scale)
        bn2.codes = Requantize(conv2.acc, bn2.multiplier, bn2.zero_point, conv2.w.codes:3)
        relu2.codes = AddCodes(bn2.codes, bn2.scale, bn2.zero_point, \
        relu1.codes, relu1.scale, relu1.zero_point, relu2.scale, relu2.zero_point)
        pool.acc = GlobalPoolSum(relu2.codes, relu2.zero_point)
        pool.multiplier = PoolMultiplier(relu2.scale, pool.scale)
        pool.codes = Requantize(pool.acc, pool.multiplier, pool.zero_point)
        flat.codes = Flatten(pool.codes)
        fc.w.codes = FoldWeight(fc.w, pool.scale, fc.b)
        fc.acc = LinearCodes(flat.codes, pool.scale, pool.zero_point, fc.w.codes, fc.w.codes:1)
        fc.real = DequantizeAcc(fc.acc, fc.w.codes:2, fc.w.codes:3)
        """,
        text(LowerToInteger.apply(residual(W4A4), Mode.EVAL, Lowering.INTEGER)));
  }

  @Test
  void inTrainingBatchNormIsAbsorbedFromTheIntegerStatisticsAndRangesMoveBeforeTheyAreUsed() {
    String text = text(LowerToInteger.apply(residual(W4A4), Mode.TRAIN, Lowering.INTEGER));
    assertTrue(
        text.startsWith(
            """
            x.range = MinMax(x)
            x.update = UpdateQParams(x.range, x.range:1, \
            x.range_min, x.range_max, x.count, x.scale, x.zero_point)
            x.codes = Quantize(x, x.scale, x.zero_point)
            conv1.w.codes = QuantizeWeight(conv1.w, bn1.g)
            conv1.acc = ConvCodes(x.codes, x.scale, x.zero_point, conv1.w.codes, conv1.w.codes:1)
            conv1.stats = AccStats(conv1.acc)
            bn1.absorb = BatchNormAbsorb(conv1.acc, conv1.stats, conv1.stats:1, \
            bn1.g, bn1.b, x.scale, conv1.w.codes:1, bn1.m, bn1.v)
            relu1.range = AccRange(conv1.stats:2, conv1.stats:3, \
            bn1.absorb:1, bn1.absorb:2, bn1.absorb:3)
            relu1.update = UpdateQParams(relu1.range, relu1.range:1, \
            relu1.range_min, relu1.range_max, relu1.count, relu1.scale, relu1.zero_point)
            relu1.multiplier = Multiplier(bn1.absorb:1, relu1.scale)
            relu1.codes = Requantize(bn1.absorb, relu1.multiplier, relu1.zero_point, \
            bn1.absorb:2, bn1.absorb:3)
            """),
        text);
    assertTrue(text.contains("relu2.range = AddCodesRange(bn2.codes,"), text);
    // The narrow quantizer on top of a wide one sees the same batch.
    assertTrue(text.contains("relu1.b4.update = UpdateQParams(relu1.range, relu1.range:1,"), text);
  }

  @Test
  void perTensorWeightsTrainThroughTheFoldWithCorrection() {
    Graph graph = residual(QuantPolicy.forTarget(Target.ORT).perTensorWeights());
    String text = text(LowerToInteger.apply(graph, Mode.TRAIN, Lowering.INTEGER));
    assertTrue(
        text.contains(
            """
            bn1.fold = ConvBnFold(conv1.w, bn1.g, bn1.v)
            conv1.x.real = Dequantize(x.codes, x.scale, x.zero_point)
            conv1 = Conv2d(conv1.x.real, conv1.w)
            bn1.stats = BatchNormStats(conv1, bn1.m, bn1.v)
            conv1.w.codes = QuantizeWeight(bn1.fold)
            conv1.acc = ConvCodes(x.codes, x.scale, x.zero_point, conv1.w.codes, conv1.w.codes:1)
            bn1.correct = ConvBnCorrect(conv1.acc, bn1.stats, bn1.stats:1, bn1.fold:1, \
            bn1.g, bn1.b, x.scale, conv1.w.codes:1)
            """),
        text);
  }

  @Test
  void allLoweringsDifferInTheProductsOnly() {
    Graph graph = InsertQuantizers.apply(Networks.resnetLike().graph(), W4A4);
    for (Mode mode : Mode.values()) {
      String integer = text(LowerToInteger.apply(graph, mode, Lowering.INTEGER));
      assertEquals(integer, text(LowerToInteger.apply(graph, mode, Lowering.SIMULATED)));
      assertEquals(integer, text(LowerToInteger.apply(graph, mode, Lowering.REFERENCE)));
    }
  }

  private static Set<String> codes(Mode mode) {
    Graph quantized = Pipelines.quantize(Networks.mobileLike(), W4A4).graph();
    return LowerToInteger.apply(quantized, mode, Lowering.INTEGER).nodes().stream()
        .flatMap(n -> n.outputs().stream())
        .filter(v -> v.spec().dtype().isCodes() && v.name().endsWith(".codes"))
        .map(Value::name)
        .collect(Collectors.toSet());
  }

  @Test
  void codesHaveTheSameNamesInEveryMode() {
    assertEquals(codes(Mode.EVAL), codes(Mode.TRAIN));
    assertTrue(codes(Mode.TRAIN).containsAll(Set.of("input.codes", "relu1.codes", "pool.codes")));
  }

  @Test
  void noFakeQuantIsLeft() {
    for (Mode mode : Mode.values()) {
      Graph graph =
          LowerToInteger.apply(
              Pipelines.quantize(Networks.mobileLike(), W4A4).graph(), mode, Lowering.INTEGER);
      List<Node> left = graph.nodes().stream().filter(n -> n.op() instanceof FakeQuant).toList();
      assertEquals(List.of(), left);
    }
  }

  @Test
  void aBiasBeforeBatchNormMustHaveBeenAbsorbed() {
    Graph graph = InsertQuantizers.apply(Networks.mobileLike().graph(), W4A4);
    for (Mode mode : Mode.values()) {
      GraphException e =
          assertThrows(
              GraphException.class, () -> LowerToInteger.apply(graph, mode, Lowering.INTEGER));
      assertTrue(e.getMessage().contains("conv1"), e.getMessage());
      assertTrue(e.getMessage().contains("AbsorbBias"), e.getMessage());
    }
  }
}
