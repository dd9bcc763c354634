package org.quantrain.op;

import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.stream.IntStream;
import org.quantrain.graph.GraphBuilder;
import org.quantrain.graph.Node;
import org.quantrain.graph.Op;
import org.quantrain.graph.ShapeException;
import org.quantrain.graph.Value;
import org.quantrain.tensor.Layout;
import org.quantrain.tensor.Shape;
import org.quantrain.tensor.TensorSpec;

/**
 * Permutes the logical dimensions (output dimension i is input dimension perm[i]) and writes the
 * output in the order that is asked; the one copy between orders in memory. Float32, int32 or
 * codes.
 *
 * @param layout of an output of rank 4
 */
public record Transpose(List<Integer> perm, Layout layout) implements Op {
  public Transpose {
    perm = List.copyOf(perm);
  }

  /** Whether only the order in memory changes. */
  public boolean isIdentical() {
    return IntStream.range(0, perm.size()).allMatch(i -> perm.get(i) == i);
  }

  /** The value in this order in memory: itself, or a copy. */
  public static Value relayout(GraphBuilder b, String name, Value v, Layout layout) {
    if (v.spec().with(layout).equals(v.spec())) {
      return v;
    }
    return b.add(name, new Transpose(List.of(0, 1, 2, 3), layout), v);
  }

  @Override
  public List<TensorSpec> infer(List<TensorSpec> in) {
    Expect.count(in, 1, 1);
    Shape x = in.get(0).shape();
    int[] dims = new int[perm.size()];
    boolean fits = perm.size() == x.rank() && Set.copyOf(perm).size() == perm.size();
    for (int i = 0; fits && i < dims.length; i++) {
      fits = perm.get(i) >= 0 && perm.get(i) < dims.length;
      dims[i] = fits ? x.dim(perm.get(i)) : 0;
    }
    if (!fits) {
      throw new ShapeException(
          "expected a permutation of the dimensions of " + x + ", got " + perm);
    }
    return List.of(new TensorSpec(in.get(0).dtype(), Shape.of(dims), layout));
  }

  @Override
  public List<Value> vjp(GraphBuilder b, Node node, List<Value> outputGrads) {
    Integer[] inverse = new Integer[perm.size()];
    for (int i = 0; i < inverse.length; i++) {
      inverse[perm.get(i)] = i;
    }
    Layout back = node.input(0).spec().layout();
    return List.of(
        b.add(
            node.name() + ".dx", new Transpose(Arrays.asList(inverse), back), outputGrads.get(0)));
  }
}
