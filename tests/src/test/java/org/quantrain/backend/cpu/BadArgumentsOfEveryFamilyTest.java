package org.quantrain.backend.cpu;

import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.IntPointer;
import org.bytedeco.javacpp.LongPointer;
import org.bytedeco.javacpp.Pointer;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;
import org.quantrain.backend.shared.Steps;
import org.quantrain.backend.shared.Strides;
import org.quantrain.internal.bind.QuantrainNative;
import org.quantrain.internal.bind.qt_acc_stats_args;
import org.quantrain.internal.bind.qt_adamw_args;
import org.quantrain.internal.bind.qt_add_codes_args;
import org.quantrain.internal.bind.qt_apot_args;
import org.quantrain.internal.bind.qt_batch_norm_args;
import org.quantrain.internal.bind.qt_binary_args;
import org.quantrain.internal.bind.qt_conv2d_backward_weights_args;
import org.quantrain.internal.bind.qt_conv_bn_fold_args;
import org.quantrain.internal.bind.qt_dorefa_activation_args;
import org.quantrain.internal.bind.qt_epilogue_args;
import org.quantrain.internal.bind.qt_gather_args;
import org.quantrain.internal.bind.qt_gather_backward_args;
import org.quantrain.internal.bind.qt_gemm_codes_args;
import org.quantrain.internal.bind.qt_global_pool_sum_args;
import org.quantrain.internal.bind.qt_layer_norm_args;
import org.quantrain.internal.bind.qt_lsq_backward_args;
import org.quantrain.internal.bind.qt_matmul_codes_args;
import org.quantrain.internal.bind.qt_max_pool_args;
import org.quantrain.internal.bind.qt_min_max_args;
import org.quantrain.internal.bind.qt_pack_codes_args;
import org.quantrain.internal.bind.qt_pact_qparams_args;
import org.quantrain.internal.bind.qt_quantize_weight_args;
import org.quantrain.internal.bind.qt_reduce_args;
import org.quantrain.internal.bind.qt_requantize_args;
import org.quantrain.internal.bind.qt_requantize_fixed_args;
import org.quantrain.internal.bind.qt_softmax_args;
import org.quantrain.internal.bind.qt_softmax_cross_entropy_args;
import org.quantrain.internal.bind.qt_stochastic_quantize_args;
import org.quantrain.internal.bind.qt_strided_copy_args;
import org.quantrain.internal.bind.qt_transpose_args;
import org.quantrain.internal.bind.qt_unary_args;
import org.quantrain.internal.bind.qt_update_range_args;
import org.quantrain.internal.bind.qt_where_args;
import org.quantrain.runtime.QuantrainException;

/**
 * A kernel or two of every family: the call is valid, and each change to it is refused with the
 * kernel and the field in the text. {@link BadArgumentsTest} has one kernel in all detail.
 */
class BadArgumentsOfEveryFamilyTest {
  private static final int ROWS = 4;
  private static final int CHANNELS = 8;
  private static final int N = ROWS * CHANNELS;

  private static Cpu cpu;

  private final List<DynamicTest> tests = new ArrayList<>();

  @BeforeAll
  static void open() {
    cpu = new Cpu(1, null);
  }

  @AfterAll
  static void close() {
    cpu.close();
  }

  /** A kernel and how a valid call of it is made. */
  private final class Family<A extends Pointer> {
    private final String kernel;
    private final Supplier<A> valid;
    private final Cpu.NativeKernel<A> function;

    Family(String kernel, Supplier<A> valid, Cpu.NativeKernel<A> function) {
      this.kernel = kernel;
      this.valid = valid;
      this.function = function;
      tests.add(DynamicTest.dynamicTest(kernel + " runs", () -> run(args -> {})));
    }

    private void run(Consumer<A> change) {
      A args = valid.get();
      change.accept(args);
      try (Steps.Step step = cpu.call(null, args, function)) {
        step.run();
      }
    }

    Family<A> refuses(String text, Consumer<A> change) {
      String expected = "[" + kernel + "] " + text;
      tests.add(
          DynamicTest.dynamicTest(
              expected,
              () -> {
                QuantrainException e = assertThrows(QuantrainException.class, () -> run(change));
                assertTrue(e.getMessage().startsWith(expected), e.getMessage());
              }));
      return this;
    }
  }

  /** Memory a few bytes behind a buffer's beginning. */
  private static final class Behind extends Pointer {
    Behind(Pointer p, long bytes) {
      address = p.address() + bytes;
    }
  }

