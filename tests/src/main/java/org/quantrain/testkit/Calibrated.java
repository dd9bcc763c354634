package org.quantrain.testkit;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.quantrain.graph.Graph;
import org.quantrain.graph.Model;
import org.quantrain.graph.Node;
import org.quantrain.op.FakeQuant;
import org.quantrain.op.Lowering;
import org.quantrain.pass.Phase;
import org.quantrain.pass.Pipelines;
import org.quantrain.plan.Plan;
import org.quantrain.plan.PlanCompiler;
import org.quantrain.plan.PlanOptions;
import org.quantrain.quant.LearnedValues;
import org.quantrain.runtime.Backend;
import org.quantrain.runtime.ParameterStore;
import org.quantrain.tensor.HostTensor;

/** Quantized models whose learned values start from some images. */
public final class Calibrated {
  private Calibrated() {}

  /** Contents after one batch of calibration. */
  public static Map<String, HostTensor> contents(
      Model quantized, Backend backend, HostTensor images) {
    return contents(quantized, backend, List.of(images));
  }

  /** Likewise of a network with any inputs. */
  public static Map<String, HostTensor> contents(
      Model quantized, Backend backend, List<HostTensor> inputs) {
    Graph graph = Pipelines.forward(quantized.graph(), Phase.CALIBRATE, Lowering.INTEGER);
    Map<String, HostTensor> contents = new HashMap<>(quantized.contents());
    try (ParameterStore store =
            new ParameterStore(backend, graph.persistent(), quantized.contents());
        Plan plan =
            PlanCompiler.compile(
                graph, inputs.get(0).shape().dim(0), backend, store, PlanOptions.defaults())) {
      for (int i = 0; i < inputs.size(); i++) {
        plan.input(graph.inputs().get(i)).put(0, inputs.get(i).bytes());
      }
      plan.run();
      contents.putAll(store.snapshot());
    }
    for (Node node : LearnedValues.quantizers(quantized.graph())) {
      contents.putAll(LearnedValues.start((FakeQuant) node.op(), contents::get));
    }
    return contents;
  }
}
