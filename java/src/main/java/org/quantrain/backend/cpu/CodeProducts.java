package org.quantrain.backend.cpu;

import static org.bytedeco.dnnl.global.dnnl.dnnl_f32;
import static org.bytedeco.dnnl.global.dnnl.dnnl_s8;
import static org.bytedeco.dnnl.global.dnnl.dnnl_u8;

import java.nio.ByteBuffer;
import java.nio.IntBuffer;
import java.util.ArrayList;
import java.util.List;
import org.bytedeco.dnnl.dnnl_memory_desc;
import org.quantrain.backend.shared.At;
import org.quantrain.backend.shared.NativeTypes;
import org.quantrain.backend.shared.Scratch;
import org.quantrain.backend.shared.Steps;
import org.quantrain.graph.Node;
import org.quantrain.internal.bind.QuantrainNative;
import org.quantrain.internal.bind.qt_conv2d_codes_args;
import org.quantrain.internal.bind.qt_dequantize_args;
import org.quantrain.internal.bind.qt_float_to_acc_args;
import org.quantrain.internal.bind.qt_gemm_codes_args;
import org.quantrain.op.ConvCodes;
import org.quantrain.op.ConvRequantize;
import org.quantrain.op.LinearCodes;
import org.quantrain.op.Lowering;
import org.quantrain.runtime.Binding;
import org.quantrain.runtime.Kernel;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.Shape;

/**
 * Convolutions and linear layers on codes, by four roads to the same accumulators: oneDNN on int8
 * where that is exact, else our own kernels where they take them, else oneDNN on integer-valued
 * floats; plain integer loops.
 */
final class CodeProducts {
  /** Largest |x - zero-point|: both are codes of one 8-bit container. */
  private static final long LARGEST_OPERAND = 255;

  /** Largest product of a weight, of an int8 container, and an operand. */
  private static final long LARGEST_PRODUCT = 128 * LARGEST_OPERAND;

  /**
   * The same for what oneDNN sums on the way of signed operands, in any order: x + 128, 128 and the
   * zero-point each times the weight.
   */
  private static final long LARGEST_SHIFTED_PRODUCT = 128 * (255 + 128 + 128);

  /** Floats below this are exact integers, and so is every partial sum that stays below it. */
  private static final long EXACT = 1 << 24;

  /** Floats of a block: those of x and of the sums fit into the second cache of a core or two. */
  private static final long BLOCK_FLOATS = 1 << 17;

  private CodeProducts() {}

  static Kernel conv(Cpu cpu, Binding b) {
    ConvCodes op = (ConvCodes) b.node().op();
    Convolution conv =
        Convolution.of(op.geometry(), b.input(0).spec().shape(), b.input(3).spec().shape());
    return build(cpu, b, conv, op.lowering(), false);
  }

  /** By our own kernels, on every processor. */
  static Kernel convRequantize(Cpu cpu, Binding b) {
    ConvRequantize op = (ConvRequantize) b.node().op();
    Convolution conv =
        Convolution.of(
            op.conv().geometry(), b.input(0).spec().shape(), b.input(3).spec().shape());
    Steps steps = new Steps(b);
    return steps.lowered(PairedProducts.addCodes(cpu, steps, b, conv, op.requantize()));
  }

  /** Whether this {@link ConvRequantize} has a kernel. */
  static boolean takesInOne(Node node) {
    ConvRequantize op = (ConvRequantize) node.op();
    Shape x = node.input(0).spec().withBatch(1).shape();
    return PairedProducts.take(
        Convolution.of(op.conv().geometry(), x, node.input(3).spec().shape()));
  }

  static Kernel linear(Cpu cpu, Binding b) {
    LinearCodes op = (LinearCodes) b.node().op();
    Convolution conv =
        Convolution.ofLinear(
            b.input(0).spec().shape().dim(0),
            b.input(0).spec().shape().dim(1),
            b.input(3).spec().shape().dim(0));
    return build(cpu, b, conv, op.lowering(), true);
  }

  private static Kernel build(
      Cpu cpu, Binding b, Convolution conv, Lowering lowering, boolean linear) {
    if (lowering == Lowering.INTEGER && cpu.pairsIntegers() && PairedProducts.take(conv)) {
      Steps steps = new Steps(b);
      return steps.lowered(PairedProducts.addSums(cpu, steps, b, conv));
    }
    // A window that alone passes the bound cannot be split along the channels.
    boolean splits = conv.r() * conv.s() * LARGEST_PRODUCT < EXACT;
    if (lowering == Lowering.INTEGER && cpu.exactIntegers() && splits) {
      return ProductKernels.build(cpu, b, (making, steps) -> integer(cpu, making, steps, b, conv));
    }
    if (lowering == Lowering.REFERENCE || !splits) {
      return linear ? referenceLinear(cpu, b, conv) : reference(cpu, b, conv);
    }
    return ProductKernels.build(cpu, b, (making, steps) -> simulated(cpu, making, steps, b, conv));
  }

