package org.quantrain.onnx;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import java.util.stream.IntStream;
import org.quantrain.graph.Op;
import org.quantrain.op.Add;
import org.quantrain.op.AveragePool;
import org.quantrain.op.BatchNorm;
import org.quantrain.op.Binary;
import org.quantrain.op.Concat;
import org.quantrain.op.Conv2d;
import org.quantrain.op.ConvTranspose2d;
import org.quantrain.op.Expand;
import org.quantrain.op.Flatten;
import org.quantrain.op.Gather;
import org.quantrain.op.GlobalAveragePool;
import org.quantrain.op.LayerNorm;
import org.quantrain.op.Linear;
import org.quantrain.op.MatMul;
import org.quantrain.op.MaxPool;
import org.quantrain.op.PRelu;
import org.quantrain.op.Pad;
import org.quantrain.op.Reduce;
import org.quantrain.op.Relu;
import org.quantrain.op.Reshape;
import org.quantrain.op.Resize;
import org.quantrain.op.Slice;
import org.quantrain.op.Softmax;
import org.quantrain.op.ToFloat;
import org.quantrain.op.Transpose;
import org.quantrain.op.Unary;
import org.quantrain.op.Where;
import org.quantrain.tensor.Shape;

/**
 * How each operation of a float network is written in operators of set 13. Operations that the set
 * does not have are written as exporters write them, which the reader recognizes.
 */
final class FloatOperators {
  private static final Map<Class<? extends Op>, Consumer<FloatNodeWriter>> WRITERS =
      new HashMap<>();

  private FloatOperators() {}

  static boolean has(Op op) {
    return WRITERS.containsKey(op.getClass());
  }

  static void write(FloatNodeWriter w) {
    WRITERS.get(w.node().op().getClass()).accept(w);
  }

  static {
    WRITERS.put(Conv2d.class, FloatOperators::conv);
    WRITERS.put(ConvTranspose2d.class, FloatOperators::convTranspose);
    WRITERS.put(BatchNorm.class, FloatOperators::batchNorm);
    WRITERS.put(Relu.class, FloatOperators::relu);
    WRITERS.put(Add.class, w -> w.last("Add", w.inputs()));
    WRITERS.put(Binary.class, FloatOperators::binary);
    WRITERS.put(Unary.class, FloatOperators::unary);
    WRITERS.put(PRelu.class, FloatOperators::prelu);
    WRITERS.put(Where.class, FloatOperators::where);
    WRITERS.put(ToFloat.class, w -> w.last("Cast", w.in(0)).with("to", OnnxTensor.FLOAT));
    WRITERS.put(MaxPool.class, FloatOperators::maxPool);
    WRITERS.put(AveragePool.class, FloatOperators::averagePool);
    WRITERS.put(GlobalAveragePool.class, w -> w.last("GlobalAveragePool", w.in(0)));
    WRITERS.put(Resize.class, FloatOperators::resize);
    WRITERS.put(Linear.class, w -> w.last("Gemm", w.inputs()).with("transB", 1));
    WRITERS.put(MatMul.class, FloatOperators::matMul);
    WRITERS.put(LayerNorm.class, FloatOperators::layerNorm);
    WRITERS.put(Softmax.class, FloatOperators::softmax);
    WRITERS.put(Reduce.class, FloatOperators::reduce);
    WRITERS.put(Flatten.class, w -> w.last("Flatten", w.in(0)).with("axis", 1));
    WRITERS.put(Reshape.class, FloatOperators::reshape);
    WRITERS.put(Transpose.class, FloatOperators::transpose);
    WRITERS.put(Slice.class, FloatOperators::slice);
    WRITERS.put(Concat.class, FloatOperators::concat);
    WRITERS.put(Pad.class, FloatOperators::pad);
    WRITERS.put(Expand.class, FloatOperators::expand);
    WRITERS.put(Gather.class, FloatOperators::gather);
  }

  private static void conv(FloatNodeWriter w) {
    Shape weights = w.node().input(1).spec().shape();
    OnnxWriter.convolution(w.last("Conv", w.inputs()), w.op(Conv2d.class).geometry(), weights);
  }

