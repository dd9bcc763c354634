package org.quantrain.train;

import java.nio.FloatBuffer;
import java.nio.IntBuffer;
import org.quantrain.data.Batches;
import org.quantrain.data.Prefetch;
import org.quantrain.pass.AddLoss;
import org.quantrain.plan.Plan;

/** How the images of a step reach a plan: straight, or a part at a time. */
final class StepInput {
  private final int parts;

  /** The whole batch; null where it goes straight into the plan. */
  private final FloatBuffer images;

  private final IntBuffer labels;

  StepInput(Batches batches, int parts) {
    this.parts = parts;
    images = parts == 1 ? null : batches.allocateImages();
    labels = parts == 1 ? null : batches.allocateLabels();
  }

  /** Takes the next batch. */
  void take(Prefetch ahead, Plan plan) {
    if (parts == 1) {
      ahead.next(images(plan), labels(plan));
    } else {
      ahead.next(images, labels);
    }
  }

  /** Gives the plan a part of the batch that was taken. */
  void feed(int part, Plan plan) {
    if (parts == 1) {
      return;
    }
    images(plan).put(part(images, part));
    labels(plan).put(part(labels, part));
  }

  private FloatBuffer part(FloatBuffer all, int part) {
    int size = all.capacity() / parts;
    return all.slice(part * size, size);
  }

  private IntBuffer part(IntBuffer all, int part) {
    int size = all.capacity() / parts;
    return all.slice(part * size, size);
  }

  private static FloatBuffer images(Plan plan) {
    return plan.input(plan.graph().inputs().get(0)).asFloatBuffer();
  }

  private static IntBuffer labels(Plan plan) {
    return plan.input(AddLoss.LABELS).asIntBuffer();
  }
}