  /**
   * oneDNN's int8 convolution, which is exact while sums stay below 2^24, and beyond that for
   * unsigned operands without a zero-point; so a long sum takes it where the zero-point is 0 at run
   * time, as it is after a ReLU, and the road of integer-valued floats otherwise.
   */
  private static String integer(
      Cpu cpu, Dnnl.Making making, Steps steps, Binding b, Convolution conv) {
    boolean unsigned = b.input(0).spec().dtype() == DType.U8;
    long product = unsigned ? LARGEST_PRODUCT : LARGEST_SHIFTED_PRODUCT;
    if (conv.products() * product < EXACT) {
      return "int8 " + addInteger(cpu, making, steps, b, conv, ProductKernels.region(b.input(2)));
    }
    if (!unsigned || !cpu.isExactFor(conv, implementation(cpu, making, b, conv))) {
      return simulated(cpu, making, steps, b, conv);
    }
    Steps ifZero = steps.branch();
    String fast = addInteger(cpu, making, ifZero, b, conv, null);
    Steps otherwise = steps.branch();
    String slow = simulated(cpu, making, otherwise, b, conv);
    steps.add(new Branch(zeroPoint(b), ifZero, otherwise));
    return "int8 " + fast + " where the zero-point is 0, else " + slow;
  }

  /** What oneDNN takes without a zero-point. */
  private static String implementation(Cpu cpu, Dnnl.Making making, Binding b, Convolution conv) {
    try (Steps unused = new Steps(b)) {
      return addInteger(cpu, making, unused, b, conv, null);
    }
  }

  private static String addInteger(
      Cpu cpu,
      Dnnl.Making making,
      Steps steps,
      Binding b,
      Convolution conv,
      Scratch.Region zeroPoint) {
    return conv.addInteger(
        cpu.dnnl(),
        making,
        steps,
        b.input(0).spec().dtype() == DType.U8 ? dnnl_u8 : dnnl_s8,
        ProductKernels.region(b.input(0)),
        zeroPoint,
        new Convolution.Weights(
            conv.krsc(making, dnnl_s8),
            ProductKernels.region(b.input(3)),
            steps.readying(b.input(3))),
        ProductKernels.region(b.output(0)));
  }

  /** What Java reads at every run, which a pointer would call native code for. */
  private static IntBuffer zeroPoint(Binding b) {
    return At.ints(b.input(2)).capacity(1).asBuffer();
  }

  /** Runs one of two roads to the same result. */
  private record Branch(IntBuffer zeroPoint, Steps ifZero, Steps otherwise) implements Steps.Step {
    @Override
    public void run() {
      (zeroPoint.get(0) == 0 ? ifZero : otherwise).run();
    }

    @Override
    public int nativeCalls() {
      return Math.max(ifZero.nativeCalls(), otherwise.nativeCalls());
    }

    @Override
    public void close() {
      ifZero.close();
      otherwise.close();
    }
  }