  private static void convTranspose(FloatNodeWriter w) {
    ConvTranspose2d op = w.op(ConvTranspose2d.class);
    Shape weights = w.node().input(1).spec().shape();
    var node = w.last("ConvTranspose", w.inputs());
    OnnxWriter.convolution(node, op.geometry(), weights);
    node.with("output_padding", new int[] {op.extraH(), op.extraW()});
  }

  private static void batchNorm(FloatNodeWriter w) {
    BatchNorm norm = w.op(BatchNorm.class);
    w.last("BatchNormalization", w.inputs())
        .with("epsilon", norm.epsilon())
        .with("momentum", NormalizationReaders.oneMinus(norm.momentum()));
  }

  private static void relu(FloatNodeWriter w) {
    float upper = w.op(Relu.class).upper();
    if (upper == Float.POSITIVE_INFINITY) {
      w.last("Relu", w.in(0));
    } else {
      w.last("Clip", w.in(0), w.scalar("min", 0), w.scalar("max", upper));
    }
  }

  private static void binary(FloatNodeWriter w) {
    Binary.Kind function = w.op(Binary.class).function();
    switch (function) {
      case ADD -> w.last("Add", w.inputs());
      case SUB -> w.last("Sub", w.inputs());
      case MUL -> w.last("Mul", w.inputs());
      case DIV -> w.last("Div", w.inputs());
      case MIN -> w.last("Min", w.inputs());
      case MAX -> w.last("Max", w.inputs());
      case EQUAL, LESS -> {
        String operator = function == Binary.Kind.EQUAL ? "Equal" : "Less";
        String holds = w.step("holds", operator, w.in(0), w.in(1));
        w.last("Cast", holds).with("to", OnnxTensor.FLOAT);
      }
    }
  }

  private static void unary(FloatNodeWriter w) {
    Unary op = w.op(Unary.class);
    String x = w.in(0);
    switch (op.function()) {
      case AFFINE -> affine(w, op);
      case ABS -> w.last("Abs", x);
      case EXP -> w.last("Exp", x);
      case LOG -> w.last("Log", x);
      case SQRT -> w.last("Sqrt", x);
      case RECIPROCAL -> w.last("Reciprocal", x);
      case POW -> w.last("Pow", x, w.scalar("exponent", op.alpha()));
      case SIGMOID -> w.last("Sigmoid", x);
      case TANH -> w.last("Tanh", x);
      case ERF -> w.last("Erf", x);
      case SOFTPLUS -> w.last("Softplus", x);
      case LEAKY_RELU -> w.last("LeakyRelu", x).with("alpha", op.alpha());
      case ELU -> w.last("Elu", x).with("alpha", op.alpha());
      case HARD_SIGMOID ->
          w.last("HardSigmoid", x).with("alpha", op.alpha()).with("beta", op.beta());
      case SILU -> w.last("Mul", x, w.step("sigmoid", "Sigmoid", x));
      case HARD_SWISH -> hardSwish(w, x);
      case GELU -> {
        String u = w.step("u", "Div", x, w.scalar("root2", Math.sqrt(2)));
        half(w, x, w.step("erf", "Erf", u));
      }
      case GELU_TANH -> {
        String cube = w.step("cube", "Pow", x, w.scalar("three", 3));
        String small = w.step("small", "Mul", cube, w.scalar("c", 0.044715));
        String sum = w.step("sum", "Add", x, small);
        String u = w.step("u", "Mul", sum, w.scalar("k", Math.sqrt(2 / Math.PI)));
        half(w, x, w.step("tanh", "Tanh", u));
      }
      case CLIP -> clip(w, op);
    }
  }

  /** x (1 + f) / 2. */
  private static void half(FloatNodeWriter w, String x, String f) {
    String sum = w.step("plus1", "Add", f, w.scalar("one", 1));
    w.last("Mul", w.step("product", "Mul", x, sum), w.scalar("half", 0.5));
  }

