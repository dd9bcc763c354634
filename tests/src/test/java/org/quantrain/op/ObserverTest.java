package org.quantrain.op;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.quantrain.testkit.Tensors.vector;

import org.junit.jupiter.api.Test;
import org.quantrain.quant.Target;
import org.quantrain.tensor.HostTensor;
import org.quantrain.tensor.QuantSpec;
import org.quantrain.tensor.Shape;
import org.quantrain.testkit.CaseRun;
import org.quantrain.testkit.Tensors;

/** Moving ranges, and scale and zero-point from them. */
class ObserverTest {
  private static final QuantSpec UINT8 = Target.ORT.activation(8);
  private static final QuantSpec INT8 = Target.ORT.weight(8, false);

  private record Range(float min, float max, int count, float scale, int zeroPoint) {
    static Range fresh() {
      return new Range(0, 0, 0, 1, 0);
    }

    Range after(QuantSpec spec, float batchMin, float batchMax) {
      OneOp.Result r =
          OneOp.run(
              new UpdateQParams(spec),
              vector(batchMin),
              vector(batchMax),
              vector(min),
              vector(max),
              vector(count),
              vector(scale),
              vector(zeroPoint));
      return new Range(
          r.state().get(2).floats()[0],
          r.state().get(3).floats()[0],
          r.state().get(4).ints()[0],
          r.state().get(5).floats()[0],
          r.state().get(6).ints()[0]);
    }
  }

  @Test
  void theFirstBatchIsCopiedAndNotAveragedWithTheInitialZero() {
    Range first = Range.fresh().after(UINT8, -3.5f, 7.25f);
    assertEquals(-3.5f, first.min());
    assertEquals(7.25f, first.max());
    assertEquals(1, first.count());
  }

  @Test
  void theMomentumIsTheWeightOfTheNewBatch() {
    Range moved = Range.fresh().after(UINT8, -1, 1).after(UINT8, -2, 11);
    float m = CaseRun.OBSERVER_MOMENTUM;
    assertEquals(-1 + m * (-2 - -1f), moved.min());
    assertEquals(1 + m * (11 - 1f), moved.max());
  }

  @Test
  void anOutlierDecaysByOneMinusMomentumWithEveryBatch() {
    Range range = Range.fresh().after(UINT8, 0, 101);
    double expected = 101;
    for (int i = 0; i < 10; i++) {
      range = range.after(UINT8, 0, 1);
      expected = 1 + (expected - 1) * (1 - CaseRun.OBSERVER_MOMENTUM);
      assertEquals(expected, range.max(), 1e-4 * expected);
    }
    assertTrue(range.max() < 4, "still " + range.max());
  }

  @Test
  void oneSidedSymmetricRangesKeepZeroPointZeroAndTheScaleOfTheMagnitude() {
    Range positive = Range.fresh().after(INT8, 0, 2.54f);
    Range negative = Range.fresh().after(INT8, -2.54f, 0);
    assertEquals(0, positive.zeroPoint());
    assertEquals(0, negative.zeroPoint());
    assertEquals(2.54f / 127, positive.scale());
    assertEquals(2.54f / 127, negative.scale());
  }

  @Test
  void aRangeAwayFromZeroIsWidenedSoThatZeroIsACode() {
    Range above = Range.fresh().after(UINT8, 2, 5.1f);
    assertEquals(0, above.zeroPoint());
    assertEquals(5.1f / 255, above.scale());
    Range below = Range.fresh().after(UINT8, -5.1f, -2);
    assertEquals(255, below.zeroPoint());
    assertEquals(5.1f / 255, below.scale());
  }

  @Test
  void anAllZeroRangeHasAScale() {
    for (QuantSpec spec : new QuantSpec[] {UINT8, INT8}) {
      Range range = Range.fresh().after(spec, 0, 0);
      assertEquals(1f, range.scale());
      assertEquals(0, range.zeroPoint());
    }
  }

  @Test
  void theSmallestRangesHaveANormalScale() {
    Range range = Range.fresh().after(UINT8, 0, Float.MIN_VALUE);
    assertEquals(Float.MIN_NORMAL, range.scale());
  }

  @Test
  void minusZeroNeverBecomesAnEndOfARange() {
    OneOp.Result r = OneOp.run(new MinMax(), HostTensor.filled(Shape.of(1, 40), -0f));
    assertEquals(0, Float.floatToRawIntBits(r.output(0).floats()[0]));
    assertEquals(0, Float.floatToRawIntBits(r.output(1).floats()[0]));
  }

  @Test
  void nanIsCountedAndNotLost() {
    OneOp.Result r =
        OneOp.run(new MinMax(), HostTensor.of(Shape.of(1, 5), 3, Float.NaN, -2, Float.NaN, 1));
    assertEquals(-2f, r.output(0).floats()[0]);
    assertEquals(3f, r.output(1).floats()[0]);
    assertEquals(2L, Tensors.longs(r.output(2))[0]);
  }
}