  /**
   * Sums of products of integer-valued floats, in parts of the input channels so small that no
   * partial sum of any order of summation reaches 2^24; the parts are added in int32. Constant
   * weights say what their sums can reach; of others the worst is assumed. Floats are four times as
   * large as codes, so they are made block by block, in a cache.
   */
  private static String simulated(
      Cpu cpu, Dnnl.Making making, Steps steps, Binding b, Convolution conv) {
    long group = conv.groupChannels();
    long parts = parts(b.input(3), conv);
    // Equal parts: the last one is not left with a few channels.
    long most = (group + parts - 1) / parts;
    Convolution block = conv.part(BLOCK_FLOATS);

    Scratch scratch = steps.scratch();
    Scratch.Region x = scratch.region(4 * block.inputs());
    Scratch.Region part = parts > 1 ? scratch.region(4 * block.inputs() / group * most) : null;
    Scratch.Region sum = scratch.region(4 * block.outputs());
    List<Steps> products = new ArrayList<>();
    String name = "";
    for (long from = 0; from < group; from += most) {
      Convolution some = block.withGroupChannels(Math.min(most, group - from));
      Steps product = steps.branch();
      if (parts > 1) {
        // [pixels, groups, channels of a group]: a slice of the last, made dense.
        long pixels = block.n() * block.h() * block.w();
        long[] dims = {pixels, conv.groups(), some.groupChannels()};
        dnnl_memory_desc slice = making.strided(dnnl_f32, dims, new long[] {conv.c(), group, 1});
        dnnl_memory_desc dense =
            making.strided(dnnl_f32, dims, new long[] {some.c(), some.groupChannels(), 1});
        making.addReorder(product, slice, behind(x, 4 * from), dense, part);
      }
      name =
          some.addForward(
              cpu.dnnl(),
              making,
              product,
              dnnl_f32,
              parts > 1 ? part : x,
              new Convolution.Weights(
                  some.krscPart(making, dnnl_s8, group),
                  behind(ProductKernels.region(b.input(3)), from),
                  steps.readying(b.input(3))),
              null,
              sum);
      products.add(product);
    }
    for (long done = 0; done * block.inputs() < conv.inputs(); done++) {
      qt_dequantize_args values =
          new qt_dequantize_args()
              .codes(At.any(b.input(0).address() + done * block.inputs()))
              .scale(null)
              .zero_point(At.ints(b.input(2)))
              .outer(1)
              .channels(1)
              .inner(block.inputs())
              .code_type(NativeTypes.codeType(b.input(0)));
      x.whenKnown(address -> values.y(At.floats(address)));
      steps.add(cpu.call(b, values, QuantrainNative::qt_dequantize));
      for (int i = 0; i < products.size(); i++) {
        steps.add(new Product(products.get(i), done == 0));
        qt_float_to_acc_args add =
            new qt_float_to_acc_args()
                .acc(At.ints(b.output(0).address() + 4 * done * block.outputs()))
                .n(block.outputs())
                .accumulate(i > 0 ? 1 : 0);
        sum.whenKnown(address -> add.x(At.floats(address)));
        steps.add(cpu.call(b, add, QuantrainNative::qt_float_to_acc));
      }
    }
    return "integer-valued floats in " + parts + (parts == 1 ? " part " : " parts ") + name;
  }

  /** Into how many parts the input channels of a group must go. */
  private static long parts(Binding.Operand w, Convolution conv) {
    if (w.constant() && LARGEST_OPERAND * largestSum(w, conv) < EXACT) {
      return 1;
    }
    long fit = (EXACT - 1) / (LARGEST_PRODUCT * conv.r() * conv.s());
    return (conv.groupChannels() + fit - 1) / fit;
  }

  /** Sum of an output channel's |w|, of that with the largest. */
  private static long largestSum(Binding.Operand w, Convolution conv) {
    ByteBuffer codes = At.bytes(w).capacity(conv.weights()).asByteBuffer();
    long largest = 0;
    while (codes.hasRemaining()) {
      long sum = 0;
      for (long i = 0; i < conv.products(); i++) {
        sum += Math.abs(codes.get());
      }
      largest = Math.max(largest, sum);
    }
    return largest;
  }

  /**
   * The product of a block.
   *
   * @param owner whether it closes the steps, which are those of the other blocks too
   */
  private record Product(Steps steps, boolean owner) implements Steps.Step {
    @Override
    public void run() {
      steps.run();
    }

    @Override
    public int nativeCalls() {
      return steps.nativeCalls();
    }

    @Override
    public void close() {
      if (owner) {
        steps.close();
      }
    }
  }

  static Scratch.Region behind(Scratch.Region region, long bytes) {
    return user -> region.whenKnown(address -> user.accept(address + bytes));
  }

  private static Kernel reference(Cpu cpu, Binding b, Convolution conv) {
    qt_conv2d_codes_args args =
        referenceArgs(
            conv,
            NativeTypes.codeType(b.input(0)),
            b.input(0).address(),
            b.input(2).address(),
            b.input(3).address(),
            b.output(0).address());
    return cpu.kernel(b, args, QuantrainNative::qt_conv2d_codes).lowered("integer loops");
  }

  static qt_conv2d_codes_args referenceArgs(
      Convolution conv, int codeType, long x, long zeroPoint, long w, long acc) {
    qt_conv2d_codes_args args =
        new qt_conv2d_codes_args()
            .x(At.any(x))
            .x_zero_point(At.ints(zeroPoint))
            .w(At.bytes(w))
            .acc(At.ints(acc))
            .k(conv.k())
            .groups(conv.groups())
            .dilation_h(conv.geometry().dilationH())
            .dilation_w(conv.geometry().dilationW())
            .code_type(codeType);
    conv.describe(args.window());
    return args;
  }

  private static Kernel referenceLinear(Cpu cpu, Binding b, Convolution conv) {
    qt_gemm_codes_args args =
        new qt_gemm_codes_args()
            .x(At.any(b.input(0)))
            .x_zero_point(At.ints(b.input(2)))
            .w(At.bytes(b.input(3)))
            .acc(At.ints(b.output(0)))
            .rows(conv.n())
            .in(conv.c())
            .out(conv.k())
            .code_type(NativeTypes.codeType(b.input(0)));
    return cpu.kernel(b, args, QuantrainNative::qt_gemm_codes).lowered("integer loops");
  }
}
