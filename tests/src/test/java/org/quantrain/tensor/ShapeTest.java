package org.quantrain.tensor;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import org.junit.jupiter.api.Test;

class ShapeTest {
  @Test
  void onlyTheFirstDimensionMayWaitForABatchSize() {
    Shape shape = Shape.of(Shape.BATCH, 3, 4);
    assertEquals("[Nx3x4]", shape.toString());
    assertEquals(12, shape.elementsPerSample());
    assertThrows(IllegalStateException.class, shape::elements);
    assertEquals(Shape.of(5, 3, 4), shape.withBatch(5));
    assertThrows(IllegalArgumentException.class, () -> Shape.of(3, Shape.BATCH));
    assertThrows(IllegalArgumentException.class, () -> Shape.of(-2, 3));
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
