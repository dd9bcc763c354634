package org.quantrain;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.quantrain.data.DataSource;
import org.quantrain.graph.Graph;
import org.quantrain.graph.Model;
import org.quantrain.graph.Node;
import org.quantrain.graph.Value;
import org.quantrain.integer.BitExactVerifier;
import org.quantrain.integer.ImageBatch;
import org.quantrain.integer.IntegerModel;
import org.quantrain.integer.SampledInterpreter;
import org.quantrain.integer.VerificationReport;
import org.quantrain.onnx.QdqMetadata;
import org.quantrain.op.FoldWeight;
import org.quantrain.op.LearnedQParams;
import org.quantrain.op.Lowering;
import org.quantrain.op.Quantize;
import org.quantrain.op.RangeToQParams;
import org.quantrain.pass.Phase;
import org.quantrain.pass.Pipelines;
import org.quantrain.plan.Plan;
import org.quantrain.plan.PlanCompiler;
import org.quantrain.plan.PlanOptions;
import org.quantrain.quant.Calibrator;
import org.quantrain.quant.IntegerFormat;
import org.quantrain.quant.LearnedValues;
import org.quantrain.quant.QuantPolicy;
import org.quantrain.quant.Quantizer;
import org.quantrain.runtime.Backend;
import org.quantrain.runtime.ParameterStore;
import org.quantrain.tensor.HostTensor;
import org.quantrain.train.Calibration;
import org.quantrain.train.Evaluation;
import org.quantrain.train.Evaluator;
import org.quantrain.train.Listener;
import org.quantrain.train.Recipe;
import org.quantrain.train.Stage;
import org.quantrain.train.Trainer;

/** A network whose weights and activations are integer codes. */
public final class QuantizedNetwork {
  private static final int EVALUATION_BATCH = 128;

  private final Backend backend;
  private final int inputThreads;
  private final QuantPolicy policy;
  private Model model;

  QuantizedNetwork(Backend backend, int inputThreads, Model model, QuantPolicy policy) {
    this.backend = backend;
    this.inputThreads = inputThreads;
    this.model = model;
    this.policy = policy;
  }

  /** Graph with quantizers, and current contents. */
  public Model model() {
    return model;
  }

  public QuantPolicy policy() {
    return policy;
  }

  public List<LayerInfo> layers() {
    return LayerInfo.of(model);
  }

  /** Takes contents over, for example of a checkpoint. */
  public void restore(Map<String, HostTensor> contents) {
    model = model.withContents(contents);
  }

  /**
   * Finds out before any training whether the network can be exported.
   *
   * @throws IOException naming every node without an integer form
   */
  public void requireExportable() throws IOException {
    IntegerExport.check(
        policy.target().format(), Pipelines.forward(model.graph(), Phase.EVAL, Lowering.INTEGER));
  }

  /** Calibrates, trains through the quantizers, keeps the best epoch. */
  public void train(DataSource images, Recipe recipe) throws IOException {
    train(images, recipe, Listener.silent(), null);
  }

  /**
   * @param checkpoints folder to save every epoch to and to go on from, or null
   */
  public void train(DataSource images, Recipe recipe, Listener listener, Path checkpoints)
      throws IOException {
    try (Trainer trainer =
        new Trainer(backend, Stage.QAT, model, images, recipe, listener, inputThreads)) {
      model = model.withContents(trainer.run(checkpoints));
    }
  }

  /**
   * Finds the ranges of the activations from images, without training: post-training quantization.
   * All images count alike, whatever was observed before.
   *
   * @throws IllegalArgumentException if the policy's quantizer learns its scales
   */
  public void calibrate(DataSource images, Calibrator calibrator) {
    requireObserved();
    model = model.withContents(Calibration.run(backend, model, images, calibrator));
  }

  /**
   * Likewise of a network with any inputs, such as tokens.
   *
   * @param batches each has a tensor for each of the network's inputs: F32 [B,C,H,W] for images in
   *     memory order, S32 [B,...] for tokens
   * @throws IllegalArgumentException also if a batch does not fit the inputs
   */
  public void calibrate(Iterable<List<HostTensor>> batches, Calibrator calibrator) {
    requireObserved();
    model = model.withContents(Calibration.run(backend, model, batches, calibrator));
  }

