package org.quantrain;

import java.nio.ByteBuffer;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.quantrain.graph.Graph;
import org.quantrain.graph.Model;
import org.quantrain.graph.Node;
import org.quantrain.graph.Value;
import org.quantrain.integer.CodesBatch;
import org.quantrain.integer.CodesSource;
import org.quantrain.onnx.QdqWriter;
import org.quantrain.op.ConvCodes;
import org.quantrain.op.FoldWeight;
import org.quantrain.op.LinearCodes;
import org.quantrain.op.Lowering;
import org.quantrain.pass.Phase;
import org.quantrain.pass.Pipelines;
import org.quantrain.plan.Plan;
import org.quantrain.plan.PlanCompiler;
import org.quantrain.plan.PlanOptions;
import org.quantrain.runtime.Backend;
import org.quantrain.runtime.ParameterStore;
import org.quantrain.tensor.HostTensor;

/** Every activation code of the evaluation plan: what training says the deployed model computes. */
final class EvaluationCodes implements CodesSource {
  private final ParameterStore store;
  private final Plan plan;
  private final Set<Value> codes = new LinkedHashSet<>();
  private final Map<String, HostTensor> weights = new LinkedHashMap<>();

  EvaluationCodes(Backend backend, Model model, int batch) {
    Graph graph = Pipelines.forward(model.graph(), Phase.EVAL, Lowering.INTEGER);
    for (Node node : graph.nodes()) {
      Value first = node.outputs().get(0);
      if (first.spec().dtype().isCodes() && !(node.op() instanceof FoldWeight)) {
        codes.add(first);
      }
    }
    store = new ParameterStore(backend, graph.persistent(), model.contents());
    Map<String, Value> weightCodes = new LinkedHashMap<>();
    for (Node node : graph.nodes()) {
      if (node.op() instanceof ConvCodes || node.op() instanceof LinearCodes) {
        weightCodes.put(QdqWriter.layerName(node), node.input(3));
      }
    }
    Set<Value> kept = new LinkedHashSet<>(codes);
    kept.addAll(weightCodes.values());
    PlanOptions options = PlanOptions.defaults().keep(kept).asFrozen();
    plan = PlanCompiler.compile(graph, batch, backend, store, options);
    plan.run();
    weightCodes.forEach((layer, value) -> weights.put(layer, plan.read(value)));
  }

  @Override
  public String description() {
    return "EVAL plan";
  }

  @Override
  public CodesBatch run(HostTensor images) {
    return run(List.of(images));
  }

  @Override
  public CodesBatch run(List<HostTensor> inputs) {
    for (int i = 0; i < inputs.size(); i++) {
      ByteBuffer values = inputs.get(i).buffer();
      plan.input(plan.graph().inputs().get(i)).put(0, values, 0, values.limit());
    }
    plan.run();
    Map<String, HostTensor> found = new LinkedHashMap<>();
    codes.forEach(v -> found.put(v.name(), plan.read(v)));
    return new CodesBatch(found, plan.read(plan.graph().outputs().get(0)));
  }

  @Override
  public Map<String, HostTensor> weights() {
    return weights;
  }

  @Override
  public void close() {
    plan.close();
    store.close();
  }
}
