package org.quantrain.testkit;

import static org.quantrain.testkit.EdgeValues.edges;
import static org.quantrain.testkit.EdgeValues.ordinary;
import static org.quantrain.testkit.Grids.size;

import java.util.List;
import org.quantrain.op.Add;
import org.quantrain.op.ChannelSum;
import org.quantrain.op.Flatten;
import org.quantrain.op.Relu;
import org.quantrain.op.ReluBackward;
import org.quantrain.op.SoftmaxCrossEntropy;
import org.quantrain.op.Unflatten;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.HostTensor;
import org.quantrain.tensor.Shape;
import org.quantrain.testkit.OpCase.Examples;

/** Elementwise float layers, layout and the loss. */
final class FloatCases {
  /** 64 MiB of floats: out of every cache. */
  static final Shape LARGE = Shape.of(16384, 1024);

  static final Shape LARGE_IMAGES = Shape.of(64, 64, 64, 64);

  private FloatCases() {}

  static List<OpCase> all() {
    return List.of(
        new OpCase(
            Add.class,
            FloatCases::add,
            () -> List.of(Example.of("small", new Add(), normal(2, 7, 1), normal(2, 7, 2))),
            () -> Example.of("large", new Add(), normal(LARGE, 1), normal(LARGE, 2))),
        new OpCase(
            Relu.class,
            FloatCases::relu,
            () ->
                List.of(
                    Example.of("relu", new Relu(), normal(3, 9, 1)),
                    Example.of("relu1", new Relu(1), normal(3, 9, 2))),
            () -> Example.of("large", new Relu(), normal(LARGE, 1))),
        new OpCase(
            ReluBackward.class,
            FloatCases::reluBackward,
            List::of,
            () -> Example.of("large", new ReluBackward(6), normal(LARGE, 1), normal(LARGE, 2))),
        new OpCase(
            ChannelSum.class,
            FloatCases::channelSum,
            List::of,
            () -> Example.of("large", new ChannelSum(), normal(LARGE_IMAGES, 1))),
        new OpCase(
            Flatten.class,
            FloatCases::flatten,
            () -> List.of(Example.of("small", new Flatten(), normal(Shape.of(2, 3, 4, 5), 1))),
            () -> Example.of("large", new Flatten(), normal(LARGE_IMAGES, 1))),
        new OpCase(
            Unflatten.class,
            FloatCases::unflatten,
            List::of,
            () ->
                Example.of(
                    "large", new Unflatten(LARGE_IMAGES), normal(Shape.of(64, 64 * 64 * 64), 1))),
        new OpCase(
            SoftmaxCrossEntropy.class,
            FloatCases::crossEntropy,
            () ->
                List.of(
                    logits("plain", 5, 4, 0f, normal(5, 4, 1)),
                    logits("smoothed", 5, 4, 0.1f, normal(5, 4, 2))),
            () -> logits("large", 16384, 1024, 0.1f, normal(LARGE, 1))));
  }

  static HostTensor normal(Shape shape, long seed) {
    return HostTensor.of(shape, ordinary(size(shape), seed));
  }

  static HostTensor normal(int rows, int columns, long seed) {
    return normal(Shape.of(rows, columns), seed);
  }

  private static List<Example> add() {
    Examples examples = new Examples();
    for (int n : EdgeValues.SIZES) {
      Shape shape = Shape.of(1, n);
      examples.add(
          "edges " + n,
          new Add(),
          HostTensor.of(shape, edges(n, 1)),
          HostTensor.of(shape, edges(n, 4)));
    }
    Shape large = Shape.of(3, 16, 41, 43);
    return examples.add("several blocks", new Add(), normal(large, 1), normal(large, 2)).list();
  }

  private static List<Example> relu() {
    Examples examples = new Examples();
    for (int n : EdgeValues.SIZES) {
      examples.add("edges " + n, new Relu(), HostTensor.of(Shape.of(1, n), edges(n, 1)));
      examples.add("edges 6 " + n, new Relu(6), HostTensor.of(Shape.of(1, n), edges(n, 2)));
    }
    return examples.add("several blocks", new Relu(1), normal(Shape.of(3, 16, 41, 43), 3)).list();
  }

