package org.quantrain.onnx;

import static org.quantrain.onnx.Arguments.require;
import static org.quantrain.onnx.Arguments.requireIndex;

import java.util.Arrays;
import org.quantrain.tensor.Shape;

/**
 * A GatherND as the Gather that it is once the dimensions that its tuples name are one.
 *
 * @param data the shape of the data with these dimensions as one, in front
 * @param indices numbers of rows in this dimension
 */
record IndexTuples(Shape data, Constant indices) {

  static IndexTuples of(Arguments a, Shape data) {
    require(a.node().integer("batch_dims", 0) == 0, "batch_dims");
    Constant tuples = a.known(1, "indices");
    require(tuples.rank() > 0, "expected tuples of indices, got " + tuples);
    int width = tuples.shape().dim(tuples.rank() - 1);
    require(width >= 1 && width <= data.rank(), "tuples of " + width + " indices for " + data);
    require(
        data.batchDim() <= 0 || data.batchDim() >= width,
        "picks from the batch in another order");
    Shape where = Shape.of(Arrays.copyOf(tuples.shape().dims(), tuples.rank() - 1));
    Constant indices =
        Constant.of(
            Constant.Kind.INTEGER,
            where,
            i -> {
              Affine row = Affine.of(0);
              for (int d = 0; d < width; d++) {
                Affine at = index(tuples.number(i * width + d), data.dim(d));
                row = row.times(Affine.of(Math.abs(data.dim(d)))).plus(at);
              }
              return row;
            });
    int[] dims = new int[data.rank() - width + 1];
    dims[0] = Arguments.size(ShapeRules.product(Arrays.copyOf(data.dims(), width)));
    System.arraycopy(data.dims(), width, dims, 1, dims.length - 1);
    return new IndexTuples(Shape.of(dims), indices);
  }

  /** Counted from the front. Whether a sample's number fits is seen in the whole row. */
  private static Affine index(Affine at, int dim) {
    if (dim < 0) {
      return at;
    }
    long plain = at.plain() < 0 ? at.plain() + dim : at.plain();
    requireIndex(plain, dim);
    return Affine.of(plain);
  }
}
