package org.quantrain.kernel;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.DynamicTest.dynamicTest;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.function.BiConsumer;
import java.util.stream.Stream;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.ShortPointer;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.quantrain.internal.bind.QuantrainNative;
import org.quantrain.internal.bind.qt_add_args;
import org.quantrain.internal.bind.qt_binary_args;
import org.quantrain.internal.bind.qt_layer_norm_args;
import org.quantrain.internal.bind.qt_layer_norm_backward_args;
import org.quantrain.internal.bind.qt_leaky_relu_args;
import org.quantrain.internal.bind.qt_leaky_relu_backward_args;
import org.quantrain.internal.bind.qt_reduce_args;
import org.quantrain.internal.bind.qt_relu_args;
import org.quantrain.internal.bind.qt_relu_backward_args;
import org.quantrain.internal.bind.qt_softmax_args;
import org.quantrain.internal.bind.qt_softmax_backward_args;
import org.quantrain.internal.bind.qt_unary_args;
import org.quantrain.internal.bind.qt_unary_backward_args;
import org.quantrain.internal.bind.qt_where_args;
import org.quantrain.testkit.Bfloat16;

/**
 * Kernels on activations in bf16 do what they do in float32, which has oracles of its own: on the
 * same numbers their real results are those of float32, rounded once to nearest even, and what stays
 * float32 (statistics, gradients of parameters) has the same bits.
 */
class Bf16ActivationsTest {
  private static final int ROWS = 37;
  private static final int COLUMNS = 53;
  private static final int N = ROWS * COLUMNS;

  /** What a kernel wrote: a real tensor, and tensors that are float32 in either type. */
  private record Written(float[] real, float[]... floats) {}

  private interface Call {
    Written in(KernelMemory memory);
  }

  private final List<DynamicTest> tests = new ArrayList<>();

  @TestFactory
  Stream<DynamicTest> resultsInBf16AreThoseOfFloat32Rounded() {
    relu();
    leakyRelu();
    add();
    unary();
    binary();
    where();
    reduce();
    softmax();
    layerNorm();
    return tests.stream();
  }

  /** Arithmetic would make a NaN quiet. */
  @Test
  void whereCopiesTheBitsOfEveryNumber() {
    short[] bits = {0x7f81, (short) 0xffbf, 0x0001, (short) 0x8000};
    try (Kernels kernels = Kernels.open(null);
        KernelMemory memory = new KernelMemory(kernels, true);
        ShortPointer a = new ShortPointer(bits);
        ShortPointer y = new ShortPointer(bits.length)) {
      qt_where_args args =
          new qt_where_args()
              .condition(memory.floats(1, 1, 1, 1))
              .a(a)
              .b(memory.real(new float[bits.length]))
              .y(y)
              .element_type(memory.elementType());
      dense(args, bits.length);
      memory.run(QuantrainNative::qt_where, args);
      short[] copied = new short[bits.length];
      y.get(copied);
      assertArrayEquals(bits, copied);
    }
  }

  private static void dense(qt_where_args args, int n) {
    for (int d = 0; d < 6; d++) {
      args.size(d, d == 5 ? n : 1);
      args.condition_stride(d, d == 5 ? 1 : 0);
      args.a_stride(d, d == 5 ? 1 : 0);
      args.b_stride(d, d == 5 ? 1 : 0);
    }
  }

  private void test(String name, Call call) {
    tests.add(
        dynamicTest(
            name,
            () -> {
              Written float32 = run(call, false);
              Written bf16 = run(call, true);
              float[] rounded = new float[float32.real.length];
              for (int i = 0; i < rounded.length; i++) {
                rounded[i] = Bfloat16.round(float32.real[i]);
              }
              assertArrayEquals(rounded, bf16.real);
              for (int i = 0; i < float32.floats.length; i++) {
                assertArrayEquals(float32.floats[i], bf16.floats[i], "float32 output " + i);
              }
            }));
  }

  /** Likewise of a kernel that writes one real tensor. */
  private void test(String name, int n, BiConsumer<KernelMemory, Pointer> call) {
    test(
        name,
        memory -> {
          Pointer result = unwritten(memory, n);
          call.accept(memory, result);
          return new Written(memory.real(result, n));
        });
  }

  private static Written run(Call call, boolean bf16) {
    try (Kernels kernels = Kernels.open(null);
        KernelMemory memory = new KernelMemory(kernels, bf16)) {
      return call.in(memory);
    }
  }

  /** Numbers that bf16 has, between them both zeros, its smallest and largest ones, and no numbers. */
  private static float[] edges(int n, int seed) {
    float[] special = {
      0,
      -0f,
      0x1p-133f,
      -0x1p-133f,
      0x1p-126f,
      Bfloat16.widen((short) 0x7f7f),
      Bfloat16.widen((short) 0xff7f),
      Float.POSITIVE_INFINITY,
      Float.NEGATIVE_INFINITY,
      Float.NaN
    };
    float[] values = ordinary(n, seed);
    Random random = new Random(seed + 1);
    for (int i = 0; i < n; i += 1 + random.nextInt(20)) {
      values[i] = special[random.nextInt(special.length)];
    }
    return values;
  }