  private static FloatPointer floats(float value) {
    FloatPointer p = new FloatPointer(N);
    for (int i = 0; i < N; i++) {
      p.put(i, value);
    }
    return p;
  }

  private static IntPointer ints(int value) {
    IntPointer p = new IntPointer(N);
    for (int i = 0; i < N; i++) {
      p.put(i, value);
    }
    return p;
  }

  private static BytePointer bytes() {
    return new BytePointer(Pointer.calloc(N, 1)).capacity(N);
  }

  private static LongPointer longs() {
    LongPointer p = new LongPointer(2 * N);
    Pointer.memset(p, 0, 2L * N * Long.BYTES);
    return p;
  }

  private static <A extends Pointer> A zeroed(A args) {
    Pointer.memset(args, 0, args.sizeof());
    return args;
  }

  @TestFactory
  Stream<DynamicTest> everyFamilyRefusesBadArguments() {
    quantize();
    learned();
    others();
    observe();
    accumulator();
    codes();
    contracts();
    foldOfBatchNorm();
    epilogue();
    layers();
    products();
    tensors();
    optimizer();
    return tests.stream();
  }

  private void quantize() {
    new Family<>(
            "quantize_weight",
            () ->
                zeroed(new qt_quantize_weight_args())
                    .w(floats(1))
                    .codes(bytes())
                    .scale(floats(0))
                    .channels(CHANNELS)
                    .inner(ROWS)
                    .qmin(-7)
                    .qmax(7),
            QuantrainNative::qt_quantize_weight)
        .refuses("w: expected a pointer, got null", a -> a.w(null))
        .refuses("scale: expected a pointer, got null", a -> a.scale(null))
        .refuses("power_of_two: expected 0..1, got 2", a -> a.power_of_two(2))
        .refuses(
            "w: expected an address aligned to 4 bytes",
            a -> a.w(new FloatPointer(new Behind(a.w(), 1))))
        .refuses(
            "codes: expected no overlap with w",
            a -> a.codes(new BytePointer(new Behind(a.w(), 16))))
        .refuses("channels, inner: expected sizes >= 0", a -> a.channels(-1))
        .refuses(
            "channels, inner: expected at most 2^48 elements",
            a -> a.channels(Long.MAX_VALUE).inner(Long.MAX_VALUE))
        .refuses("qmax: ", a -> a.qmin(0).qmax(0))
        .refuses("qmax: ", a -> a.qmin(-65535).qmax(65535))
        .refuses("qmax: ", a -> a.qmax(Integer.MIN_VALUE))
        .refuses("qmin: ", a -> a.qmin(0));
  }

  private void learned() {
    new Family<>(
            "lsq_backward",
            () ->
                zeroed(new qt_lsq_backward_args())
                    .x(floats(1))
                    .dy(floats(1))
                    .scale(floats(1))
                    .zero_point(ints(0))
                    .dx(floats(0))
                    .dscale(floats(0))
                    .outer(ROWS)
                    .channels(CHANNELS)
                    .inner(1)
                    .qmin(-8)
                    .qmax(7)
                    .gradient_scale(1),
            QuantrainNative::qt_lsq_backward)
        .refuses("dscale: expected a pointer, got null", a -> a.dscale(null))
        .refuses("dy: expected an address aligned to 4 bytes", a -> a.dy(new Behind(a.dy(), 2)))
        .refuses("dx: expected no overlap with x", a -> a.dx(a.x()))
        .refuses("dx: expected no overlap with dy", a -> a.dx(new Behind(a.dy(), 4)))
        .refuses("outer, channels, inner: expected sizes >= 0", a -> a.inner(Long.MIN_VALUE))
        .refuses("qmax: expected > qmin", a -> a.qmin(0).qmax(0))
        .refuses("qmax: ", a -> a.qmax((1 << 17) - 1))
        .refuses("element_type: ", a -> a.element_type(QuantrainNative.QT_ELEMENT_U8))
        .refuses("scale[7]: expected > 0, got 0", a -> a.scale().put(7, 0))
        .refuses("scale[7]: expected > 0, got -1", a -> a.scale().put(7, -1))
        .refuses("scale[0]: expected > 0, got ", a -> a.scale().put(0, Float.NaN))
        .refuses("zero_point[3]: expected -8..7, got 8", a -> a.zero_point().put(3, 8))
        .refuses("gradient_scale: ", a -> a.gradient_scale(Float.NaN));
    new Family<>(
            "pact_qparams",
            () ->
                zeroed(new qt_pact_qparams_args())
                    .alpha(floats(1))
                    .scale(floats(0))
                    .zero_point(ints(0))
                    .channels(CHANNELS)
                    .qmin(-7)
                    .qmax(7)
                    .is_signed(1),
            QuantrainNative::qt_pact_qparams)
        .refuses("is_signed: ", a -> a.is_signed(2))
        .refuses("qmin: ", a -> a.qmin(-8))
        .refuses("qmax: ", a -> a.qmax(Integer.MIN_VALUE))
        .refuses("channels: ", a -> a.channels(-1));
  }

