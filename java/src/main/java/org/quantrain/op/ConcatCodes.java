package org.quantrain.op;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.quantrain.graph.GraphBuilder;
import org.quantrain.graph.Node;
import org.quantrain.graph.ShapeException;
import org.quantrain.graph.Value;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.QuantSpec;
import org.quantrain.tensor.TensorSpec;

/**
 * Codes side by side along an axis, each brought to the grid of the whole. Inputs codes, scale [1]
 * and zero-point [1] of each part, then scale and zero-point of y; outputs codes and the
 * straight-through mask of each part.
 */
public record ConcatCodes(int axis, QuantSpec spec) implements OnGrid {
  /** Inputs of one part. */
  private static final int OPERANDS = 3;

  @Override
  public List<TensorSpec> infer(List<TensorSpec> in) {
    int parts = parts(in.size());
    List<TensorSpec> reals = new ArrayList<>();
    List<TensorSpec> outputs = new ArrayList<>();
    for (int i = 0; i < parts; i++) {
      Expect.codes("part " + i, in.get(OPERANDS * i));
      Expect.vectors(in, OPERANDS * i + 1, OPERANDS * i + 2, DType.F32, 1);
      Expect.vectors(in, OPERANDS * i + 2, OPERANDS * i + 3, DType.S32, 1);
      reals.add(in.get(OPERANDS * i).as(DType.F32));
      outputs.add(in.get(OPERANDS * i).as(DType.MASK));
    }
    Expect.vectors(in, OPERANDS * parts, OPERANDS * parts + 1, DType.F32, 1);
    Expect.vectors(in, OPERANDS * parts + 1, OPERANDS * parts + 2, DType.S32, 1);
    outputs.add(0, new Concat(axis).infer(reals).get(0).as(spec.container()));
    return outputs;
  }

  /**
   * How many parts a node with so many inputs has.
   *
   * @throws ShapeException if no number of parts has as many
   */
  public static int parts(int inputs) {
    int parts = (inputs - 2) / OPERANDS;
    if (parts < 1 || OPERANDS * parts + 2 != inputs) {
      throw new ShapeException("expected 3 inputs for each part and 2, got " + inputs);
    }
    return parts;
  }

  @Override
  public boolean isOptional(int output) {
    return output > 0;
  }

  @Override
  public List<Value> vjp(GraphBuilder b, Node node, List<Value> outputGrads) {
    List<Value> grads = new ArrayList<>(Collections.nCopies(node.inputs().size(), null));
    int start = 0;
    for (int i = 0; i < parts(node.inputs().size()); i++) {
      int size = node.input(OPERANDS * i).spec().shape().dim(axis);
      Value dy =
          b.add(node.name() + ".d" + i, new Slice(axis, start, 1, size), outputGrads.get(0));
      Value mask = node.output(1 + i);
      grads.set(OPERANDS * i, b.add(node.name() + ".ste" + i, new SteBackward(), dy, mask));
      start += size;
    }
    return grads;
  }
}
