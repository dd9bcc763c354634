package org.quantrain.backend.cpu;

import static org.bytedeco.dnnl.global.dnnl.DNNL_ARG_BIAS;
import static org.bytedeco.dnnl.global.dnnl.DNNL_ARG_DST;
import static org.bytedeco.dnnl.global.dnnl.DNNL_ARG_SRC;
import static org.bytedeco.dnnl.global.dnnl.DNNL_ARG_WEIGHTS;
import static org.bytedeco.dnnl.global.dnnl.dnnl_ab;
import static org.bytedeco.dnnl.global.dnnl.dnnl_f32;
import static org.bytedeco.dnnl.global.dnnl.dnnl_matmul_primitive_desc_create;

import java.util.ArrayList;
import java.util.List;
import org.bytedeco.dnnl.dnnl_memory_desc;
import org.bytedeco.dnnl.dnnl_primitive_desc;
import org.quantrain.internal.bind.QuantrainNative;
import org.quantrain.internal.bind.qt_add_bias_args;
import org.quantrain.op.Conv2d;
import org.quantrain.op.Conv2dBackwardData;
import org.quantrain.op.Conv2dBackwardWeights;
import org.quantrain.op.ConvGeometry;
import org.quantrain.op.ConvTranspose2d;
import org.quantrain.runtime.Binding;
import org.quantrain.runtime.Binding.Operand;
import org.quantrain.runtime.Kernel;

/**
 * Convolutions and linear layers in float32 with their gradients, by oneDNN; some gradients of
 * weights by our own kernel.
 */
final class ProductKernels {
  private ProductKernels() {}

  static Scratch.Region region(Operand operand) {
    return Scratch.Region.fixed(operand.address());
  }

  static Kernel conv2d(Cpu cpu, Binding b) {
    ConvGeometry geometry = ((Conv2d) b.node().op()).geometry();
    Convolution conv = convolution(geometry, b.input(0), b.input(1));
    return build(
        cpu,
        b,
        (making, steps) ->
            conv.addForward(
                cpu.dnnl(),
                making,
                steps,
                region(b.input(0)),
                new Convolution.Weights(
                    conv.krsc(making, dnnl_f32), region(b.input(1)), steps.readying(b.input(1))),
                b.inputs().size() > 2 ? region(b.input(2)) : null,
                region(b.output(0))));
  }

  static Kernel conv2dBackwardData(Cpu cpu, Binding b) {
    ConvGeometry geometry = ((Conv2dBackwardData) b.node().op()).geometry();
    Convolution conv = convolution(geometry, b.output(0), b.input(1));
    return build(
        cpu,
        b,
        (making, steps) ->
            conv.addBackwardData(
                cpu.dnnl(),
                making,
                steps,
                region(b.input(0)),
                region(b.input(1)),
                region(b.output(0))));
  }

  static Kernel conv2dBackwardWeights(Cpu cpu, Binding b) {
    ConvGeometry geometry = ((Conv2dBackwardWeights) b.node().op()).geometry();
    Convolution conv = convolution(geometry, b.input(0), b.output(0));
    if (cpu.sumsInBands() && WeightGradient.takes(conv)) {
      return WeightGradient.kernel(cpu, b, conv);
    }
    return build(
        cpu,
        b,
        (making, steps) ->
            conv.addBackwardWeights(
                cpu.dnnl(),
                making,
                steps,
                WeightGradient.values(cpu, steps, b, conv),
                region(b.input(1)),
                region(b.output(0))));
  }

  /** The gradient of a convolution's input as a layer of its own, then the bias. */
  static Kernel convTranspose2d(Cpu cpu, Binding b) {
    ConvGeometry geometry = ((ConvTranspose2d) b.node().op()).geometry();
    Operand y = b.output(0);
    Convolution conv = convolution(geometry, y, b.input(1));
    Steps steps =
        build(
            cpu,
            b,
            (making, building) ->
                conv.addBackwardData(
                    cpu.dnnl(),
                    making,
                    building,
                    region(b.input(0)),
                    region(b.input(1)),
                    region(y)));
    if (b.inputs().size() == 2) {
      return steps;
    }
    return steps.add(
        cpu.call(
            b,
            new qt_add_bias_args()
                .x(At.floats(y))
                .bias(At.floats(b.input(2)))
                .y(At.floats(y))
                .rows(Sizes.rows(y))
                .channels(Sizes.channels(y)),
            QuantrainNative::qt_add_bias));
  }