  private void others() {
    new Family<>(
            "stochastic_quantize",
            () -> {
              qt_stochastic_quantize_args a =
                  zeroed(new qt_stochastic_quantize_args())
                      .x(floats(1))
                      .scale(floats(1))
                      .zero_point(ints(0))
                      .codes(bytes())
                      .outer(1)
                      .channels(1)
                      .inner(N)
                      .qmin(-8)
                      .qmax(7)
                      .code_type(QuantrainNative.QT_S8);
              a.draws().step(longs());
              return a;
            },
            QuantrainNative::qt_stochastic_quantize)
        .refuses("draws.step: expected a pointer, got null", a -> a.draws().step(null))
        .refuses("x: expected an address aligned to 4 bytes", a -> a.x(new Behind(a.x(), 3)))
        .refuses("codes: expected no overlap with x", a -> a.codes(a.x()))
        .refuses("outer, channels, inner: expected sizes >= 0", a -> a.outer(-1))
        .refuses("qmax: ", a -> a.qmax(128))
        .refuses("code_type: ", a -> a.code_type(QuantrainNative.QT_U16))
        .refuses("scale[0]: expected > 0", a -> a.scale().put(0, Float.NaN))
        .refuses("zero_point[0]: ", a -> a.zero_point().put(0, -129));
    new Family<>(
            "dorefa_activation",
            () -> zeroed(new qt_dorefa_activation_args()).x(floats(1)).y(floats(0)).n(N).bits(2),
            QuantrainNative::qt_dorefa_activation)
        .refuses("bits: expected 1..16, got 0", a -> a.bits(0))
        .refuses("bits: expected 1..16, got 17", a -> a.bits(17));
    new Family<>(
            "apot",
            () ->
                zeroed(new qt_apot_args())
                    .x(floats(1))
                    .alpha(floats(1))
                    .y(floats(0))
                    .outer(ROWS)
                    .channels(CHANNELS)
                    .inner(1)
                    .bits(4),
            QuantrainNative::qt_apot)
        .refuses("bits: expected 2..6, got 0", a -> a.bits(0))
        .refuses("bits: expected 2..6, got 17", a -> a.bits(17));
  }

  private void observe() {
    new Family<>(
            "min_max",
            () ->
                zeroed(new qt_min_max_args())
                    .x(floats(1))
                    .min(floats(0))
                    .max(floats(0))
                    .nans(longs())
                    .outer(ROWS)
                    .channels(CHANNELS)
                    .inner(1),
            QuantrainNative::qt_min_max)
        .refuses("nans: expected a pointer, got null", a -> a.nans(null))
        .refuses(
            "nans: expected an address aligned to 8 bytes",
            a -> a.nans(new LongPointer(new Behind(a.nans(), 4))))
        .refuses("min: expected no overlap with max", a -> a.max(a.min()))
        .refuses("outer, channels, inner: expected sizes >= 0", a -> a.channels(-8));
    new Family<>(
            "update_range",
            () ->
                zeroed(new qt_update_range_args())
                    .batch_min(floats(-1))
                    .batch_max(floats(1))
                    .range_min(floats(0))
                    .range_max(floats(0))
                    .count(ints(0))
                    .momentum(floats(0.1f))
                    .channels(CHANNELS),
            QuantrainNative::qt_update_range)
        .refuses("momentum: ", a -> a.momentum().put(0, 0))
        .refuses("momentum: ", a -> a.momentum().put(0, 1.5f))
        .refuses("momentum: ", a -> a.momentum().put(0, Float.NaN))
        .refuses("count: ", a -> a.count().put(0, -1))
        .refuses("rule: ", a -> a.rule(QuantrainNative.QT_RANGE_EMA_DEBIASED + 1))
        .refuses(
            "weight: expected a pointer, got null",
            a -> a.rule(QuantrainNative.QT_RANGE_EMA_DEBIASED));
  }

