package org.quantrain.backend.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.quantrain.op.ConvGeometry;
import org.quantrain.tensor.Shape;

/** What cuDNN is told of a convolution. */
class ConvShapeTest {
  private static ConvGeometry padded(int stride, int top, int left, int bottom, int right) {
    return new ConvGeometry(stride, stride, top, left, bottom, right, 1, 1, 1);
  }

  @Test
  void tensorsLieChannelsLast() {
    ConvShape shape =
        ConvShape.of(ConvGeometry.of(1, 1), Shape.of(8, 16, 32, 24), Shape.of(64, 16, 3, 3));
    assertEquals(List.of(8L, 16L, 32L, 24L), shape.x().dims());
    assertEquals(List.of(12288L, 1L, 384L, 16L), shape.x().strides());
    assertEquals(List.of(64L, 16L, 3L, 3L), shape.w().dims());
    assertEquals(List.of(144L, 1L, 48L, 16L), shape.w().strides());
    assertEquals(List.of(8L, 64L, 32L, 24L), shape.y().dims());
    assertEquals(List.of(49152L, 1L, 1536L, 64L), shape.y().strides());
    assertEquals(List.of(1L, 1L), shape.padding());
    assertTrue(shape.margin().isNone());
  }

  @Test
  void groupsShowInTheChannelsOfTheWeights() {
    ConvShape depthwise =
        ConvShape.of(
            ConvGeometry.of(2, 1).withGroups(192),
            Shape.of(4, 192, 14, 14),
            Shape.of(192, 1, 3, 3));
    assertEquals(List.of(192L, 1L, 3L, 3L), depthwise.w().dims());
    assertEquals(List.of(9L, 1L, 3L, 1L), depthwise.w().strides());
    assertEquals(List.of(4L, 192L, 7L, 7L), depthwise.y().dims());
    assertEquals(List.of(2L, 2L), depthwise.stride());
  }

  @Test
  void strideAndDilationArePassedOnBySide() {
    ConvGeometry geometry = new ConvGeometry(1, 2, 2, 0, 2, 0, 2, 1, 1);
    ConvShape shape = ConvShape.of(geometry, Shape.of(1, 3, 9, 8), Shape.of(5, 3, 3, 2));
    assertEquals(List.of(1L, 2L), shape.stride());
    assertEquals(List.of(2L, 1L), shape.dilation());
    assertEquals(List.of(2L, 0L), shape.padding());
    assertEquals(List.of(1L, 5L, 9L, 4L), shape.y().dims());
  }

  @Test
  void paddingThatNoWindowReadsMakesNoMargin() {
    Shape x = Shape.of(2, 4, 32, 32);
    Shape w = Shape.of(8, 4, 3, 3);
    // Two rows at a time from -1 on: the last window ends at row 31.
    assertEquals(
        ConvShape.of(padded(2, 1, 1, 1, 1), x, w), ConvShape.of(padded(2, 1, 1, 0, 0), x, w));
  }

  @Test
  void sidesThatDifferMakeAMarginOfZeros() {
    // As networks of TensorFlow pad with stride 2.
    ConvShape shape =
        ConvShape.of(padded(2, 0, 0, 1, 1), Shape.of(2, 4, 32, 30), Shape.of(8, 4, 3, 3));
    assertEquals(new ConvShape.Margin(0, 0, 1, 1), shape.margin());
    assertEquals(List.of(0L, 0L), shape.padding());
    assertEquals(List.of(2L, 4L, 33L, 31L), shape.x().dims());
    assertEquals(List.of(4092L, 1L, 124L, 4L), shape.x().strides());
    assertEquals(List.of(2L, 8L, 16L, 15L), shape.y().dims());
    assertEquals(List.of(2L, 4L, 32L, 30L), shape.inner().dims());
    assertEquals(0, shape.inside());
  }

  @Test
  void whatXHoldsBeginsBehindTheMarginAboveAndToTheLeft() {
    ConvShape shape =
        ConvShape.of(padded(1, 2, 1, 0, 0), Shape.of(1, 3, 5, 5), Shape.of(2, 3, 3, 2));
    assertEquals(new ConvShape.Margin(2, 1, 0, 0), shape.margin());
    assertEquals(List.of(1L, 3L, 7L, 6L), shape.x().dims());
    assertEquals((2 * 6 + 1) * 3, shape.inside());
    assertEquals(List.of(75L, 1L, 15L, 3L), shape.inner().strides());
  }
}
