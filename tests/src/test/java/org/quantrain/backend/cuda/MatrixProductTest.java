package org.quantrain.backend.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.quantrain.tensor.Shape;

/** What cuBLASLt is told of products, carried out as its documentation says. */
class MatrixProductTest {
  /** D = op(A) op(B), matrices by columns, for each of the batch. */
  private static void carryOut(
      MatrixProduct.Placed placed, double[] left, double[] right, double[] y) {
    MatrixProduct p = placed.product();
    MatrixProduct.Layout a = p.first();
    MatrixProduct.Layout b = p.second();
    MatrixProduct.Layout d = p.result();
    long inner = p.transRight() ? a.rows() : a.columns();
    assertEquals(d.rows(), p.transRight() ? a.columns() : a.rows());
    assertEquals(d.columns(), p.transLeft() ? b.rows() : b.columns());
    assertEquals(inner, p.transLeft() ? b.columns() : b.rows());
    for (int batch = 0; batch < p.batch(); batch++) {
      for (long i = 0; i < d.rows(); i++) {
        for (long j = 0; j < d.columns(); j++) {
          double sum = 0;
          for (long k = 0; k < inner; k++) {
            long atA = p.transRight() ? i * a.ld() + k : k * a.ld() + i;
            long atB = p.transLeft() ? k * b.ld() + j : j * b.ld() + k;
            sum +=
                right[(int) (placed.right() + batch * a.batchStride() + atA)]
                    * left[(int) (placed.left() + batch * b.batchStride() + atB)];
          }
          y[(int) (placed.output() + batch * d.batchStride() + j * d.ld() + i)] = sum;
        }
      }
    }
  }

  private static double[] numbers(Shape shape, int seed) {
    double[] numbers = new double[(int) shape.elements()];
    for (int i = 0; i < numbers.length; i++) {
      numbers[i] = (i * 37 + seed) % 19 - 9;
    }
    return numbers;
  }

  /** Of row-major tensors of matrices, their dimensions in front broadcast. */
  private static double[] expected(
      Shape left,
      double[] a,
      Shape right,
      double[] b,
      Shape y,
      boolean transLeft,
      boolean transRight) {
    int rank = y.rank();
    int rows = y.dim(rank - 2);
    int columns = y.dim(rank - 1);
    int inner = left.dim(left.rank() - (transLeft ? 2 : 1));
    double[] result = new double[(int) y.elements()];
    for (int matrix = 0; matrix < result.length / (rows * columns); matrix++) {
      int fromA = matrix(left, y, matrix) * rows * inner;
      int fromB = matrix(right, y, matrix) * inner * columns;
      for (int i = 0; i < rows; i++) {
        for (int j = 0; j < columns; j++) {
          for (int k = 0; k < inner; k++) {
            result[(matrix * rows + i) * columns + j] +=
                a[fromA + (transLeft ? k * rows + i : i * inner + k)]
                    * b[fromB + (transRight ? j * inner + k : k * columns + j)];
          }
        }
      }
    }
    return result;
  }

  /** Which matrix of an operand meets the given one of the product. */
  private static int matrix(Shape operand, Shape y, int matrix) {
    int index = 0;
    int stride = 1;
    int rest = matrix;
    for (int i = 3; i <= y.rank(); i++) {
      int at = rest % y.dim(y.rank() - i);
      rest /= y.dim(y.rank() - i);
      int size = i > operand.rank() ? 1 : operand.dim(operand.rank() - i);
      index += size == 1 ? 0 : at * stride;
      stride *= size;
    }
    return index;
  }

  private static Shape shape(String dims) {
    return Shape.of(Arrays.stream(dims.trim().split(" ")).mapToInt(Integer::parseInt).toArray());
  }

  @ParameterizedTest
  @CsvSource({
    "3 4, 4 5, 3 5, false, false, 1",
    "4 3, 4 5, 3 5, true, false, 1",
    "3 4, 5 4, 3 5, false, true, 1",
    "4 3, 5 4, 3 5, true, true, 1",
    // One matrix to the right: one high product.
    "2 3 4, 4 5, 2 3 5, false, false, 1",
    "2 6 3 4, 5 4, 2 6 3 5, false, true, 1",
    "2 6 3 4, 1 1 4 5, 2 6 3 5, false, false, 1",
    // Not where the left ones lie transposed.
    "2 4 3, 4 5, 2 3 5, true, false, 1",
    // One to the left, pairs, and pairs of heads.
    "3 4, 2 4 5, 2 3 5, false, false, 1",
    "7 3 4, 7 4 5, 7 3 5, false, false, 1",
    "2 6 3 4, 2 6 5 4, 2 6 3 5, false, true, 1",
    // Mixed: some dimensions in a loop.
    "2 1 3 4, 6 4 5, 2 6 3 5, false, false, 2",
    "2 1 3 4, 1 6 5 4, 2 6 3 5, false, true, 2",
    "2 6 3 4, 2 1 4 5, 2 6 3 5, false, false, 1",
    "2 6 3 4, 6 4 5, 2 6 3 5, false, false, 2",
    "2 3 2 1 3 4, 3 1 2 4 5, 2 3 2 2 3 5, false, false, 12",
  })
  void productsOfRowMajorTensors(
      String a, String b, String product, boolean transLeft, boolean transRight, int calls) {
    Shape left = shape(a);
    Shape right = shape(b);
    Shape y = shape(product);
    double[] ofLeft = numbers(left, 3);
    double[] ofRight = numbers(right, 5);
    double[] result = new double[(int) y.elements()];
    List<MatrixProduct.Placed> products =
        MatrixProduct.broadcast(left, right, y, transLeft, transRight);
    products.forEach(placed -> carryOut(placed, ofLeft, ofRight, result));
    assertArrayEquals(expected(left, ofLeft, right, ofRight, y, transLeft, transRight), result, 0);
    assertEquals(calls, products.size(), "calls");
  }

  @Test
  void aLinearLayerReadsItsWeightsTransposed() {
    MatrixProduct product = MatrixProduct.single(128, 10, 84, false, true);
    assertEquals(new MatrixProduct.Layout(84, 10, 84, 0), product.first());
    assertEquals(new MatrixProduct.Layout(84, 128, 84, 0), product.second());
    assertEquals(new MatrixProduct.Layout(10, 128, 10, 0), product.result());
  }
}
