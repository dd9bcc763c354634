package org.quantrain.tensor;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

class ShapeTest {
  @Test
  void oneDimensionMayWaitForABatchSize() {
    Shape shape = Shape.of(Shape.BATCH, 3, 4);
    assertEquals("[Nx3x4]", shape.toString());
    assertEquals(12, shape.elementsPerSample());
    assertThrows(IllegalStateException.class, shape::elements);
    assertEquals(Shape.of(5, 3, 4), shape.withBatch(5));
    assertEquals(0, shape.batchDim());
    assertThrows(IllegalArgumentException.class, () -> Shape.of(-2, Shape.BATCH));
  }

  @Test
  void aDimensionMayBeAMultipleOfTheBatchSizeAndStandAnywhere() {
    Shape shape = Shape.of(3, -4, 5);
    assertEquals("[3x4Nx5]", shape.toString());
    assertEquals(1, shape.batchDim());
    assertEquals(60, shape.elementsPerSample());
    assertEquals(Shape.of(3, 8, 5), shape.withBatch(2));
    assertThrows(ArithmeticException.class, () -> Shape.of(-(1 << 20)).withBatch(1 << 20));
    assertThrows(IllegalArgumentException.class, () -> Shape.of(1 << 16, -(1 << 16)));
    assertThrows(IllegalArgumentException.class, () -> Shape.of(Integer.MIN_VALUE));
  }

  @Test
  void onlyTensorsOfRank4HaveAChoiceOfOrder() {
    TensorSpec images = TensorSpec.f32(Shape.BATCH, 3, 4, 5);
    assertTrue(images.isChannelsLast());
    assertNotEquals(images, images.with(Layout.ROW_MAJOR));
    assertEquals(Layout.ROW_MAJOR, images.with(Layout.ROW_MAJOR).withBatch(2).layout());
    TensorSpec rows = TensorSpec.f32(Shape.BATCH, 3);
    assertEquals(rows, rows.with(Layout.CHANNELS_LAST));
  }

  @Test
  void moreElementsThanAnArrayHoldsAreRefused() {
    assertEquals(Integer.MAX_VALUE, Shape.of(Integer.MAX_VALUE).elements());
    assertThrows(IllegalArgumentException.class, () -> Shape.of(1 << 16, 1 << 16));
    // A product that would come round to a small number again.
    assertThrows(
        IllegalArgumentException.class, () -> Shape.of(1 << 16, 1 << 16, 1 << 16, 1 << 16, 2));
  }

  @Test
  void masksTakeABitAndCodesAByte() {
    Shape shape = Shape.of(3, 3);
    assertEquals(2, new TensorSpec(DType.MASK, shape).bytes());
    assertEquals(9, new TensorSpec(DType.U8, shape).bytes());
    assertEquals(36, new TensorSpec(DType.S32, shape).bytes());
    assertEquals(72, new TensorSpec(DType.S64, shape).bytes());
  }

  @Test
  void contentsMustFitTheirShape() {
    assertThrows(IllegalArgumentException.class, () -> HostTensor.of(Shape.of(2, 2), 1f, 2f));
    assertThrows(
        IllegalArgumentException.class, () -> HostTensor.ofBytes(TensorSpec.f32(2), new byte[7]));
    assertThrows(IllegalStateException.class, () -> HostTensor.of(Shape.of(1), 1f).ints());
    assertThrows(IllegalStateException.class, () -> HostTensor.of(Shape.of(1), 1).codes());
  }

  @Test
  void codesAreReadWithTheSignOfTheirContainer() {
    byte[] bytes = {-1, -128, 127};
    assertEquals(255, HostTensor.ofBytes(new TensorSpec(DType.U8, Shape.of(3)), bytes).codes()[0]);
    assertEquals(-1, HostTensor.ofBytes(new TensorSpec(DType.S8, Shape.of(3)), bytes).codes()[0]);
    assertEquals(128, HostTensor.ofBytes(new TensorSpec(DType.U8, Shape.of(3)), bytes).codes()[1]);
  }
}
