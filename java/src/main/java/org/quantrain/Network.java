package org.quantrain;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.quantrain.data.DataSource;
import org.quantrain.graph.Graph;
import org.quantrain.graph.Model;
import org.quantrain.onnx.OnnxWriter;
import org.quantrain.op.Lowering;
import org.quantrain.pass.Phase;
import org.quantrain.pass.Pipelines;
import org.quantrain.pass.ReplaceHead;
import org.quantrain.quant.QuantPolicy;
import org.quantrain.runtime.Backend;
import org.quantrain.runtime.ParameterStore;
import org.quantrain.train.Evaluation;
import org.quantrain.train.Evaluator;
import org.quantrain.train.Listener;
import org.quantrain.train.Recipe;
import org.quantrain.train.Stage;
import org.quantrain.train.Trainer;

/** A float network. */
public final class Network {
  private static final int EVALUATION_BATCH = 128;

  private final Backend backend;
  private final int inputThreads;
  private Model model;

  Network(Backend backend, int inputThreads, Model model) {
    this.backend = backend;
    this.inputThreads = inputThreads;
    this.model = model;
  }

  /** Graph and current contents. */
  public Model model() {
    return model;
  }

  public List<LayerInfo> layers() {
    return LayerInfo.of(model);
  }

  /** Trains in float and keeps the best epoch. */
  public void train(DataSource images, Recipe recipe) throws IOException {
    train(images, recipe, Listener.silent(), null);
  }

  /**
   * @param checkpoints folder to save every epoch to and to go on from, or null
   */
  public void train(DataSource images, Recipe recipe, Listener listener, Path checkpoints)
      throws IOException {
    try (Trainer trainer =
        new Trainer(backend, Stage.FLOAT, model, images, recipe, listener, inputThreads)) {
      model = model.withContents(trainer.run(checkpoints));
    }
  }

  public Evaluation evaluate(DataSource images) {
    Graph graph = Pipelines.evaluation(model.graph(), Phase.FLOAT_EVAL, Lowering.INTEGER);
    try (ParameterStore store = new ParameterStore(backend, graph.persistent(), model.contents());
        Evaluator evaluator = new Evaluator(graph, EVALUATION_BATCH, store, inputThreads)) {
      return evaluator.evaluate(images);
    }
  }

  /** Writes the float network as ONNX. */
  public void export(Path file, Map<String, String> metadata) throws IOException {
    OnnxWriter.writeFloat(model, metadata, file);
  }

  /**
   * Replaces the last linear layer by a new one for so many classes; all other weights stay.
   *
   * @param seed of its weights
   * @throws org.quantrain.graph.GraphException if the logits come from another kind of layer
   */
  public void replaceHead(int classes, long seed) {
    model = ReplaceHead.apply(model, classes, seed);
  }

  /** A copy with quantizers; not calibrated yet. */
  public QuantizedNetwork quantize(QuantPolicy policy) {
    return new QuantizedNetwork(
        backend, inputThreads, Pipelines.quantize(model, policy), policy);
  }
}
