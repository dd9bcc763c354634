package org.quantrain.train;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.IntBuffer;
import java.util.stream.IntStream;
import org.quantrain.data.Batches;
import org.quantrain.data.DataSource;
import org.quantrain.data.Prefetch;
import org.quantrain.graph.Graph;
import org.quantrain.graph.Value;
import org.quantrain.pass.AddLoss;
import org.quantrain.plan.Plan;
import org.quantrain.plan.PlanCompiler;
import org.quantrain.plan.PlanOptions;
import org.quantrain.runtime.Collective;
import org.quantrain.runtime.ParameterStore;

/**
 * Measures accuracy with an evaluation plan; the last, short batch is padded and its padding not
 * counted.
 */
public final class Evaluator implements AutoCloseable {
  private static final int TOP = 5;

  private final Plan plan;
  private final Value logits;
  private final ByteBuffer logitBytes;
  private final FloatBuffer logitRows;
  private final int classes;
  private final int inputThreads;

  /**
   * @param graph with outputs (logits, loss, correct), see {@link
   *     org.quantrain.pass.Pipelines#evaluation}
   * @param inputThreads that read images ahead of their evaluation
   */
  public Evaluator(Graph graph, int batch, ParameterStore store, int inputThreads) {
    this.inputThreads = inputThreads;
    plan = PlanCompiler.compile(graph, batch, store.backend(), store, PlanOptions.defaults());
    logits = graph.outputs().get(0);
    classes = logits.spec().shape().dim(1);
    logitBytes =
        ByteBuffer.allocateDirect(batch * classes * Float.BYTES).order(ByteOrder.nativeOrder());
    logitRows = logitBytes.asFloatBuffer();
  }

  public Evaluation evaluate(DataSource source) {
    Batches batches = Batches.inOrder(source, plan.batch());
    int correct1 = 0;
    int correct5 = 0;
    double loss = 0;
    int count = batches.batchesPerEpoch();
    try (Prefetch ahead = new Prefetch(batches, Batches.Position.START, count, inputThreads)) {
      for (int b = 0; b < count; b++) {
        FloatBuffer images = plan.input(plan.graph().inputs().get(0)).asFloatBuffer();
        IntBuffer labels = plan.input(AddLoss.LABELS).asIntBuffer();
        int rows = ahead.next(images, labels);
        plan.run();
        loss += (double) plan.readFloat(plan.graph().outputs().get(1)) * rows;
        correct1 += plan.readInt(plan.graph().outputs().get(2));
        plan.readInto(logits, logitBytes.clear());
        for (int row = 0; row < rows; row++) {
          correct5 += isAmongFirst(row, labels.get(row)) ? 1 : 0;
        }
      }
    }
    return new Evaluation(source.size(), correct1, correct5, loss / source.size());
  }

  /**
   * Measures on images that processes share: each on some of them, for the result on all.
   *
   * @param source at least as many images as there are processes
   */
  Evaluation evaluateShared(DataSource source, Collective collective) {
    if (collective.size() == 1) {
      return evaluate(source);
    }
    int[] own =
        IntStream.iterate(collective.rank(), i -> i < source.size(), i -> i + collective.size())
            .toArray();
    Evaluation part = evaluate(source.subset(own));
    double[] sums = {part.correct1(), part.correct5(), part.loss() * part.images()};
    collective.sum(sums);
    return new Evaluation(
        source.size(), (int) sums[0], (int) sums[1], sums[2] / source.size());
  }

  private boolean isAmongFirst(int row, int label) {
    float value = logitRows.get(row * classes + label);
    int ahead = 0;
    for (int c = 0; c < classes; c++) {
      float other = logitRows.get(row * classes + c);
      // A NaN is ahead of everything, so that it never counts as right.
      ahead += !(other <= value) || (other == value && c < label) ? 1 : 0;
    }
    return ahead < TOP;
  }

  @Override
  public void close() {
    plan.close();
  }
}
