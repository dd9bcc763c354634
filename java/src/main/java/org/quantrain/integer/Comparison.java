package org.quantrain.integer;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.quantrain.onnx.MemoryOrder;
import org.quantrain.tensor.HostTensor;
import org.quantrain.tensor.Shape;
import org.quantrain.tensor.TensorSpec;

/** Counts what differs between two sides, batch after batch, and locates the first difference. */
final class Comparison {
  private final IntegerModel model;
  private final List<CodesTensor> tensors;
  private final Map<String, long[]> counts = new LinkedHashMap<>();
  private final List<String> logits;
  private final Set<String> islands;
  private Difference first;
  private Difference firstOfBatch;
  private long images;

  /**
   * @param logits names under which logits are counted
   * @param islands names of the codes that are counted apart, because floats made them
   */
  Comparison(IntegerModel model, List<String> logits, Set<String> islands) {
    this.model = model;
    this.islands = islands;
    this.tensors = model.codes();
    this.logits = logits;
    tensors.forEach(t -> counts.put(t.name(), new long[2]));
    logits.forEach(name -> counts.put(name, new long[2]));
  }

  /** Compares the file's weight codes with those that were trained, layer by layer. */
  void weights(Map<String, HostTensor> trained) {
    for (IntegerWeights w : model.weights()) {
      HostTensor theirs = trained.get(w.layer());
      if (theirs == null) {
        continue;
      }
      if (!theirs.spec().equals(w.codes().spec())) {
        throw new IllegalArgumentException(
            w.name() + ": " + w.codes().spec() + " and " + theirs.spec());
      }
      int[] file = w.codes().codes();
      int[] codes = theirs.codes();
      long[] count = counts.computeIfAbsent(w.name(), n -> new long[2]);
      int perChannel = file.length / w.codes().shape().dim(0);
      for (int i = 0; i < file.length; i++) {
        count[0]++;
        if (file[i] != codes[i]) {
          count[1]++;
          if (first == null) {
            float scale = w.scale().floats()[i / perChannel];
            long element =
                (i / perChannel) * perChannel + logical(w.codes().shape(), i % perChannel);
            List<Integer> at = new ArrayList<>(List.of(i / perChannel));
            at.addAll(coordinates(w.codes().shape(), element % perChannel));
            first =
                new Difference(
                    w.layer(),
                    w.name(),
                    Difference.NO_IMAGE,
                    element,
                    at,
                    file[i],
                    codes[i],
                    scale,
                    0,
                    (double) scale * file[i],
                    (double) scale * codes[i]);
          }
        }
      }
    }
  }

  /** Compares the codes of a batch's first rows. */
  void codes(
      String subject,
      Map<String, HostTensor> left,
      String against,
      Map<String, HostTensor> right,
      int rows) {
    requireAll(subject, left);
    requireAll(against, right);
    for (CodesTensor tensor : tensors) {
      HostTensor a = left.get(tensor.name());
      HostTensor b = right.get(tensor.name());
      compare(tensor.name(), tensor, a, b, rows);
    }
  }

  /** Compares the bits of a batch's first logits. */
  void logits(String name, HostTensor a, HostTensor b, int rows) {
    compare(name, null, a, b, rows);
  }

  /** The next batch's images come after these. */
  void endBatch(int rows) {
    if (first == null) {
      first = firstOfBatch;
    }
    images += rows;
  }

  private void requireAll(String side, Map<String, HostTensor> codes) {
    List<String> missing = new ArrayList<>();
    for (CodesTensor tensor : tensors) {
      HostTensor found = codes.get(tensor.name());
      if (found == null || !sameSample(found.shape(), tensor.shape())) {
        String got = found == null ? "" : ", got " + found.spec();
        missing.add(tensor.name() + tensor.shape() + got);
      }
    }
    if (!missing.isEmpty()) {
      throw new IllegalArgumentException(side + " has no codes of " + missing);
    }
  }

  private static boolean sameSample(Shape a, Shape b) {
    int batch = Math.max(b.batchDim(), 0);
    return a.rank() == b.rank()
        && Arrays.equals(a.with(batch, 1).dims(), b.with(batch, 1).dims());
  }

  private void compare(String name, CodesTensor tensor, HostTensor a, HostTensor b, int rows) {
    if (!sameSample(a.shape(), b.shape()) || a.spec().dtype() != b.spec().dtype()) {
      throw new IllegalArgumentException(name + ": " + a.spec() + " and " + b.spec());
    }
    if (tensor != null && !isImageByImage(tensor.shape(), a, b)) {
      a = imageByImage(tensor.shape(), a);
      b = imageByImage(tensor.shape(), b);
    }
    int width = (int) a.spec().dtype().bytes(1);
    int perImage = (int) a.shape().elementsPerSample();
    byte[] left = a.buffer().array();
    byte[] right = b.buffer().array();
    int bytes = rows * perImage * width;
    long[] count = counts.get(name);
    count[0] += (long) rows * perImage;
    int mismatch = Arrays.mismatch(left, 0, bytes, right, 0, bytes);
    if (mismatch < 0) {
      return;
    }
    for (int e = mismatch / width * width; e < bytes; e += width) {
      if (Arrays.mismatch(left, e, e + width, right, e, e + width) >= 0) {
        count[1]++;
      }
    }
    int image = mismatch / width / perImage;
    if (islands.contains(name)) {
      return;
    }
    if (first == null && (firstOfBatch == null || images + image < firstOfBatch.image())) {
      firstOfBatch = locate(name, tensor, a, b, image);
    }
  }