  private static float[] ordinary(int n, int seed) {
    Random random = new Random(seed);
    float[] values = new float[n];
    for (int i = 0; i < n; i++) {
      values[i] = Bfloat16.round((float) (3 * random.nextGaussian()));
    }
    return values;
  }

  private static Pointer unwritten(KernelMemory memory, int n) {
    float[] values = new float[n];
    Arrays.fill(values, Float.NaN);
    return memory.real(values);
  }

  private void relu() {
    for (float upper : new float[] {Float.POSITIVE_INFINITY, 6}) {
      test(
          "relu up to " + upper,
          N,
          (memory, y) ->
              memory.run(
                  QuantrainNative::qt_relu,
                  new qt_relu_args()
                      .x(memory.real(edges(N, 1)))
                      .y(y)
                      .n(N)
                      .upper(upper)
                      .element_type(memory.elementType())));
      test(
          "relu_backward up to " + upper,
          N,
          (memory, dx) ->
              memory.run(
                  QuantrainNative::qt_relu_backward,
                  new qt_relu_backward_args()
                      .y(memory.real(edges(N, 2)))
                      .dy(memory.real(edges(N, 3)))
                      .dx(dx)
                      .n(N)
                      .upper(upper)
                      .element_type(memory.elementType())));
    }
  }

  private void leakyRelu() {
    test(
        "leaky_relu",
        N,
        (memory, y) ->
            memory.run(
                QuantrainNative::qt_leaky_relu,
                new qt_leaky_relu_args()
                    .x(memory.real(edges(N, 4)))
                    .y(y)
                    .n(N)
                    .slope(0.01f)
                    .element_type(memory.elementType())));
    test(
        "leaky_relu_backward",
        N,
        (memory, dx) ->
            memory.run(
                QuantrainNative::qt_leaky_relu_backward,
                new qt_leaky_relu_backward_args()
                    .x(memory.real(edges(N, 5)))
                    .dy(memory.real(edges(N, 6)))
                    .dx(dx)
                    .n(N)
                    .slope(0.01f)
                    .element_type(memory.elementType())));
  }

  private void add() {
    test(
        "add",
        N,
        (memory, y) ->
            memory.run(
                QuantrainNative::qt_add,
                new qt_add_args()
                    .a(memory.real(edges(N, 7)))
                    .b(memory.real(edges(N, 8)))
                    .y(y)
                    .n(N)
                    .element_type(memory.elementType())));
  }

  private void unary() {
    for (int k = QuantrainNative.QT_UNARY_AFFINE; k <= QuantrainNative.QT_UNARY_CLIP; k++) {
      int kind = k;
      test(
          "unary of kind " + kind,
          N,
          (memory, y) ->
              memory.run(
                  QuantrainNative::qt_unary,
                  new qt_unary_args()
                      .x(memory.real(edges(N, 9)))
                      .y(y)
                      .n(N)
                      .kind(kind)
                      .alpha(0.2f)
                      .beta(0.5f)
                      .element_type(memory.elementType())));
      test(
          "unary_backward of kind " + kind,
          N,
          (memory, dx) ->
              memory.run(
                  QuantrainNative::qt_unary_backward,
                  new qt_unary_backward_args()
                      .x(memory.real(edges(N, 10)))
                      .dy(memory.real(edges(N, 11)))
                      .dx(dx)
                      .n(N)
                      .kind(kind)
                      .alpha(0.2f)
                      .beta(0.5f)
                      .element_type(memory.elementType())));
    }
  }

  private void binary() {
    for (int k = QuantrainNative.QT_BINARY_ADD; k <= QuantrainNative.QT_BINARY_LESS; k++) {
      int kind = k;
      // Whether the second operand goes on with the rows and with the columns.
      for (int[] strides : new int[][] {{COLUMNS, 1}, {0, 1}, {1, 0}, {0, 0}, {1, ROWS}}) {
        test(
            "binary of kind " + kind + ", strides " + strides[0] + " and " + strides[1],
            N,
            (memory, y) -> {
              qt_binary_args args =
                  new qt_binary_args()
                      .a(memory.real(edges(N, 12)))
                      .b(memory.real(edges(N, 13)))
                      .y(y)
                      .kind(kind)
                      .element_type(memory.elementType());
              for (int d = 0; d < 6; d++) {
                args.size(d, d < 4 ? 1 : d == 4 ? ROWS : COLUMNS);
                args.a_stride(d, d < 4 ? 0 : d == 4 ? COLUMNS : 1);
                args.b_stride(d, d < 4 ? 0 : strides[d - 4]);
              }
              memory.run(QuantrainNative::qt_binary, args);
            });
      }
    }
  }

