package org.quantrain.testkit;

import java.util.ArrayList;
import java.util.List;
import org.quantrain.graph.Graph;
import org.quantrain.graph.GraphBuilder;
import org.quantrain.graph.Node;
import org.quantrain.graph.Op;
import org.quantrain.graph.Value;
import org.quantrain.op.Conv2d;
import org.quantrain.op.Conv2dBackwardData;
import org.quantrain.op.Conv2dBackwardWeights;
import org.quantrain.op.ConvCodes;
import org.quantrain.op.ConvRequantize;
import org.quantrain.op.ConvTranspose2d;
import org.quantrain.op.Linear;
import org.quantrain.op.LinearBackwardData;
import org.quantrain.op.LinearBackwardWeights;
import org.quantrain.op.LinearCodes;
import org.quantrain.op.MatMul;
import org.quantrain.op.MatMulCodes;
import org.quantrain.tensor.HostTensor;
import org.quantrain.tensor.Shape;
import org.quantrain.tensor.TensorSpec;

/**
 * An operation with inputs: what a test runs and a benchmark measures.
 *
 * @param name what is special about it
 * @param inputs contents before the operation runs; those it updates in place become STATE
 */
public record Example(String name, Op op, List<HostTensor> inputs) {
  public Example {
    inputs = List.copyOf(inputs);
  }

  static Example of(String name, Op op, HostTensor... inputs) {
    return new Example(name, op, List.of(inputs));
  }

  /** A product with both operands rounded to bf16. */
  Example inBf16() {
    List<HostTensor> narrow = new ArrayList<>(inputs);
    narrow.set(0, Tensors.bf16(inputs.get(0)));
    narrow.set(1, Tensors.bf16(inputs.get(1)));
    return new Example(name + " in bf16", op, narrow);
  }

  /**
   * A graph of this operation alone.
   *
   * @param optional whether outputs that a backend may leave out are outputs of the graph
   */
  public Graph graph(boolean optional) {
    GraphBuilder builder = new GraphBuilder();
    List<Value> in = new ArrayList<>();
    for (int i = 0; i < inputs.size(); i++) {
      TensorSpec spec = inputs.get(i).spec();
      in.add(
          op.updates().contains(i) ? builder.state("in" + i, spec) : builder.input("in" + i, spec));
    }
    Node node = builder.node("node", op, in);
    List<Value> outputs = new ArrayList<>();
    for (int i = 0; i < node.outputs().size(); i++) {
      if (optional || !op.isOptional(i)) {
        outputs.add(node.output(i));
      }
    }
    return builder.build(outputs);
  }

  public List<TensorSpec> outputSpecs() {
    return op.infer(inputs.stream().map(HostTensor::spec).toList());
  }

  /**
   * Bytes that the call must move: every buffer once, those updated in place twice. A value that
   * only passes through (its output shares its memory) is not touched and does not count.
   */
  public long bytes() {
    long bytes = 0;
    for (int i = 0; i < inputs.size(); i++) {
      bytes += inputs.get(i).spec().bytes() * (op.updates().contains(i) ? 2 : 1);
    }
    List<TensorSpec> outputs = outputSpecs();
    for (int i = 0; i < outputs.size(); i++) {
      int alias = op.aliasOf(i);
      bytes += alias < 0 ? outputs.get(i).bytes() : -inputs.get(alias).spec().bytes();
    }
    return bytes;
  }

  /** Elements of the largest buffer, by which bytes per element are counted. */
  public long elements() {
    long most = 1;
    for (HostTensor t : inputs) {
      most = Math.max(most, t.shape().elements());
    }
    for (TensorSpec spec : outputSpecs()) {
      most = Math.max(most, spec.shape().elements());
    }
    return most;
  }

  /** Multiplications and additions of a convolution or matrix product; 0 for what memory bounds. */
  public long operations() {
    Shape a = inputs.get(0).shape();
    if (op instanceof Conv2d || op instanceof ConvCodes || op instanceof ConvRequantize) {
      Shape w = inputs.get(op instanceof Conv2d ? 1 : 3).shape();
      return 2 * outputSpecs().get(0).shape().elements() * w.elementsPerSample();
    } else if (op instanceof Conv2dBackwardData) {
      return 2 * a.elements() * inputs.get(1).shape().elementsPerSample();
    } else if (op instanceof Conv2dBackwardWeights back) {
      return 2 * inputs.get(1).shape().elements() * back.w().elementsPerSample();
    } else if (op instanceof Linear || op instanceof LinearCodes) {
      return 2 * outputSpecs().get(0).shape().elements() * a.dim(1);
    } else if (op instanceof LinearBackwardData) {
      return 2 * a.elements() * inputs.get(1).shape().dim(1);
    } else if (op instanceof LinearBackwardWeights) {
      return 2 * a.elements() * inputs.get(1).shape().dim(1);
    } else if (op instanceof MatMul product) {
      int inner = a.dim(a.rank() - (product.transA() ? 2 : 1));
      return 2 * outputSpecs().get(0).shape().elements() * inner;
    } else if (op instanceof MatMulCodes) {
      return 2 * outputSpecs().get(0).shape().elements() * a.dim(a.rank() - 1);
    } else if (op instanceof ConvTranspose2d) {
      return 2 * a.elements() * inputs.get(1).shape().elementsPerSample();
    }
    return 0;
  }

  @Override
  public String toString() {
    return op.kind() + " " + name;
  }
}
