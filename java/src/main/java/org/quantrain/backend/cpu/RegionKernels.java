package org.quantrain.backend.cpu;

import static org.bytedeco.dnnl.global.dnnl.dnnl_f32;
import static org.bytedeco.dnnl.global.dnnl.dnnl_s8;
import static org.bytedeco.dnnl.global.dnnl.dnnl_u8;

import java.util.ArrayList;
import java.util.Arrays;
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

  /** So many elements in each dimension from here to there. */
  private record Copy(long[] dims, Strides source, Strides target) {}

  private RegionKernels() {}

  static Kernel slice(Cpu cpu, Binding b) {
    Slice slice = (Slice) b.node().op();
    Operand x = b.input(0);
    Operand y = b.output(0);
    List<Copy> copies = new ArrayList<>();
    for (Slice part : parts(b, slice, x)) {
      Slice packed = packed(slice, part);
      copies.add(new Copy(dims(y, part), region(x, part), region(y, packed)));
    }
    return copies(cpu, b, null, x, y, copies);
  }

  static Kernel sliceBackward(Cpu cpu, Binding b) {
    Slice slice = ((SliceBackward) b.node().op()).slice();
    Operand dy = b.input(0);
    Operand dx = b.output(0);
    List<Copy> copies = new ArrayList<>();
    for (Slice part : parts(b, slice, dx)) {
      Slice packed = packed(slice, part);
      copies.add(new Copy(dims(dy, part), region(dy, packed), region(dx, part)));
    }
    return copies(cpu, b, fill(dx, null), dy, dx, copies);
  }

  /**
   * The slice in parts whose steps stay within the dimension: oneDNN takes a last step beyond it
   * for an overlap with what comes next in memory.
   */
  private static List<Slice> parts(Binding b, Slice slice, Operand whole) {
    if (slice.step() < 0) {
      throw b.failure("expected a step above 0, got " + slice.step());
    }
    int axis = slice.axis();
    int step = slice.step();
    if ((long) step * slice.size() <= whole.spec().shape().dim(axis)) {
      return List.of(slice);
    }
    int rest = slice.size() - 1;
    Slice last = new Slice(axis, slice.start() + step * rest, 1, 1);
    return rest == 0 ? List.of(last) : List.of(new Slice(axis, slice.start(), step, rest), last);
  }

  /** Where the elements of a part are among those of the slice. */
  private static Slice packed(Slice slice, Slice part) {
    int first = (part.start() - slice.start()) / slice.step();
    return new Slice(slice.axis(), first, 1, part.size());
  }

  private static Strides region(Operand whole, Slice slice) {
    return Strides.of(whole).from(slice.axis(), slice.start(), slice.step());
  }

  private static long[] dims(Operand tensor) {
    return Arrays.stream(tensor.spec().shape().dims()).asLongStream().toArray();
  }

  private static long[] dims(Operand tensor, Slice part) {
    long[] dims = dims(tensor);
    dims[part.axis()] = part.size();
    return dims;
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
    Copy copy = new Copy(dims(x), Strides.of(x), inside);
    return copies(cpu, b, fill(y, zeroPoint), x, y, List.of(copy));
  }

  /** Every byte becomes zero, or the zero-point of codes. */
  private static Steps.Step fill(Operand tensor, IntPointer zeroPoint) {
    Pointer first = At.any(tensor);
    long bytes = tensor.spec().bytes();
    return () -> Pointer.memset(first, zeroPoint == null ? 0 : zeroPoint.get(), bytes);
  }

  private static Kernel copies(
      Cpu cpu, Binding b, Steps.Step before, Operand from, Operand to, List<Copy> copies) {
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
          for (Copy copy : copies) {
            making.addReorder(
                steps,
                making.strided(type, copy.dims, copy.source.each()),
                Scratch.Region.fixed(from.address() + bytes * copy.source.offset()),
                making.strided(type, copy.dims, copy.target.each()),
                Scratch.Region.fixed(to.address() + bytes * copy.target.offset()));
          }
          return "copy";
        });
  }
}
