package org.quantrain.onnx;

import static org.quantrain.onnx.Arguments.require;
import static org.quantrain.onnx.Arguments.requireIndex;

import java.util.Arrays;
import org.quantrain.tensor.Shape;

/**
 * What a Gather takes of one dimension.
 *
 * @param rows their numbers; in a dimension that holds the batch, of each sample's own rows
 * @param shape the shape that they stand in, with the batch if each sample takes its own
 */
record PickedRows(int[] rows, Shape shape) {

  /**
   * Exporters index the batch where a mask is looked up for each sample, query and key: by numbers
   * n k + r, of which sample n takes row r of its k rows.
   *
   * @param dim the dimension of the data, -k for k rows of each sample
   * @throws IllegalArgumentException if there are no such rows, or a sample takes another's
   */
  static PickedRows of(Arguments a, Constant indices, int dim) {
    if (dim >= 0) {
      int[] rows = new int[indices.elements()];
      for (int i = 0; i < rows.length; i++) {
        long at = indices.integer(i);
        rows[i] = row(at < 0 ? at + dim : at, dim);
      }
      return new PickedRows(rows, indices.shape());
    }
    if (indices.shape().hasBatch()) {
      return ownOf(indices, -dim);
    }
    require(a.fixedBatch() > 0, "picks from the batch");
    return ownOf(indices, -dim, (int) a.fixedBatch());
  }

  private static PickedRows ownOf(Constant indices, int k) {
    Shape shape = indices.shape();
    long front = ShapeRules.product(Arrays.copyOf(shape.dims(), shape.batchDim()));
    require(front == 1, "picks from the batch in another order");
    int[] rows = new int[indices.elements()];
    for (int i = 0; i < rows.length; i++) {
      Affine at = indices.number(i);
      require(at.perBatch() == 0 && at.perSample() == k, "picks other samples from the batch");
      rows[i] = row(at.fixed(), k);
    }
    return new PickedRows(rows, shape);
  }

  /** The same in a file for one batch size, where the samples' numbers are written out. */
  private static PickedRows ownOf(Constant indices, int k, int batch) {
    Shape shape = indices.shape();
    require(shape.rank() > 0 && shape.dim(0) % batch == 0, "picks from the batch");
    int[] rows = new int[indices.elements() / batch];
    for (int i = 0; i < indices.elements(); i++) {
      int own = row(indices.integer(i) - (long) (i / rows.length) * k, k);
      require(i < rows.length || rows[i % rows.length] == own, "samples pick different rows");
      rows[i % rows.length] = own;
    }
    return new PickedRows(rows, shape.with(0, -(shape.dim(0) / batch)));
  }

  private static int row(long at, int size) {
    requireIndex(at, size);
    return (int) at;
  }
}
