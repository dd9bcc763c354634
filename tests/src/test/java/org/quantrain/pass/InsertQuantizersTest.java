package org.quantrain.pass;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.quantrain.graph.Graph;
import org.quantrain.graph.GraphBuilder;
import org.quantrain.graph.GraphException;
import org.quantrain.graph.Model;
import org.quantrain.graph.Node;
import org.quantrain.graph.Value;
import org.quantrain.op.Add;
import org.quantrain.op.ConvGeometry;
import org.quantrain.op.FakeQuant;
import org.quantrain.op.Relu;
import org.quantrain.quant.QuantPolicy;
import org.quantrain.quant.Target;
import org.quantrain.tensor.QuantSpec;
import org.quantrain.tensor.TensorSpec;
import org.quantrain.testkit.Networks;
import org.quantrain.zoo.NetworkBuilder;

class InsertQuantizersTest {
  private static final QuantPolicy W3A4 =
      QuantPolicy.forTarget(Target.ORT).weights(3).activations(4);

  private static Map<String, QuantSpec> quantizers(Graph graph) {
    Map<String, QuantSpec> found = new TreeMap<>();
    for (Node node : graph.nodes()) {
      if (node.op() instanceof FakeQuant quant) {
        found.put(quant.quantizer(), quant.spec());
      }
    }
    return found;
  }

  private static Map<String, Integer> bits(Graph graph) {
    Map<String, Integer> found = new TreeMap<>();
    quantizers(graph).forEach((name, spec) -> found.put(name, spec.bits()));
    return found;
  }

  @Test
  void firstAndLastLayerInputAndAddOperandsHaveEightBits() {
    Map<String, Integer> expected = new TreeMap<>();
    expected.put("input", 8);
    expected.put("conv1.weight", 8);
    expected.put("relu1", 8); // the skip of block1's add
    expected.put("relu1.b4", 4); // and its convolution
    expected.put("block1.conv1.weight", 3);
    expected.put("block1.relu1", 4);
    expected.put("block1.conv2.weight", 3);
    expected.put("block1.bn2", 8);
    expected.put(
        "block1.relu2", 4); // block2 has a convolution in its shortcut, so no add reads this
    expected.put("block2.conv1.weight", 3);
    expected.put("block2.relu1", 4);
    expected.put("block2.conv2.weight", 3);
    expected.put("block2.bn2", 8);
    expected.put("block2.shortcut.weight", 3);
    expected.put("block2.shortcut_bn", 8);
    expected.put("block2.relu2", 4);
    expected.put("pool", 8); // flatten moves it to the last layer
    expected.put("fc.weight", 8);
    assertEquals(expected, bits(InsertQuantizers.apply(Networks.resnetLike().graph(), W3A4)));
  }

  @Test
  void whatIsComputedForAConcatenationAloneGoesToItsGrid() {
    Map<String, Integer> expected = new TreeMap<>();
    expected.put("input", 8);
    expected.put("conv1.weight", 8);
    // Batch norm and the concatenation read it.
    expected.put("relu1", 4);
    expected.put("dense1.bn.ones", 3);
    expected.put("dense1.relu", 4);
    expected.put("dense1.conv.weight", 3);
    expected.put("dense1.concat", 4);
    expected.put("dense2.bn.ones", 3);
    expected.put("dense2.relu", 4);
    expected.put("dense2.conv.weight", 3);
    expected.put("dense2.concat", 4);
    expected.put("bn3.ones", 3);
    expected.put("relu3", 4);
    expected.put("conv3.weight", 3);
    expected.put("conv3", 4);
    expected.put("pool3", 4);
    expected.put("narrow.weight", 3);
    expected.put("wide.weight", 3);
    // The add wants 8 bits of what the two layers give.
    expected.put("fire", 8);
    expected.put("twice", 4);
    expected.put("pool", 8);
    expected.put("fc.weight", 8);
    assertEquals(expected, bits(Pipelines.quantize(Networks.denseLike(), W3A4).graph()));
  }

  /** The clamp of a grid with values below 0 is no ReLU. */
  @Test
  void aReluInAConcatenationWithValuesBelowZeroKeepsAGridFromZero() {
    NetworkBuilder net = new NetworkBuilder(1);
    Value x = net.input(3, 8, 8);
    Value a = net.relu("relu", net.convBias("conv1", x, 4, 1, ConvGeometry.of(1, 0)));
    Value b = net.convBias("conv2", x, 4, 1, ConvGeometry.of(1, 0));
    Value y = net.convBias("conv3", net.concat("concat", a, b), 4, 1, ConvGeometry.of(1, 0));
    Model model = net.build("signed", net.linear("fc", net.flatten("flatten", y), 4, 1));
    Map<String, Integer> found = bits(Pipelines.quantize(model, W3A4).graph());
    assertTrue(found.containsKey("relu"), found::toString);
    assertFalse(found.containsKey("conv2"), found::toString);
  }