  private void requireObserved() {
    if (!LearnedValues.quantizers(model.graph()).isEmpty()) {
      throw new IllegalArgumentException(
          "quantizer %s learns its scales in training; calibrate with %s"
              .formatted(policy.quantizer().id(), Quantizer.EMA.id()));
    }
  }

  /** How far each layer's codes are from the float network's values on these images. */
  public List<LayerError> layerErrors(DataSource images) {
    return LayerErrors.of(backend, model, images);
  }

  /** Accuracy of the deployed arithmetic. */
  public Evaluation evaluate(DataSource images) {
    Graph graph = Pipelines.evaluation(model.graph(), Phase.EVAL, Lowering.INTEGER);
    try (ParameterStore store = new ParameterStore(backend, graph.persistent(), model.contents());
        Evaluator evaluator = new Evaluator(graph, EVALUATION_BATCH, store, inputThreads)) {
      return evaluator.evaluate(images);
    }
  }

  /** Writes the integer model for the policy's target. */
  public void export(Path file) throws IOException {
    export(file, Map.of());
  }

  /**
   * Writes the integer model in the format of the policy's target.
   *
   * @param metadata recorded in the file beside what Quantrain records itself
   */
  public void export(Path file, Map<String, String> metadata) throws IOException {
    export(file, policy.target().format(), metadata);
  }

  /**
   * Writes the integer model: the codes, scales and biases of the evaluation plan, nothing
   * recomputed.
   *
   * @param metadata recorded in the file beside what Quantrain records itself
   * @throws IOException also if the target's integers have no form in the format
   */
  public void export(Path file, IntegerFormat format, Map<String, String> metadata)
      throws IOException {
    Map<String, String> all = new LinkedHashMap<>(metadata);
    all.put(QdqMetadata.TARGET, policy.target().id());
    all.put(QdqMetadata.CONTRACT, policy.target().contract().id());
    all.put(QdqMetadata.LAYOUT, format.layout());
    Graph graph = Pipelines.forward(model.graph(), Phase.EVAL, Lowering.INTEGER);
    Set<Value> wanted = new LinkedHashSet<>();
    for (Node node : graph.nodes()) {
      boolean table = node.op() instanceof Quantize && node.input(0).isPersistent();
      if (node.op() instanceof FoldWeight
          || node.op() instanceof LearnedQParams
          || node.op() instanceof RangeToQParams
          || table) {
        wanted.addAll(node.outputs());
      }
    }
    try (ParameterStore store = new ParameterStore(backend, graph.persistent(), model.contents());
        Plan plan =
            PlanCompiler.compile(graph, 1, backend, store, PlanOptions.defaults().keep(wanted))) {
      plan.run();
      IntegerExport.write(format, graph, plan::read, all, file);
    }
  }

  /**
   * Proves the exported file: V2 against the runtime that its format is for, V3 against this
   * network's evaluation plan, every code tensor of every image; both against the interpreter as
   * {@link SampledInterpreter} runs it.
   */
  public VerificationReport verify(Path exported, DataSource images) throws IOException {
    return verify(exported, () -> ImageBatches.of(images));
  }

  /**
   * Likewise of a network with any inputs, such as tokens.
   *
   * @param batches with as many rows each; {@link ImageBatch#count} of them are compared
   * @throws IllegalArgumentException if a batch does not fit the inputs, or there is none
   */
  public VerificationReport verify(Path exported, Iterable<ImageBatch> batches)
      throws IOException {
    Iterator<ImageBatch> first = batches.iterator();
    if (!first.hasNext()) {
      throw new IllegalArgumentException("nothing to verify on: there is no batch");
    }
    int rows = model.graph().rows(first.next().inputs());
    IntegerModel integer = IntegerModel.read(exported);
    try (SampledInterpreter interpreter = SampledInterpreter.of(backend, integer, rows);
        EvaluationCodes training = new EvaluationCodes(backend, model, rows)) {
      return BitExactVerifier.of(exported).verify(interpreter, training, batches.iterator());
    }
  }
}
