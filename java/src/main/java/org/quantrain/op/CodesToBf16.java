package org.quantrain.op;

import java.util.List;
import org.quantrain.graph.Op;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.TensorSpec;

/** The integers q - zero-point, exact in bf16. Inputs codes, optional zero-point [1]. */
public record CodesToBf16() implements Op {
  @Override
  public List<TensorSpec> infer(List<TensorSpec> in) {
    Expect.count(in, 1, 2);
    Expect.codes("codes", in.get(0));
    Expect.vectors(in, 1, in.size(), DType.S32, 1);
    return List.of(in.get(0).as(DType.BF16));
  }
}