  @Test
  void aNarrowQuantizerStandsOnTheWideOneOfTheSameValue() {
    Graph graph = InsertQuantizers.apply(Networks.resnetLike().graph(), W3A4);
    Value wide = graph.value("relu1.q").orElseThrow();
    Value narrow = graph.value("relu1.b4.q").orElseThrow();
    assertEquals(wide, graph.producer(narrow).orElseThrow().input(0));
    assertEquals(
        narrow, graph.producer(graph.value("block1.conv1").orElseThrow()).orElseThrow().input(0));
    assertEquals(
        wide, graph.producer(graph.value("block1.add").orElseThrow()).orElseThrow().input(1));
  }

  @Test
  void maxPoolingAndFlattenKeepTheGridOfTheirInput() {
    Graph graph = InsertQuantizers.apply(Networks.lenetLike().graph(), W3A4);
    Map<String, Integer> expected =
        new TreeMap<>(
            Map.of(
                "input", 8,
                "conv1.weight", 8,
                "relu1", 4,
                "conv2.weight", 3,
                "relu2", 4,
                "fc1.weight", 3,
                "relu3", 8,
                "fc2.weight", 8));
    assertEquals(expected, bits(graph));
    Node pool = graph.producer(graph.value("pool1").orElseThrow()).orElseThrow();
    assertEquals("relu1.q", pool.input(0).name());
    assertEquals(
        "pool1", graph.producer(graph.value("conv2").orElseThrow()).orElseThrow().input(0).name());
  }

  @Test
  void gridsAreThoseOfTheTarget() {
    quantizers(InsertQuantizers.apply(Networks.lenetLike().graph(), W3A4))
        .forEach(
            (name, spec) -> {
              boolean weight = name.endsWith(".weight");
              QuantSpec expected =
                  weight
                      ? Target.ORT.weight(spec.bits(), true)
                      : Target.ORT.activation(spec.bits());
              assertEquals(expected, spec, name);
            });
    quantizers(InsertQuantizers.apply(Networks.lenetLike().graph(), W3A4.perTensorWeights()))
        .values()
        .forEach(spec -> assertTrue(!spec.perChannel(), spec.toString()));
  }

  @Test
  void theFirstMatchingOverrideWinsAndZeroKeepsThePolicy() {
    QuantPolicy policy =
        W3A4.override("block1\\.conv1", 5, 6).override("block1\\..*", 0, 7).override("fc", 4, 0);
    Map<String, Integer> bits = bits(InsertQuantizers.apply(Networks.resnetLike().graph(), policy));
    assertEquals(5, bits.get("block1.conv1.weight"));
    assertEquals(6, bits.get("relu1.b6"));
    assertEquals(8, bits.get("relu1"));
    assertEquals(3, bits.get("block1.conv2.weight"));
    assertEquals(7, bits.get("block1.relu1"));
    assertEquals(4, bits.get("fc.weight"));
    assertEquals(8, bits.get("pool"));
  }

  @Test
  void anOverrideThatMatchesNoLayerIsRefusedWithTheLayersThereAre() {
    QuantPolicy policy = W3A4.override("conv9", 4, 4);
    GraphException e =
        assertThrows(
            GraphException.class,
            () -> InsertQuantizers.apply(Networks.lenetLike().graph(), policy));
    for (String word : new String[] {"conv9", "conv1", "conv2", "fc1", "fc2"}) {
      assertTrue(e.getMessage().contains(word), e.getMessage());
    }
  }

  @Test
  void aGraphWithoutLayersIsRefused() {
    GraphBuilder builder = new GraphBuilder();
    Value x = builder.input("x", TensorSpec.f32(2, 3));
    Graph graph = builder.build(builder.add("y", new Relu(), builder.add("z", new Add(), x, x)));
    assertThrows(GraphException.class, () -> InsertQuantizers.apply(graph, W3A4));
  }

  @Test
  void outputsStayFloat() {
    Graph graph = InsertQuantizers.apply(Networks.resnetLike().graph(), W3A4);
    assertEquals("fc", graph.outputs().get(0).name());
    assertTrue(!(graph.producer(graph.outputs().get(0)).orElseThrow().op() instanceof FakeQuant));
  }
}