  private static void affine(FloatNodeWriter w, Unary op) {
    if (op.alpha() == -1 && op.beta() == 0) {
      w.last("Neg", w.in(0));
    } else if (op.beta() == 0) {
      w.last("Mul", w.in(0), w.scalar("alpha", op.alpha()));
    } else if (op.alpha() == 1) {
      w.last("Add", w.in(0), w.scalar("beta", op.beta()));
    } else if (op.alpha() == -1) {
      w.last("Sub", w.scalar("beta", op.beta()), w.in(0));
    } else {
      String scaled = w.step("scaled", "Mul", w.in(0), w.scalar("alpha", op.alpha()));
      w.last("Add", scaled, w.scalar("beta", op.beta()));
    }
  }

  private static void hardSwish(FloatNodeWriter w, String x) {
    String sum = w.step("plus3", "Add", x, w.scalar("three", 3));
    String clipped = w.step("clipped", "Clip", sum, w.scalar("zero", 0), w.scalar("six", 6));
    w.last("Div", w.step("product", "Mul", x, clipped), w.scalar("by", 6));
  }

  private static void clip(FloatNodeWriter w, Unary op) {
    List<String> in = new ArrayList<>(List.of(w.in(0)));
    in.add(Float.isInfinite(op.alpha()) ? "" : w.scalar("min", op.alpha()));
    if (Float.isFinite(op.beta())) {
      in.add(w.scalar("max", op.beta()));
    }
    w.last("Clip", in);
  }

  private static void prelu(FloatNodeWriter w) {
    String slope = w.in(1);
    int rank = w.node().input(0).spec().shape().rank();
    if (rank > 2) {
      List<Integer> behind = IntStream.range(1, rank - 1).boxed().toList();
      slope = w.step("slope", "Unsqueeze", slope, w.integers("axes", behind));
    }
    w.last("PRelu", w.in(0), slope);
  }

  private static void where(FloatNodeWriter w) {
    String condition = w.step("condition", "Cast", "to", OnnxTensor.BOOL, w.in(0));
    w.last("Where", condition, w.in(1), w.in(2));
  }

  private static void maxPool(FloatNodeWriter w) {
    OnnxWriter.window(w.last("MaxPool", w.in(0)), w.op(MaxPool.class).window());
  }

  private static void averagePool(FloatNodeWriter w) {
    AveragePool pool = w.op(AveragePool.class);
    OnnxWriter.window(w.last("AveragePool", w.in(0)), pool.window())
        .with("count_include_pad", pool.countPadding() ? 1 : 0);
  }

  private static void resize(FloatNodeWriter w) {
    Resize op = w.op(Resize.class);
    String scales = w.floats("scales", 1, 1, op.scaleH(), op.scaleW());
    boolean linear = op.mode() == Resize.Mode.LINEAR;
    boolean round = op.mode() == Resize.Mode.NEAREST_ROUND;
    String coordinates =
        switch (op.coordinates()) {
          case HALF_PIXEL -> "half_pixel";
          case ALIGN_CORNERS -> "align_corners";
          case ASYMMETRIC -> "asymmetric";
        };
    w.last("Resize", w.in(0), "", scales)
        .with("mode", linear ? "linear" : "nearest")
        .with("coordinate_transformation_mode", coordinates)
        .with("nearest_mode", round ? "round_prefer_floor" : "floor");
  }

  private static void matMul(FloatNodeWriter w) {
    MatMul op = w.op(MatMul.class);
    w.last("MatMul", turned(w, 0, op.transA()), turned(w, 1, op.transB()));
  }

  private static String turned(FloatNodeWriter w, int input, boolean transposed) {
    if (!transposed) {
      return w.in(input);
    }
    int rank = w.node().input(input).spec().shape().rank();
    int[] perm = IntStream.range(0, rank).toArray();
    perm[rank - 2] = rank - 1;
    perm[rank - 1] = rank - 2;
    return w.step("turned" + input, "Transpose", "perm", perm, w.in(input));
  }