  private void where() {
    test(
        "where",
        N,
        (memory, y) -> {
          float[] condition = new float[N];
          for (int i = 0; i < N; i++) {
            condition[i] = i % 3 == 0 ? 0 : i % 7 == 0 ? Float.NaN : 1;
          }
          qt_where_args args =
              new qt_where_args()
                  .condition(memory.floats(condition))
                  .a(memory.real(edges(N, 14)))
                  .b(memory.real(edges(N, 15)))
                  .y(y)
                  .element_type(memory.elementType());
          dense(args, N);
          memory.run(QuantrainNative::qt_where, args);
        });
  }

  private void reduce() {
    int[][] shapes = {{ROWS, COLUMNS, 1}, {1, ROWS, COLUMNS}, {1, N, 1}};
    for (int k = QuantrainNative.QT_REDUCE_SUM; k <= QuantrainNative.QT_REDUCE_MIN; k++) {
      int kind = k;
      for (int[] shape : shapes) {
        for (boolean numbers : new boolean[] {true, false}) {
          test(
              "reduce of kind "
                  + kind
                  + ", "
                  + shape[1]
                  + " elements"
                  + (numbers ? "" : " with NaN and infinities"),
              shape[0] * shape[2],
              (memory, y) ->
                  memory.run(
                      QuantrainNative::qt_reduce,
                      new qt_reduce_args()
                          .x(memory.real(numbers ? ordinary(N, 16) : edges(N, 17)))
                          .y(y)
                          .outer(shape[0])
                          .n(shape[1])
                          .inner(shape[2])
                          .kind(kind)
                          .element_type(memory.elementType())));
        }
      }
    }
  }

  private void softmax() {
    for (boolean numbers : new boolean[] {true, false}) {
      test(
          "softmax" + (numbers ? "" : " with NaN and infinities"),
          N,
          (memory, y) ->
              memory.run(
                  QuantrainNative::qt_softmax,
                  new qt_softmax_args()
                      .x(memory.real(numbers ? ordinary(N, 18) : edges(N, 19)))
                      .y(y)
                      .rows(ROWS)
                      .n(COLUMNS)
                      .element_type(memory.elementType())));
    }
    test(
        "softmax_backward",
        N,
        (memory, dx) ->
            memory.run(
                QuantrainNative::qt_softmax_backward,
                new qt_softmax_backward_args()
                    .y(memory.real(ordinary(N, 20)))
                    .dy(memory.real(ordinary(N, 21)))
                    .dx(dx)
                    .rows(ROWS)
                    .n(COLUMNS)
                    .element_type(memory.elementType())));
  }

  private void layerNorm() {
    test(
        "layer_norm",
        memory -> {
          Pointer y = unwritten(memory, N);
          FloatPointer mean = memory.unwritten(ROWS);
          FloatPointer rstd = memory.unwritten(ROWS);
          memory.run(
              QuantrainNative::qt_layer_norm,
              new qt_layer_norm_args()
                  .x(memory.real(ordinary(N, 22)))
                  .gamma(memory.floats(ordinary(COLUMNS, 23)))
                  .beta(memory.floats(ordinary(COLUMNS, 24)))
                  .y(y)
                  .mean(mean)
                  .rstd(rstd)
                  .rows(ROWS)
                  .n(COLUMNS)
                  .epsilon(1e-5f)
                  .element_type(memory.elementType()));
          return new Written(
              memory.real(y, N), KernelMemory.floats(mean, ROWS), KernelMemory.floats(rstd, ROWS));
        });
    test(
        "layer_norm_backward",
        memory -> {
          Pointer dx = unwritten(memory, N);
          FloatPointer dgamma = memory.unwritten(COLUMNS);
          FloatPointer dbeta = memory.unwritten(COLUMNS);
          memory.run(
              QuantrainNative::qt_layer_norm_backward,
              new qt_layer_norm_backward_args()
                  .x(memory.real(ordinary(N, 25)))
                  .dy(memory.real(ordinary(N, 26)))
                  .gamma(memory.floats(ordinary(COLUMNS, 27)))
                  .mean(memory.floats(ordinary(ROWS, 28)))
                  .rstd(memory.floats(ordinary(ROWS, 29)))
                  .dx(dx)
                  .dgamma(dgamma)
                  .dbeta(dbeta)
                  .rows(ROWS)
                  .n(COLUMNS)
                  .element_type(memory.elementType()));
          return new Written(
              memory.real(dx, N),
              KernelMemory.floats(dgamma, COLUMNS),
              KernelMemory.floats(dbeta, COLUMNS));
        });
  }
}
