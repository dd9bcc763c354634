package org.quantrain.report;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.quantrain.graph.Model;
import org.quantrain.tensor.Shape;
import org.quantrain.testkit.Networks;
import org.quantrain.zoo.Zoo;

class LayerTableTest {
  @Test
  void aFloatNetworkShowsItsProductsAndPools() {
    Model lenet = Zoo.build("lenet", 1, 8, 8, 10, 1);
    List<LayerRow> rows = LayerTable.of(lenet.graph(), lenet.contents());
    assertEquals(
        List.of("conv1", "pool1", "conv2", "pool2", "fc1", "fc2"),
        rows.stream().map(LayerRow::name).toList());
    LayerRow conv1 = rows.get(0);
    assertEquals("conv 5x5", conv1.kind());
    assertEquals(Shape.of(16, 8, 8), conv1.output());
    assertEquals(16 * 25 + 16, conv1.parameters());
    assertEquals(16 * 8 * 8 * 25, conv1.macs());
    assertEquals(32, conv1.weights().bits());
    assertNull(conv1.input());
    assertEquals(128 * 10 + 10, rows.get(5).parameters());
    assertEquals(1280, rows.get(5).macs());
  }

  @Test
  void stridesAddsAndBatchNormsAreShown() {
    Model resnet = Zoo.build("resnet8", 3, 32, 32, 10, 1);
    List<LayerRow> rows = LayerTable.of(resnet.graph(), resnet.contents());
    LayerRow strided = row(rows, "block2.conv1");
    assertEquals("conv 3x3 / 2", strided.kind());
    assertEquals(Shape.of(32, 16, 16), strided.output());
    assertEquals(32L * 16 * 16 * 16 * 9, strided.macs());
    assertEquals("add", row(rows, "block3.add").kind());
    assertEquals(4 * 16, row(rows, "bn1").parameters());
    assertNotNull(row(rows, "pool"));
  }

  @Test
  void concatenationsAndBatchNormsThatStandAloneAreShown() {
    Model dense = Networks.denseLike();
    List<LayerRow> rows = LayerTable.of(dense.graph(), dense.contents());
    assertEquals("concat", row(rows, "dense1.concat").kind());
    assertEquals(Shape.of(10, 8, 8), row(rows, "dense1.concat").output());
    assertEquals(4 * 13, row(rows, "bn3").parameters());
  }

  private static LayerRow row(List<LayerRow> rows, String name) {
    return rows.stream().filter(row -> row.name().equals(name)).findFirst().orElseThrow();
  }
}
