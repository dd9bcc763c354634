package org.quantrain.backend.cpu;

import static org.bytedeco.dnnl.global.dnnl.DNNL_ARG_BIAS;
import static org.bytedeco.dnnl.global.dnnl.DNNL_ARG_DST;
import static org.bytedeco.dnnl.global.dnnl.DNNL_ARG_SRC;
import static org.bytedeco.dnnl.global.dnnl.DNNL_ARG_WEIGHTS;
import static org.bytedeco.dnnl.global.dnnl.dnnl_ab;
import static org.bytedeco.dnnl.global.dnnl.dnnl_bf16;
import static org.bytedeco.dnnl.global.dnnl.dnnl_f32;
import static org.bytedeco.dnnl.global.dnnl.dnnl_matmul_primitive_desc_create;

import java.util.ArrayList;
import java.util.List;
import org.bytedeco.dnnl.dnnl_memory_desc;
import org.bytedeco.dnnl.dnnl_primitive_desc;
import org.quantrain.backend.shared.At;
import org.quantrain.backend.shared.Scratch;
import org.quantrain.backend.shared.SharedProducts;
import org.quantrain.backend.shared.Sizes;
import org.quantrain.backend.shared.Steps;
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
import org.quantrain.tensor.DType;

/**
 * Convolutions and linear layers in float32 or bf16 with their gradients, by oneDNN; some gradients
 * of weights by our own kernel.
 */
final class ProductKernels {
  private ProductKernels() {}

  static Scratch.Region region(Operand operand) {
    return Scratch.Region.fixed(operand.address());
  }

  static Kernel conv2d(Cpu cpu, Binding b) {
    ConvGeometry geometry = ((Conv2d) b.node().op()).geometry();
    Convolution conv = convolution(geometry, b.input(0), b.input(1));
    return product(
        cpu,
        b,
        (making, steps, type, x, w) ->
            conv.addForward(
                cpu.dnnl(),
                making,
                steps,
                type,
                x,
                new Convolution.Weights(
                    conv.krsc(making, type), w, steps.readying(b.input(1))),
                b.inputs().size() > 2 ? region(b.input(2)) : null,
                region(b.output(0))));
  }

  static Kernel conv2dBackwardData(Cpu cpu, Binding b) {
    ConvGeometry geometry = ((Conv2dBackwardData) b.node().op()).geometry();
    Convolution conv = convolution(geometry, b.output(0), b.input(1));
    return product(
        cpu,
        b,
        (making, steps, type, dy, w) ->
            conv.addBackwardData(
                cpu.dnnl(), making, steps, type, dy, w, region(b.output(0))));
  }

  static Kernel conv2dBackwardWeights(Cpu cpu, Binding b) {
    ConvGeometry geometry = ((Conv2dBackwardWeights) b.node().op()).geometry();
    Convolution conv = convolution(geometry, b.input(0), b.output(0));
    DType given = b.input(0).spec().dtype();
    if (given != DType.BF16 && cpu.sumsInBands() && WeightGradient.takes(conv)) {
      return WeightGradient.kernel(cpu, b, conv);
    }
    if (given.isCodes()) {
      return build(
          cpu,
          b,
          (making, steps) ->
              conv.addBackwardWeights(
                  cpu.dnnl(),
                  making,
                  steps,
                  dnnl_f32,
                  WeightGradient.values(cpu, steps, b, conv),
                  region(b.input(1)),
                  region(b.output(0))));
    }
    return product(
        cpu,
        b,
        (making, steps, type, x, dy) ->
            conv.addBackwardWeights(
                cpu.dnnl(), making, steps, type, x, dy, region(b.output(0))));
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
                    dnnl_f32,
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
    return product(
        cpu,
        b,
        (making, steps, type, x, w) ->
            addMatmul(
                cpu.dnnl(),
                making,
                steps,
                matrix(making, type, x, rows, in, false),
                matrix(making, type, w, in, out, true),
                matrix(making, dnnl_f32, region(b.output(0)), rows, out, false),
                bias == null ? null : matrix(making, dnnl_f32, region(bias), 1, out, false)));
  }

  /** dx [N,I] = dy [N,O] w [O,I]. */
  static Kernel linearBackwardData(Cpu cpu, Binding b) {
    long rows = dim(b.input(0), 0);
    long out = dim(b.input(1), 0);
    long in = dim(b.input(1), 1);
    return product(
        cpu,
        b,
        (making, steps, type, dy, w) ->
            addMatmul(
                cpu.dnnl(),
                making,
                steps,
                matrix(making, type, dy, rows, out, false),
                matrix(making, type, w, out, in, false),
                matrix(making, dnnl_f32, region(b.output(0)), rows, in, false),
                null));
  }

  /** dw [O,I] = dy^T [O,N] x [N,I]. */
  static Kernel linearBackwardWeights(Cpu cpu, Binding b) {
    long rows = dim(b.input(0), 0);
    long in = dim(b.input(0), 1);
    long out = dim(b.input(1), 1);
    return product(
        cpu,
        b,
        (making, steps, type, x, dy) ->
            addMatmul(
                cpu.dnnl(),
                making,
                steps,
                matrix(making, type, dy, out, rows, true),
                matrix(making, type, x, rows, in, false),
                matrix(making, dnnl_f32, region(b.output(0)), out, in, false),
                null));
  }

  private static long dim(Operand operand, int i) {
    return operand.spec().shape().dim(i);
  }

  private record Matrix(dnnl_memory_desc desc, Scratch.Region region) {}

  /** A matrix of rows x columns; transposed: it lies in memory as columns x rows. */
  private static Matrix matrix(
      Dnnl.Making making,
      int type,
      Scratch.Region region,
      long rows,
      long columns,
      boolean transposed) {
    dnnl_memory_desc desc =
        transposed
            ? making.strided(type, new long[] {rows, columns}, new long[] {1, rows})
            : making.desc(type, dnnl_ab, rows, columns);
    return new Matrix(desc, region);
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

  /** Adds the steps of a product of two operands of a oneDNN type and says how it is executed. */
  @FunctionalInterface
  interface Product {
    String add(Dnnl.Making making, Steps steps, int type, Scratch.Region a, Scratch.Region b);
  }

  /**
   * The product of the first two inputs, in float32 or in bf16. A processor without products in
   * bf16 gets them as float32: the same products, which float32 holds, and the same type of sum.
   */
  static Kernel product(Cpu cpu, Binding b, Product product) {
    Scratch.Region first = region(b.input(0));
    Scratch.Region second = region(b.input(1));
    if (b.input(0).spec().dtype() == DType.F32) {
      return build(
          cpu, b, (making, steps) -> product.add(making, steps, dnnl_f32, first, second));
    }
    return build(
        cpu,
        b,
        (making, steps) -> {
          try {
            return product.add(making, steps, dnnl_bf16, first, second);
          } catch (Dnnl.Unimplemented e) {
            Scratch.Region x = SharedProducts.widened(cpu, steps, b, b.input(0));
            Scratch.Region y = SharedProducts.widened(cpu, steps, b, b.input(1));
            return "bf16 widened, " + product.add(making, steps, dnnl_f32, x, y);
          }
        });
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