  private void accumulator() {
    new Family<>(
            "acc_stats",
            () ->
                zeroed(new qt_acc_stats_args())
                    .acc(ints(1))
                    .sum(longs())
                    .sum_squares(longs())
                    .min(ints(0))
                    .max(ints(0))
                    .rows(ROWS)
                    .channels(CHANNELS),
            QuantrainNative::qt_acc_stats)
        .refuses("rows: ", a -> a.rows(0))
        .refuses("rows, channels: ", a -> a.channels(Long.MAX_VALUE))
        .refuses(
            "sum: expected no overlap with sum_squares",
            a -> a.sum(new LongPointer(new Behind(a.sum_squares(), 8))));
    new Family<>(
            "requantize",
            () ->
                zeroed(new qt_requantize_args())
                    .acc(ints(1))
                    .multiplier(floats(1))
                    .zero_point(ints(0))
                    .codes(bytes())
                    .rows(ROWS)
                    .channels(CHANNELS)
                    .qmin(-8)
                    .qmax(7)
                    .code_type(QuantrainNative.QT_S8),
            QuantrainNative::qt_requantize)
        .refuses("multiplier: expected a pointer, got null", a -> a.multiplier(null))
        .refuses(
            "acc: expected an address aligned to 4 bytes",
            a -> a.acc(new IntPointer(new Behind(a.acc(), 1))))
        .refuses("codes: expected no overlap with acc", a -> a.codes(a.acc()))
        .refuses("rows, channels: expected sizes >= 0", a -> a.rows(-4))
        .refuses("qmax: ", a -> a.qmax(128))
        .refuses("relu: ", a -> a.relu(-1))
        .refuses("zero_point[0]: ", a -> a.zero_point().put(0, -9));
  }

  private void codes() {
    new Family<>(
            "add_codes",
            () ->
                zeroed(new qt_add_codes_args())
                    .a(bytes())
                    .b(bytes())
                    .a_scale(floats(1))
                    .a_zero_point(ints(0))
                    .b_scale(floats(1))
                    .b_zero_point(ints(0))
                    .y_scale(floats(1))
                    .y_zero_point(ints(0))
                    .y(bytes())
                    .n(N)
                    .qmin(0)
                    .qmax(255),
            QuantrainNative::qt_add_codes)
        .refuses("a_scale: expected a pointer, got null", a -> a.a_scale(null))
        .refuses(
            "b_scale: expected an address aligned to 4 bytes",
            a -> a.b_scale(new FloatPointer(new Behind(a.b_scale(), 1))))
        .refuses("y: expected no overlap with a", a -> a.y(new Behind(a.a(), 1)))
        .refuses("n: expected sizes >= 0", a -> a.n(-1))
        .refuses("qmax: ", a -> a.qmax(256))
        .refuses("y_scale[0]: expected > 0, got 0", a -> a.y_scale().put(0, 0))
        .refuses("b_scale[0]: expected > 0, got ", a -> a.b_scale().put(0, Float.NaN))
        .refuses(
            "a_scale[0]: expected a finite value", a -> a.a_scale().put(0, Float.POSITIVE_INFINITY))
        .refuses("a_zero_point[0]: ", a -> a.a_zero_point().put(0, 256));
    new Family<>(
            "global_pool_sum",
            () ->
                zeroed(new qt_global_pool_sum_args())
                    .x(bytes())
                    .zero_point(ints(0))
                    .acc(ints(0))
                    .n(1)
                    .hw(ROWS)
                    .c(CHANNELS),
            QuantrainNative::qt_global_pool_sum)
        // No cell, and yet an output of 2^80 elements.
        .refuses("n, c: expected at most 2^48", a -> a.n(1L << 40).hw(0).c(1L << 40));
    new Family<>(
            "gemm_codes",
            () ->
                zeroed(new qt_gemm_codes_args())
                    .x(bytes())
                    .x_zero_point(ints(0))
                    .w(bytes())
                    .acc(ints(0))
                    .rows(ROWS)
                    .in(CHANNELS)
                    .out(ROWS),
            QuantrainNative::qt_gemm_codes)
        .refuses("out, in: expected sizes >= 0", a -> a.out(-1))
        .refuses("rows, out: expected at most 2^48", a -> a.rows(1L << 40).in(0).out(1L << 40));
    new Family<>(
            "matmul_codes",
            () ->
                zeroed(new qt_matmul_codes_args())
                    .a(bytes())
                    .a_zero_point(ints(0))
                    .b(bytes())
                    .b_zero_point(ints(0))
                    .acc(ints(0))
                    .pairs(1)
                    .rows(ROWS)
                    .in(CHANNELS)
                    .out(ROWS),
            QuantrainNative::qt_matmul_codes)
        .refuses("pairs, in, out: expected sizes >= 0", a -> a.out(-1))
        .refuses("b_zero_point[0]: ", a -> a.b_zero_point().put(0, 256))
        .refuses(
            "pairs, rows, out: expected at most 2^48",
            a -> a.pairs(1L << 20).rows(1L << 20).in(0).out(1L << 20));
  }