  private static Convolution convolution(ConvGeometry geometry, Operand x, Operand w) {
    return Convolution.of(geometry, x.spec().shape(), w.spec().shape());
  }

  /** y [N,O] = x [N,I] w^T + bias, w [O,I]. */
  static Kernel linear(Cpu cpu, Binding b) {
    long rows = dim(b.input(0), 0);
    long in = dim(b.input(0), 1);
    long out = dim(b.input(1), 0);
    Operand bias = b.inputs().size() > 2 ? b.input(2) : null;
    return build(
        cpu,
        b,
        (making, steps) ->
            addMatmul(
                cpu.dnnl(),
                making,
                steps,
                matrix(making, b.input(0), rows, in, false),
                matrix(making, b.input(1), in, out, true),
                matrix(making, b.output(0), rows, out, false),
                bias == null ? null : matrix(making, bias, 1, out, false)));
  }

  /** dx [N,I] = dy [N,O] w [O,I]. */
  static Kernel linearBackwardData(Cpu cpu, Binding b) {
    long rows = dim(b.input(0), 0);
    long out = dim(b.input(1), 0);
    long in = dim(b.input(1), 1);
    return build(
        cpu,
        b,
        (making, steps) ->
            addMatmul(
                cpu.dnnl(),
                making,
                steps,
                matrix(making, b.input(0), rows, out, false),
                matrix(making, b.input(1), out, in, false),
                matrix(making, b.output(0), rows, in, false),
                null));
  }

  /** dw [O,I] = dy^T [O,N] x [N,I]. */
  static Kernel linearBackwardWeights(Cpu cpu, Binding b) {
    long rows = dim(b.input(0), 0);
    long in = dim(b.input(0), 1);
    long out = dim(b.input(1), 1);
    return build(
        cpu,
        b,
        (making, steps) ->
            addMatmul(
                cpu.dnnl(),
                making,
                steps,
                matrix(making, b.input(1), out, rows, true),
                matrix(making, b.input(0), rows, in, false),
                matrix(making, b.output(0), out, in, false),
                null));
  }

  private static long dim(Operand operand, int i) {
    return operand.spec().shape().dim(i);
  }

  private record Matrix(dnnl_memory_desc desc, Scratch.Region region) {}

  /** The operand as a matrix of rows x columns; transposed: it lies in memory as columns x rows. */
  private static Matrix matrix(
      Dnnl.Making making, Operand operand, long rows, long columns, boolean transposed) {
    dnnl_memory_desc desc =
        transposed
            ? making.strided(dnnl_f32, new long[] {rows, columns}, new long[] {1, rows})
            : making.desc(dnnl_f32, dnnl_ab, rows, columns);
    return new Matrix(desc, region(operand));
  }

  private static String addMatmul(
      Dnnl dnnl, Dnnl.Making making, Steps steps, Matrix a, Matrix b, Matrix c, Matrix bias) {
    dnnl_primitive_desc desc = new dnnl_primitive_desc();
    int status =
        dnnl_matmul_primitive_desc_create(
            desc,
            dnnl.engine(),
            a.desc,
            b.desc,
            bias == null ? null : bias.desc,
            c.desc,
            making.attr());
    making.primitive(desc, status, "matmul");
    List<Dnnl.Arg> args =
        new ArrayList<>(
            List.of(
                new Dnnl.Arg(DNNL_ARG_SRC, a.desc, a.region),
                new Dnnl.Arg(DNNL_ARG_WEIGHTS, b.desc, b.region),
                new Dnnl.Arg(DNNL_ARG_DST, c.desc, c.region)));
    if (bias != null) {
      args.add(new Dnnl.Arg(DNNL_ARG_BIAS, bias.desc, bias.region));
    }
    making.add(steps, desc, args.toArray(Dnnl.Arg[]::new));
    return Dnnl.implementation(desc);
  }

  /** Adds the steps of a kernel and says how it is executed. */
  @FunctionalInterface
  interface Recipe {
    String add(Dnnl.Making making, Steps steps);
  }

  static Steps build(Cpu cpu, Binding binding, Recipe recipe) {
    Steps steps = new Steps(binding);
    try (Dnnl.Making making = cpu.dnnl().new Making()) {
      return steps.lowered(recipe.add(making, steps));
    } catch (Dnnl.Failure e) {
      steps.close();
      throw steps.failure(e);
    } catch (RuntimeException e) {
      steps.close();
      throw e;
    }
  }
}
