package org.quantrain.integer;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.quantrain.integer.ChildProtocol.OptimizedNode;

class ExecutedOperatorsTest {
  @TempDir Path folder;

  @Test
  void aLayerThatStayedFloatIsNamed() throws IOException {
    IntegerModel model = IntegerModel.read(RandomIntegers.residual(1, false).write(folder));
    List<OptimizedNode> nodes = new ArrayList<>();
    for (int i = 0; i < 4; i++) {
      nodes.add(new OptimizedNode("", "QLinearConv", "conv" + i));
    }
    nodes.add(new OptimizedNode("com.microsoft", "FusedConv", "skip.acc"));
    nodes.add(new OptimizedNode("com.microsoft", "QLinearAdd", "a"));
    nodes.add(new OptimizedNode("com.microsoft", "QLinearAdd", "b"));
    nodes.add(new OptimizedNode("com.microsoft", "QLinearGlobalAveragePool", "p"));
    nodes.add(new OptimizedNode("com.microsoft", "QGemm", "fc"));
    List<String> problems = new ArrayList<>();
    ExecutedOperators.check(model.layers(), nodes, "", problems);
    assertEquals(
        List.of("FusedConv \"skip.acc\" is computed in float", "expected 5 QLinearConv, found 4"),
        problems);
  }
}