  private void contracts() {
    new Family<>(
            "requantize_fixed",
            () ->
                zeroed(new qt_requantize_fixed_args())
                    .acc(ints(1))
                    .multiplier(ints(1 << 30))
                    .shift(ints(0))
                    .zero_point(ints(0))
                    .codes(bytes())
                    .rows(ROWS)
                    .channels(CHANNELS)
                    .qmin(-8)
                    .qmax(7)
                    .code_type(QuantrainNative.QT_S8),
            QuantrainNative::qt_requantize_fixed)
        .refuses("shift: expected a pointer, got null", a -> a.shift(null))
        .refuses("shift[1]: expected -31..30, got 31", a -> a.shift().put(1, 31))
        .refuses("multiplier[0]: ", a -> a.multiplier().put(0, -1))
        .refuses("contract: ", a -> a.contract(99))
        .refuses("rows, channels: ", a -> a.channels(-1))
        .refuses(
            "acc: expected an address aligned to 4 bytes",
            a -> a.acc(new IntPointer(new Behind(a.acc(), 2))))
        .refuses("codes: expected no overlap with acc", a -> a.codes(a.acc()));
    new Family<>(
            "pack_codes",
            () -> zeroed(new qt_pack_codes_args()).codes(bytes()).packed(bytes()).n(N).bits(4),
            QuantrainNative::qt_pack_codes)
        .refuses("bits: expected 1..8, got 0", a -> a.bits(0))
        .refuses("bits: expected 1..8, got 17", a -> a.bits(17))
        .refuses("bits: ", a -> a.n(1L << 48).bits(Integer.MAX_VALUE))
        .refuses("n: expected at most 2^48", a -> a.n(1L << 48));
  }

  private void foldOfBatchNorm() {
    new Family<>(
            "conv_bn_fold",
            () ->
                zeroed(new qt_conv_bn_fold_args())
                    .w(floats(1))
                    .gamma(floats(1))
                    .running_var(floats(1))
                    .w_folded(floats(0))
                    .channels(CHANNELS)
                    .inner(ROWS)
                    .epsilon(1e-5f),
            QuantrainNative::qt_conv_bn_fold)
        .refuses("gamma: expected a pointer, got null", a -> a.gamma(null))
        .refuses(
            "w: expected an address aligned to 4 bytes",
            a -> a.w(new FloatPointer(new Behind(a.w(), 1))))
        .refuses("w_folded: expected no overlap with w", a -> a.w_folded(a.w()))
        .refuses("channels, inner: expected sizes >= 0", a -> a.inner(-1))
        .refuses("epsilon: expected > 0, got 0", a -> a.epsilon(0))
        .refuses("epsilon: expected > 0, got ", a -> a.epsilon(Float.NaN));
  }

  private void epilogue() {
    new Family<>(
            "epilogue",
            () ->
                zeroed(new qt_epilogue_args())
                    .acc(ints(1))
                    .out_scale(floats(1))
                    .y_scale(floats(1))
                    .y_zero_point(ints(0))
                    .codes(bytes())
                    .rows(ROWS)
                    .channels(CHANNELS)
                    .qmin(0)
                    .qmax(255)
                    .upper(6),
            QuantrainNative::qt_epilogue)
        .refuses("out_scale: expected a pointer, got null", a -> a.out_scale(null))
        .refuses("out_scale[2]: expected > 0, got -1", a -> a.out_scale().put(2, -1))
        .refuses("y_scale[0]: expected > 0, got ", a -> a.y_scale().put(0, Float.NaN))
        .refuses("y_zero_point[0]: ", a -> a.y_zero_point().put(0, 256))
        .refuses("lower: ", a -> a.lower(Float.NaN))
        .refuses("upper: ", a -> a.upper(-1))
        .refuses("min, max: expected all of them or none", a -> a.min(floats(0)))
        .refuses("qmax: ", a -> a.qmax(256))
        .refuses("rows, channels: ", a -> a.rows(-1))
        .refuses(
            "acc: expected an address aligned to 4 bytes",
            a -> a.acc(new IntPointer(new Behind(a.acc(), 1))))
        .refuses("codes: expected no overlap with acc", a -> a.codes(a.acc()));
  }

