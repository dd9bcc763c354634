package org.quantrain.backend.cpu;

import static org.bytedeco.dnnl.global.dnnl.dnnl_f32;
import static org.bytedeco.dnnl.global.dnnl.dnnl_s8;
import static org.bytedeco.dnnl.global.dnnl.dnnl_u8;

import java.util.List;
import org.bytedeco.javacpp.IntPointer;
import org.bytedeco.javacpp.Pointer;
import org.quantrain.op.Pad;
import org.quantrain.op.PadCodes;
import org.quantrain.op.Slice;
import org.quantrain.op.SliceBackward;
import org.quantrain.runtime.Binding;
import org.quantrain.runtime.Binding.Operand;
import org.quantrain.runtime.Kernel;
import org.quantrain.tensor.Shape;

/** Tensors that are regions of larger ones: copies with strides, by oneDNN. */
final class RegionKernels {
  /** Elements from one to the next in each dimension, and from the start of the tensor to one. */
  private record Strides(long[] each, long offset) {
    static Strides of(Operand tensor) {
      Shape shape = tensor.spec().shape();
      int rank = shape.rank();
      boolean last = rank == 4 && tensor.spec().isChannelsLast();
      int[] order = last ? new int[] {0, 2, 3, 1} : null; // from the outermost
      long[] each = new long[rank];
      long elements = 1;
      for (int i = rank - 1; i >= 0; i--) {
        int dim = last ? order[i] : i;
        each[dim] = elements;
        elements *= shape.dim(dim);
      }
      return new Strides(each, 0);
    }

    /** Of every step-th element from {@code start} on in one dimension. */
    Strides from(int dim, long start, long step) {
      long[] other = each.clone();
      other[dim] *= step;
      return new Strides(other, offset + start * each[dim]);
    }
  }

  private RegionKernels() {}

  static Kernel slice(Cpu cpu, Binding b) {
    Slice slice = (Slice) b.node().op();
    Operand y = b.output(0);
    requireForwards(b, slice);
    return copy(cpu, b, null, y, b.input(0), region(b.input(0), slice), y, Strides.of(y));
  }

  static Kernel sliceBackward(Cpu cpu, Binding b) {
    Slice slice = ((SliceBackward) b.node().op()).slice();
    Operand dy = b.input(0);
    Operand dx = b.output(0);
    requireForwards(b, slice);
    return copy(cpu, b, fill(dx, null), dy, dy, Strides.of(dy), dx, region(dx, slice));
  }

  static Kernel pad(Cpu cpu, Binding b) {
    Pad pad = (Pad) b.node().op();
    if (pad.value() != 0) {
      throw b.failure("expected padding with 0, got " + pad.value());
    }
    return pad(cpu, b, pad, null);
  }

  static Kernel padCodes(Cpu cpu, Binding b) {
    return pad(cpu, b, ((PadCodes) b.node().op()).pad(), At.ints(b.input(1)));
  }

  private static Kernel pad(Cpu cpu, Binding b, Pad pad, IntPointer zeroPoint) {
    Operand x = b.input(0);
    Operand y = b.output(0);
    Strides inside = Strides.of(y);
    List<Integer> before = pad.before();
    for (int i = 0; i < before.size(); i++) {
      inside = inside.from(i, before.get(i), 1);
    }
    return copy(cpu, b, fill(y, zeroPoint), x, x, Strides.of(x), y, inside);
  }

  private static Strides region(Operand whole, Slice slice) {
    return Strides.of(whole).from(slice.axis(), slice.start(), slice.step());
  }

  private static void requireForwards(Binding b, Slice slice) {
    if (slice.step() < 0) {
      throw b.failure("expected a step above 0, got " + slice.step());
    }
  }

  /** Every byte becomes zero, or the zero-point of codes. */
  private static Steps.Step fill(Operand tensor, IntPointer zeroPoint) {
    Pointer first = At.any(tensor);
    long bytes = tensor.spec().bytes();
    return () -> Pointer.memset(first, zeroPoint == null ? 0 : zeroPoint.get(), bytes);
  }

  /** Copies as many elements as {@code sized} has. */
  private static Kernel copy(
      Cpu cpu,
      Binding b,
      Steps.Step before,
      Operand sized,
      Operand from,
      Strides source,
      Operand to,
      Strides target) {
    int[] shape = sized.spec().shape().dims();
    long[] dims = new long[shape.length];
    for (int i = 0; i < dims.length; i++) {
      dims[i] = shape[i];
    }
    int type =
        switch (to.spec().dtype()) {
          case F32 -> dnnl_f32;
          case U8 -> dnnl_u8;
          case S8 -> dnnl_s8;
          default -> throw b.failure("expected floats or codes, got " + to.spec());
        };
    long bytes = to.spec().dtype().bytes(1);
    return ProductKernels.build(
        cpu,
        b,
        (making, steps) -> {
          if (before != null) {
            steps.add(before);
          }
          making.addReorder(
              steps,
              making.strided(type, dims, source.each()),
              Scratch.Region.fixed(from.address() + bytes * source.offset()),
              making.strided(type, dims, target.each()),
              Scratch.Region.fixed(to.address() + bytes * target.offset()));
          return "copy";
        });
  }
}