  /** Whether the first dimension counts images, and both have one order in memory. */
  private static boolean isImageByImage(Shape shape, HostTensor a, HostTensor b) {
    boolean images = shape.rank() != 4 || (a.spec().isChannelsLast() && b.spec().isChannelsLast());
    return images && shape.dim(0) == Shape.BATCH;
  }

  /**
   * [images, of each] in logical order, from a tensor that has its images in another dimension, or
   * several rows of the first for each.
   */
  private static HostTensor imageByImage(Shape shape, HostTensor x) {
    int at = shape.batchDim();
    byte[] from = MemoryOrder.toOnnx(x);
    int rows = -shape.dim(at);
    int images = x.shape().dim(at) / rows;
    int outer = 1;
    int inner = 1;
    for (int i = 0; i < shape.rank(); i++) {
      outer *= i < at ? shape.dim(i) : 1;
      inner *= i > at ? shape.dim(i) : 1;
    }
    byte[] to = new byte[from.length];
    int run = rows * inner;
    for (int image = 0; image < images; image++) {
      for (int o = 0; o < outer; o++) {
        System.arraycopy(
            from, (o * images + image) * run, to, (image * outer + o) * run, run);
      }
    }
    return HostTensor.ofBytes(new TensorSpec(x.spec().dtype(), Shape.of(images, outer * run)), to);
  }

  private Difference locate(
      String name, CodesTensor tensor, HostTensor a, HostTensor b, int image) {
    Shape shape = a.shape();
    int perImage = (int) shape.elementsPerSample();
    int width = (int) a.spec().dtype().bytes(1);
    byte[] left = a.buffer().array();
    byte[] right = b.buffer().array();
    long lowest = Long.MAX_VALUE;
    int at = -1;
    for (int i = 0; i < perImage; i++) {
      int e = (image * perImage + i) * width;
      if (Arrays.mismatch(left, e, e + width, right, e, e + width) >= 0
          && logical(shape, i) < lowest) {
        lowest = logical(shape, i);
        at = e;
      }
    }
    List<Integer> coordinates = coordinates(shape, lowest);
    if (tensor == null) {
      int x = bits(left, at);
      int y = bits(right, at);
      return new Difference(
          model.layerOf(name),
          name,
          images + image,
          lowest,
          coordinates,
          x,
          y,
          1,
          0,
          Float.intBitsToFloat(x),
          Float.intBitsToFloat(y));
    }
    int x = tensor.isSigned() ? left[at] : left[at] & 0xff;
    int y = tensor.isSigned() ? right[at] : right[at] & 0xff;
    return new Difference(
        model.layerOf(name),
        name,
        images + image,
        lowest,
        coordinates,
        x,
        y,
        tensor.scale(),
        tensor.zeroPoint(),
        tensor.real(x),
        tensor.real(y));
  }

  private static int bits(byte[] bytes, int at) {
    return ByteBuffer.wrap(bytes).order(ByteOrder.nativeOrder()).getInt(at);
  }

  /** Row-major index in the logical dimensions of an element that is i-th in memory. */
  private static long logical(Shape shape, int i) {
    if (shape.rank() != 4) {
      return i;
    }
    int channels = shape.dim(1);
    return (long) (i % channels) * shape.dim(2) * shape.dim(3) + i / channels;
  }

  private static List<Integer> coordinates(Shape shape, long logical) {
    List<Integer> coordinates = new ArrayList<>();
    for (int d = shape.rank() - 1; d >= 1; d--) {
      coordinates.add(0, (int) (logical % shape.dim(d)));
      logical /= shape.dim(d);
    }
    return coordinates;
  }

  Claim claim(String name, String subject, String against) {
    List<TensorCount> perTensor = new ArrayList<>();
    long[] codes = new long[2];
    long[] ofLogits = new long[2];
    long[] ofIslands = new long[2];
    counts.forEach(
        (tensor, count) -> {
          perTensor.add(new TensorCount(tensor, count[0], count[1], !islands.contains(tensor)));
          long[] floats = logits.contains(tensor) ? ofLogits : ofIslands;
          long[] sum = floats == ofLogits || islands.contains(tensor) ? floats : codes;
          sum[0] += count[0];
          sum[1] += count[1];
        });
    return new Claim(
        name,
        subject,
        against,
        codes[0],
        codes[1],
        ofLogits[0],
        ofLogits[1],
        ofIslands[0],
        ofIslands[1],
        first,
        perTensor);
  }
}