  private void layers() {
    new Family<>(
            "batch_norm",
            () ->
                zeroed(new qt_batch_norm_args())
                    .x(floats(1))
                    .mean(floats(0))
                    .var(floats(1))
                    .gamma(floats(1))
                    .beta(floats(0))
                    .y(floats(0))
                    .rows(ROWS)
                    .channels(CHANNELS)
                    .epsilon(1e-5f),
            QuantrainNative::qt_batch_norm)
        .refuses("beta: expected a pointer, got null", a -> a.beta(null))
        .refuses(
            "y: expected an address aligned to 4 bytes",
            a -> a.y(new FloatPointer(new Behind(a.y(), 1))))
        .refuses(
            "y: expected an address aligned to 2 bytes",
            a -> a.y(new Behind(a.y(), 1)).element_type(QuantrainNative.QT_ELEMENT_BF16))
        .refuses("y: expected no overlap with x", a -> a.y(new FloatPointer(new Behind(a.x(), 4))))
        .refuses("element_type: ", a -> a.element_type(QuantrainNative.QT_ELEMENT_U8))
        .refuses("rows, channels: expected sizes >= 0", a -> a.channels(-1))
        .refuses("epsilon: ", a -> a.epsilon(-1));
    new Family<>(
            "max_pool",
            () -> {
              qt_max_pool_args a = zeroed(new qt_max_pool_args()).x(floats(1)).y(floats(0));
              a.window().n(1).h(2).w(2).c(CHANNELS).p(1).q(1);
              a.window().kernel_h(2).kernel_w(2).stride_h(2).stride_w(2);
              return a;
            },
            QuantrainNative::qt_max_pool)
        .refuses("window.kernel_h: ", a -> a.window().kernel_h(0))
        .refuses("window.stride_w: ", a -> a.window().stride_w(-1))
        .refuses("element_type: ", a -> a.element_type(QuantrainNative.QT_ELEMENT_BF16 + 1))
        .refuses("window.pad_top: ", a -> a.window().pad_top(2))
        .refuses("window.p: ", a -> a.window().p(2))
        .refuses("window: ", a -> a.window().h(-2));
    new Family<>(
            "transpose",
            () ->
                zeroed(new qt_transpose_args())
                    .x(floats(1))
                    .y(floats(0))
                    .n(1)
                    .h(2)
                    .w(2)
                    .c(CHANNELS)
                    .element_bytes(4),
            QuantrainNative::qt_transpose)
        .refuses("element_bytes: ", a -> a.n(1L << 40).element_bytes(1 << 30))
        .refuses("n, h, w, c: ", a -> a.c(-8));
  }

  /** Six dimensions, the last two of them ROWS and CHANNELS. */
  private static void matrix(Strides.Setter size) {
    for (int i = 0; i < 6; i++) {
      size.set(i, i == 4 ? ROWS : i == 5 ? CHANNELS : 1);
    }
  }

  private static void rows(Strides.Setter stride) {
    for (int i = 0; i < 6; i++) {
      stride.set(i, i == 4 ? CHANNELS : i == 5 ? 1 : 0);
    }
  }

  private void products() {
    new Family<>(
            "conv2d_backward_weights",
            () -> {
              qt_conv2d_backward_weights_args a =
                  zeroed(new qt_conv2d_backward_weights_args())
                      .x(bytes())
                      .x_scale(floats(1))
                      .x_zero_point(ints(0))
                      .dy(floats(1))
                      .dw(floats(0))
                      .k(1)
                      .dilation_h(1)
                      .dilation_w(1)
                      .x_type(QuantrainNative.QT_ELEMENT_U8);
              a.window().n(1).h(4).w(4).c(2).p(4).q(4);
              a.window().kernel_h(3).kernel_w(3).stride_h(1).stride_w(1).pad_top(1).pad_left(1);
              return a;
            },
            QuantrainNative::qt_conv2d_backward_weights)
        .refuses("x: expected a pointer, got null", a -> a.x(null))
        .refuses("x_scale: expected a pointer, got null", a -> a.x_scale(null))
        .refuses("x_scale[0]: expected > 0, got 0", a -> a.x_scale().put(0, 0))
        .refuses("x_zero_point[0]: ", a -> a.x_zero_point().put(0, 256))
        .refuses("x_type: ", a -> a.x_type(QuantrainNative.QT_ELEMENT_BF16))
        .refuses("k: ", a -> a.k(1L << 31))
        .refuses("dilation_h: ", a -> a.dilation_h(0))
        .refuses("window.pad_top: ", a -> a.window().pad_top(3))
        .refuses("window.pad_left: ", a -> a.window().pad_left(3))
        .refuses("window.p: ", a -> a.window().p(6))
        .refuses("window: ", a -> a.dilation_h(1 << 20).dilation_w(1 << 20).window().c(1 << 20))
        .refuses("dw: expected no overlap with dy", a -> a.dw(a.dy()));
  }

