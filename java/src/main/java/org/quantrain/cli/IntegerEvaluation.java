package org.quantrain.cli;

import java.util.Iterator;
import org.quantrain.ImageBatches;
import org.quantrain.data.DataSource;
import org.quantrain.integer.CodesSource;
import org.quantrain.integer.ImageBatch;
import org.quantrain.train.Evaluation;

/** Accuracy of an integer file, from the logits of its interpreter. */
final class IntegerEvaluation {
  private static final int TOP = 5;

  private IntegerEvaluation() {}

  static Evaluation of(CodesSource model, DataSource images) {
    int correct1 = 0;
    int correct5 = 0;
    double loss = 0;
    for (Iterator<ImageBatch> it = ImageBatches.of(images); it.hasNext(); ) {
      ImageBatch batch = it.next();
      float[] logits = model.run(batch.images()).logits().floats();
      int classes = images.classes();
      for (int row = 0; row < batch.count(); row++) {
        int label = batch.labels()[row];
        int ahead = ahead(logits, row * classes, classes, label);
        correct1 += ahead == 0 ? 1 : 0;
        correct5 += ahead < TOP ? 1 : 0;
        loss += crossEntropy(logits, row * classes, classes, label);
      }
    }
    return new Evaluation(images.size(), correct1, correct5, loss / images.size());
  }

  /** Classes before the label: with a larger logit, or an equal one and a lower number. */
  static int ahead(float[] logits, int offset, int classes, int label) {
    float value = logits[offset + label];
    int ahead = 0;
    for (int c = 0; c < classes; c++) {
      float other = logits[offset + c];
      ahead += other > value || (other == value && c < label) ? 1 : 0;
    }
    return ahead;
  }

  static double crossEntropy(float[] logits, int offset, int classes, int label) {
    double max = Double.NEGATIVE_INFINITY;
    for (int c = 0; c < classes; c++) {
      max = Math.max(max, logits[offset + c]);
    }
    double sum = 0;
    for (int c = 0; c < classes; c++) {
      sum += Math.exp(logits[offset + c] - max);
    }
    return max + Math.log(sum) - logits[offset + label];
  }
}