  private static List<Example> reluBackward() {
    Examples examples = new Examples();
    for (int n : EdgeValues.SIZES) {
      for (float upper : new float[] {6, Float.POSITIVE_INFINITY}) {
        examples.add(
            "edges " + n + " below " + upper,
            new ReluBackward(upper),
            HostTensor.of(Shape.of(1, n), edges(n, 1)),
            HostTensor.of(Shape.of(1, n), edges(n, 5)));
      }
    }
    return examples.list();
  }

  private static List<Example> channelSum() {
    Examples examples = new Examples();
    for (Shape shape : Grids.ROWS_AND_CHANNELS) {
      examples.add("normal " + shape, new ChannelSum(), normal(shape, 1));
      examples.add(
          "shifted " + shape,
          new ChannelSum(),
          HostTensor.of(shape, ordinary(size(shape), 2, 1e-3f, 100)));
    }
    return examples
        .add("several blocks", new ChannelSum(), normal(Shape.of(5, 7, 83, 81), 3))
        .add(
            "a NaN in one channel",
            new ChannelSum(),
            HostTensor.of(Shape.of(2, 3), 1, Float.NaN, 2, 3, 4, Float.POSITIVE_INFINITY))
        .list();
  }

  private static List<Example> flatten() {
    Examples examples = new Examples();
    for (Shape s :
        List.of(
            Shape.of(1, 1, 1, 1),
            Shape.of(2, 3, 4, 5),
            Shape.of(3, 17, 33, 1),
            Shape.of(1, 31, 16, 16),
            Shape.of(2, 64, 7, 7))) {
      int n = size(s);
      examples.add("floats " + s, new Flatten(), HostTensor.of(s, edges(n, 1)));
      examples.add(
          "codes " + s,
          new Flatten(),
          Tensors.codes(DType.U8, s, EdgeValues.codes(n, Grids.U8, 1)));
      examples.add(
          "signed codes " + s,
          new Flatten(),
          Tensors.codes(DType.S8, s, EdgeValues.codes(n, Grids.S8, 1)));
    }
    return examples.list();
  }

  private static List<Example> unflatten() {
    Examples examples = new Examples();
    for (Shape s : List.of(Shape.of(1, 1, 1, 1), Shape.of(2, 3, 4, 5), Shape.of(3, 17, 33, 1))) {
      int n = size(s);
      examples.add(
          "floats " + s,
          new Unflatten(s),
          HostTensor.of(Shape.of(s.dim(0), n / s.dim(0)), edges(n, 1)));
    }
    return examples.list();
  }

  private static Example logits(
      String name, int rows, int classes, float smoothing, HostTensor logits) {
    int[] labels = new int[rows];
    for (int i = 0; i < rows; i++) {
      labels[i] = i % 4 == 3 ? -1 : i * 7 % classes;
    }
    return Example.of(name, new SoftmaxCrossEntropy(smoothing), logits, Tensors.vector(labels));
  }

  private static List<Example> crossEntropy() {
    Examples examples = new Examples();
    List<Example> list = examples.list();
    for (float smoothing : new float[] {0f, 0.1f}) {
      for (int[] size :
          new int[][] {{1, 1}, {1, 3}, {3, 10}, {7, 31}, {33, 33}, {207, 10}, {5, 1021}}) {
        HostTensor x =
            HostTensor.of(Shape.of(size[0], size[1]), ordinary(size[0] * size[1], 1, 4, 2));
        list.add(logits("smoothing " + smoothing, size[0], size[1], smoothing, x));
      }
      float[] equal = new float[30];
      list.add(logits("all equal", 3, 10, smoothing, HostTensor.of(Shape.of(3, 10), equal)));
      float[] far = ordinary(30, 5, 60, 0);
      list.add(logits("far apart", 3, 10, smoothing, HostTensor.of(Shape.of(3, 10), far)));
      float[] large = ordinary(30, 6, 1, 3e4f);
      list.add(logits("all large", 3, 10, smoothing, HostTensor.of(Shape.of(3, 10), large)));
      for (float bad : new float[] {Float.NaN, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY}) {
        float[] x = ordinary(30, 7);
        x[4] = bad;
        list.add(logits("one " + bad, 3, 10, smoothing, HostTensor.of(Shape.of(3, 10), x)));
      }
    }
    examples.add(
        "only padding", new SoftmaxCrossEntropy(0), normal(2, 3, 1), Tensors.vector(-1, -1));
    return list;
  }
}