  private void tensors() {
    new Family<>(
            "unary",
            () ->
                zeroed(new qt_unary_args())
                    .x(floats(1))
                    .y(floats(0))
                    .n(N)
                    .kind(QuantrainNative.QT_UNARY_CLIP)
                    .alpha(0)
                    .beta(6),
            QuantrainNative::qt_unary)
        .refuses("kind: expected 0..19, got 20", a -> a.kind(20))
        .refuses("element_type: ", a -> a.element_type(QuantrainNative.QT_ELEMENT_U8))
        .refuses("kind: expected 0..19, got -1", a -> a.kind(-1))
        .refuses("alpha: expected a number", a -> a.alpha(Float.NaN))
        .refuses("alpha: expected at most beta", a -> a.alpha(7))
        .refuses("n: expected sizes >= 0", a -> a.n(-1))
        .refuses("y: expected no overlap with x", a -> a.y(new FloatPointer(new Behind(a.x(), 4))));
    new Family<>(
            "binary",
            () -> {
              qt_binary_args args =
                  zeroed(new qt_binary_args()).a(floats(1)).b(floats(2)).y(floats(0));
              matrix(args::size);
              rows(args::a_stride);
              args.b_stride(5, 1);
              return args;
            },
            QuantrainNative::qt_binary)
        .refuses("kind: expected 0..8, got 9", a -> a.kind(9))
        .refuses("element_type: ", a -> a.element_type(QuantrainNative.QT_ELEMENT_U8))
        .refuses("a_stride: expected 0..", a -> a.a_stride(5, -1))
        .refuses("b_stride: expected 0..", a -> a.b_stride(4, Long.MAX_VALUE))
        .refuses("size: expected sizes >= 0", a -> a.size(0, -1))
        .refuses("y: expected no overlap with b", a -> a.y(a.b()))
        .refuses("b: expected a pointer, got null", a -> a.b(null));
    new Family<>(
            "where",
            () -> {
              qt_where_args args =
                  zeroed(new qt_where_args())
                      .condition(floats(1))
                      .a(floats(1))
                      .b(floats(2))
                      .y(floats(0));
              matrix(args::size);
              rows(args::a_stride);
              return args;
            },
            QuantrainNative::qt_where)
        .refuses("condition: expected a pointer, got null", a -> a.condition(null))
        .refuses("element_type: ", a -> a.element_type(QuantrainNative.QT_ELEMENT_U8))
        .refuses("condition_stride: expected 0..", a -> a.condition_stride(5, -4))
        .refuses("y: expected no overlap with condition", a -> a.y(a.condition()));
    new Family<>(
            "strided_copy",
            () -> {
              qt_strided_copy_args args =
                  zeroed(new qt_strided_copy_args()).x(floats(1)).y(floats(0)).element_bytes(4);
              matrix(args::size);
              rows(args::x_stride);
              rows(args::y_stride);
              return args;
            },
            QuantrainNative::qt_strided_copy)
        .refuses("element_bytes: expected 1, 2 or 4", a -> a.element_bytes(3))
        .refuses("y_stride: expected 0..", a -> a.y_stride(4, -CHANNELS))
        .refuses("y_stride: expected strides that reach no element twice", a -> a.y_stride(4, 0))
        .refuses(
            "y_stride: expected strides that reach no element twice",
            a -> a.y_stride(4, CHANNELS - 1))
        .refuses("y: expected no overlap with x", a -> a.y(a.x()))
        .refuses("y: expected a pointer, got null", a -> a.y(null));
    new Family<>(
            "reduce",
            () ->
                zeroed(new qt_reduce_args())
                    .x(floats(1))
                    .y(floats(0))
                    .outer(ROWS)
                    .n(CHANNELS)
                    .inner(1),
            QuantrainNative::qt_reduce)
        .refuses("n: expected 1..", a -> a.n(0))
        .refuses("kind: expected 0..3, got 4", a -> a.kind(4))
        .refuses("element_type: ", a -> a.element_type(QuantrainNative.QT_ELEMENT_U8))
        .refuses("outer, n, inner: expected sizes >= 0", a -> a.outer(-1))
        .refuses("y: expected no overlap with x", a -> a.y(a.x()));
    new Family<>(
            "softmax",
            () -> zeroed(new qt_softmax_args()).x(floats(1)).y(floats(0)).rows(ROWS).n(CHANNELS),
            QuantrainNative::qt_softmax)
        .refuses("x: expected a pointer, got null", a -> a.x(null))
        .refuses("element_type: ", a -> a.element_type(QuantrainNative.QT_ELEMENT_U8))
        .refuses("rows, n: expected sizes >= 0", a -> a.rows(-1));
    new Family<>(
            "layer_norm",
            () ->
                zeroed(new qt_layer_norm_args())
                    .x(floats(1))
                    .gamma(floats(1))
                    .beta(floats(0))
                    .y(floats(0))
                    .rows(ROWS)
                    .n(CHANNELS)
                    .epsilon(1e-5f),
            QuantrainNative::qt_layer_norm)
        .refuses("n: expected 1..", a -> a.n(0))
        .refuses("epsilon: expected > 0", a -> a.epsilon(0))
        .refuses("element_type: ", a -> a.element_type(QuantrainNative.QT_ELEMENT_U8))
        .refuses("mean: expected no overlap with gamma", a -> a.mean(a.gamma()));
    new Family<>(
            "gather",
            () ->
                zeroed(new qt_gather_args())
                    .x(floats(1))
                    .indices(ints(3))
                    .y(floats(0))
                    .outer(1)
                    .axis(ROWS)
                    .inner(CHANNELS)
                    .count(ROWS)
                    .element_bytes(4),
            QuantrainNative::qt_gather)
        .refuses("indices[2]: expected 0..3, got 4", a -> a.indices().put(2, ROWS))
        .refuses("indices[0]: expected 0..3, got -1", a -> a.indices().put(0, -1))
        .refuses("element_bytes: expected 1, 2 or 4", a -> a.element_bytes(8));
    new Family<>(
            "gather_backward",
            () ->
                zeroed(new qt_gather_backward_args())
                    .dy(floats(1))
                    .indices(ints(3))
                    .dx(floats(0))
                    .outer(1)
                    .axis(ROWS)
                    .inner(CHANNELS)
                    .count(ROWS),
            QuantrainNative::qt_gather_backward)
        .refuses("indices[1]: expected 0..3, got 7", a -> a.indices().put(1, 7))
        .refuses("element_type: ", a -> a.element_type(QuantrainNative.QT_ELEMENT_S8))
        .refuses("dx: expected no overlap with dy", a -> a.dx(new FloatPointer(a.dy())));
  }

