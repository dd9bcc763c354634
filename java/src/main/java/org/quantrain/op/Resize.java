package org.quantrain.op;

import java.util.List;
import org.quantrain.graph.GraphBuilder;
import org.quantrain.graph.Node;
import org.quantrain.graph.Op;
import org.quantrain.graph.ShapeException;
import org.quantrain.graph.Value;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.Shape;
import org.quantrain.tensor.TensorSpec;

/**
 * Scales images. Input [N,C,H,W], output [N,C,height,width], float32, channels-last.
 *
 * <p>Output coordinate i lies at input coordinate u = (i + 0.5) / scale - 0.5 (HALF_PIXEL), i (in -
 * 1) / (out - 1) (ALIGN_CORNERS; 0 where out = 1) or i / scale (ASYMMETRIC). LINEAR interpolates
 * between the two neighbours, clamped to the image; NEAREST takes floor(u), NEAREST_ROUND the
 * nearest one, ties down.
 *
 * @param scaleH output over input rows, as the file says it (a size that was rounded down keeps the
 *     scale that was asked)
 */
public record Resize(
    Mode mode, Coordinates coordinates, int height, int width, float scaleH, float scaleW)
    implements Op {
  /** How values between pixels are made. */
  public enum Mode {
    NEAREST,
    NEAREST_ROUND,
    LINEAR
  }

  /** Where an output pixel lies in the input. */
  public enum Coordinates {
    HALF_PIXEL,
    ALIGN_CORNERS,
    ASYMMETRIC
  }

  @Override
  public List<TensorSpec> infer(List<TensorSpec> in) {
    Expect.count(in, 1, 1);
    Expect.dtype("x", in.get(0), DType.F32);
    Expect.rank("x", in.get(0), 4);
    Expect.channelsLast("x", in.get(0));
    if (height < 1 || width < 1 || !(scaleH > 0) || !(scaleW > 0)) {
      throw new ShapeException("expected sizes and scales above 0, got " + this);
    }
    Shape x = in.get(0).shape();
    return List.of(TensorSpec.f32(x.dim(0), x.dim(1), height, width));
  }

  @Override
  public List<Value> vjp(GraphBuilder b, Node node, List<Value> outputGrads) {
    Shape x = node.input(0).spec().shape();
    return List.of(b.add(node.name() + ".dx", new ResizeBackward(this, x), outputGrads.get(0)));
  }
}