  private static void layerNorm(FloatNodeWriter w) {
    LayerNorm norm = w.op(LayerNorm.class);
    String x = w.in(0);
    int rank = w.node().input(0).spec().shape().rank();
    List<Integer> axes = IntStream.range(norm.axis(), rank).boxed().toList();
    String mean = mean(w, "mean", axes, x);
    String difference = w.step("difference", "Sub", x, mean);
    String square = w.step("square", "Pow", difference, w.scalar("two", 2));
    String variance = mean(w, "variance", axes, square);
    String sum = w.step("sum", "Add", variance, w.scalar("epsilon", norm.epsilon()));
    String normalized = w.step("normalized", "Div", difference, w.step("deviation", "Sqrt", sum));
    w.last("Add", w.step("scaled", "Mul", normalized, w.in(1)), w.in(2));
  }

  private static String mean(FloatNodeWriter w, String what, List<Integer> axes, String x) {
    return w.axesAreInputs()
        ? w.step(what, "ReduceMean", x, w.integers(what + ".axes", axes))
        : w.step(what, "ReduceMean", "axes", ints(axes), x);
  }

  private static int[] ints(List<Integer> values) {
    return values.stream().mapToInt(Integer::intValue).toArray();
  }

  private static void softmax(FloatNodeWriter w) {
    w.last("Softmax", w.in(0)).with("axis", w.op(Softmax.class).axis());
  }

  private static void reduce(FloatNodeWriter w) {
    Reduce op = w.op(Reduce.class);
    String operator =
        switch (op.function()) {
          case SUM -> "ReduceSum";
          case MEAN -> "ReduceMean";
          case MAX -> "ReduceMax";
          case MIN -> "ReduceMin";
        };
    var node =
        operator.equals("ReduceSum") || w.axesAreInputs()
            ? w.last(operator, w.in(0), w.integers("axes", op.axes()))
            : w.last(operator, w.in(0)).with("axes", ints(op.axes()));
    node.with("keepdims", op.keepDims() ? 1 : 0);
  }

  private static void reshape(FloatNodeWriter w) {
    w.last("Reshape", OnnxWriter.reshaped(w.out(), w.node(), w.op(Reshape.class)));
  }

  private static void transpose(FloatNodeWriter w) {
    Transpose op = w.op(Transpose.class);
    OnnxWriter.permuted(w.last(OnnxWriter.operator(op), w.in(0)), op);
  }

  private static void slice(FloatNodeWriter w) {
    w.last("Slice", OnnxWriter.sliced(w.out(), w.node(), w.op(Slice.class)));
  }

  private static void concat(FloatNodeWriter w) {
    w.last("Concat", w.inputs()).with("axis", w.op(Concat.class).axis());
  }

  private static void pad(FloatNodeWriter w) {
    Pad pad = w.op(Pad.class);
    String pads = OnnxWriter.pads(w.out(), w.node(), pad);
    w.last("Pad", w.in(0), pads, w.scalar("value", pad.value()));
  }

  /** A batch that the operand does not have is taken from the network's input. */
  private static void expand(FloatNodeWriter w) {
    Shape to = w.op(Expand.class).to().shape();
    int batch = to.batchDim();
    boolean fresh = batch >= 0 && !w.node().input(0).spec().shape().hasBatch();
    List<Integer> dims = Arrays.stream(to.dims()).map(d -> Math.max(d, 1)).boxed().toList();
    String shape = w.integers("shape", dims);
    if (fresh) {
      String all = w.step("sizes", "Shape", w.out().firstInput());
      String n =
          w.step("batch", "Slice", all, w.integers("0", List.of(0)), w.integers("1", List.of(1)));
      if (to.dim(batch) != Shape.BATCH) {
        n = w.step("rows", "Mul", n, w.integers("multiple", List.of(-to.dim(batch))));
      }
      String front = w.integers("front", dims.subList(0, batch));
      String back = w.integers("back", dims.subList(batch + 1, dims.size()));
      shape = w.step("to", "Concat", "axis", 0, front, n, back);
    }
    w.last("Expand", w.in(0), shape);
  }

  private static void gather(FloatNodeWriter w) {
    w.last("Gather", w.inputs()).with("axis", w.op(Gather.class).axis());
  }
}