  private void optimizer() {
    new Family<>(
            "adamw",
            () ->
                zeroed(new qt_adamw_args())
                    .grad(floats(1))
                    .learning_rate(floats(0.1f))
                    .step(longs())
                    .segment_end(longs().put(0, N))
                    .segment_decay(floats(0))
                    .segments(1)
                    .param(floats(1))
                    .mean(floats(0))
                    .square(floats(0))
                    .n(N)
                    .beta1(0.9f)
                    .beta2(0.999f)
                    .epsilon(1e-8f),
            QuantrainNative::qt_adamw)
        .refuses("grad: expected a pointer, got null", a -> a.grad(null))
        .refuses(
            "param: expected an address aligned to 4 bytes",
            a -> a.param(new FloatPointer(new Behind(a.param(), 1))))
        .refuses("param: expected no overlap with grad", a -> a.param(a.grad()))
        .refuses("n: expected sizes >= 0", a -> a.n(-1))
        .refuses("beta1: ", a -> a.beta1(1))
        .refuses("beta2: ", a -> a.beta2(Float.NaN))
        .refuses("segment_end: ", a -> a.segment_end().put(0, N - 1));
    new Family<>(
            "softmax_cross_entropy",
            () ->
                zeroed(new qt_softmax_cross_entropy_args())
                    .logits(floats(1))
                    .labels(ints(0))
                    .loss(floats(0))
                    .correct(ints(0))
                    .rows(ROWS)
                    .classes(CHANNELS),
            QuantrainNative::qt_softmax_cross_entropy)
        .refuses("labels: ", a -> a.labels().put(0, CHANNELS))
        .refuses("labels: ", a -> a.labels().put(1, -2))
        .refuses("element_type: ", a -> a.element_type(QuantrainNative.QT_ELEMENT_U8))
        .refuses("smoothing: ", a -> a.smoothing(Float.NaN))
        .refuses("classes: ", a -> a.classes(0));
  }
}
