package org.quantrain.onnx;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.quantrain.onnx.Foreign.ints;
import static org.quantrain.onnx.Foreign.number;
import static org.quantrain.onnx.Foreign.real;
import static org.quantrain.onnx.Foreign.text;

import ai.onnx.proto.OnnxMl.NodeProto;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.function.Consumer;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.quantrain.graph.Graph;
import org.quantrain.graph.Model;
import org.quantrain.onnx.PlainJavaFloats.Array;
import org.quantrain.op.BatchNorm;
import org.quantrain.pass.SetBatchNormMode;

/** Every form of an operator that is read means what it means to ONNX Runtime. */
class OperatorFormsTest {
  private static final Map<String, Consumer<Foreign>> FORMS = new LinkedHashMap<>();

  private static void form(String name, Consumer<Foreign> build) {
    FORMS.put(name, build);
  }

  private static void unary(String op) {
    form(op, f -> f.input(-1, 3, 4, 5).node(op, "x", "y"));
  }

  /** A function of x that is written as several nodes, each "OP INPUT.. OUTPUT". */
  private static void nodes(String name, int opset, String... lines) {
    form(
        name,
        f -> {
          f.opset(opset).input(-1, 7).scalar("half", 0.5f).scalar("one", 1).scalar("two", 2);
          f.scalar("three", 3).scalar("six", 6).scalar("root2", 1.4142135f).scalar("none", 0);
          f.scalar("c", 0.044715f).scalar("k", 0.7978846f).scalar("third", 1 / 6f);
          f.scalar("inverse", 0.70710677f);
          for (String line : lines) {
            String[] words = line.split(" ");
            int last = words.length - 1;
            String inputs = String.join(" ", List.of(words).subList(1, last));
            f.node(words[0], inputs, words[last]);
          }
        });
  }

  static {
    List.of("Relu", "Abs", "Exp", "Sigmoid", "Tanh", "Erf", "Softplus", "Neg", "HardSigmoid", "Elu")
        .forEach(OperatorFormsTest::unary);
    unary("LeakyRelu");
    unary("Identity");
    unary("GlobalAveragePool");
    unary("GlobalMaxPool");
    unary("Flatten");
    form("HardSwish", f -> f.opset(14).input(-1, 3, 4).node("HardSwish", "x", "y"));
    form("Gelu", f -> f.opset(20).input(-1, 3, 4).node("Gelu", "x", "y"));
    form(
        "Gelu by tanh",
        f ->
            f.opset(20)
                .input(-1, 3, 4)
                .node("Gelu", "x", "y")
                .addAttribute(text("approximate", "tanh")));
    nodes(
        "GELU, product last",
        13,
        "Div x root2 a",
        "Erf a b",
        "Add b one d",
        "Mul x half e",
        "Mul e d y");
    nodes(
        "GELU, half last",
        13,
        "Mul x inverse a",
        "Erf a b",
        "Add one b d",
        "Mul x d e",
        "Mul half e y");
    nodes(
        "GELU by tanh",
        13,
        "Pow x three a",
        "Mul c a b",
        "Add x b d",
        "Mul k d e",
        "Tanh e g",
        "Add one g h",
        "Mul half x i",
        "Mul i h y");
    nodes(
        "GELU by tanh, products",
        13,
        "Mul x x a",
        "Mul a x b",
        "Mul b c d",
        "Add d x e",
        "Mul e k g",
        "Tanh g h",
        "Add h one i",
        "Mul x i j",
        "Mul j half y");
    nodes("SiLU", 13, "Sigmoid x a", "Mul x a y");
    nodes("hard swish, clip", 13, "Add x three a", "Clip a none six b", "Mul x b d", "Div d six y");
    nodes(
        "hard swish, sixth",
        13,
        "Add x three a",
        "Clip a none six b",
        "Mul b third d",
        "Mul x d y");
    nodes("hard sigmoid", 13, "Add x three a", "Clip a none six b", "Div b six y");
    nodes("scalars", 13, "Sub three x a", "Div a two b", "Mul b b d", "Add d one e", "Div one e y");
    nodes(
        "Pow and Sqrt", 13, "Pow x two a", "Add a one b", "Sqrt b d", "Reciprocal d e", "Log e y");
    nodes("a product that is no activation", 13, "Sigmoid x a", "Mul a a y");
    nodes(
        "comparisons",
        13,
        "Less x half a",
        "Not a b",
        "Greater x none d",
        "And b d e",
        "Where e x half y");
    nodes("a guard against NaN", 13, "Log x a", "IsNaN a b", "Where b none a y");
    nodes("variadic", 13, "Max x half none a", "Min a x one b", "Sum a b x d", "Mean d x y");
    for (int opset : new int[] {9, 13}) {
      form("axes at " + opset, f -> axes(f.opset(opset), opset));
      form("Split at " + opset, f -> split(f.opset(opset), opset));
      form("Slice at " + Math.max(opset, 9), f -> slice(f.opset(opset), opset));
      form("Softmax at " + opset, f -> f.opset(opset).input(-1, 3, 4).node("Softmax", "x", "y"));
    }
    form(
        "Softmax over channels",
        f -> f.input(-1, 3, 4, 2).node("Softmax", "x", "y").addAttribute(number("axis", 1)));
    form(
        "Clip at 9",
        f ->
            f.opset(9)
                .input(-1, 3)
                .node("Clip", "x", "y")
                .addAttribute(real("min", -0.5f))
                .addAttribute(real("max", 0.7f)));
    form("Clip without a bound", f -> f.scalar("low", -1).input(-1, 3).node("Clip", "x low", "y"));
    form(
        "Pad at 9",
        f ->
            f.opset(9)
                .input(-1, 3, 4, 2)
                .node("Pad", "x", "y")
                .addAttribute(ints("pads", 0, 1, 2, 0, 0, 0, 1, 3))
                .addAttribute(real("value", 1.5f)));
    form(
        "Pad that cuts",
        f -> f.shape("pads", 0, 0, -1, 0, 2, -1).input(-1, 3, 6).node("Pad", "x pads", "y"));
    form(
        "Flatten of rank 3",
        f -> f.input(-1, 3, 4).node("Flatten", "x", "y").addAttribute(number("axis", 2)));
    form("Reshape", f -> f.shape("to", 0, 2, -1).input(-1, 4, 6).node("Reshape", "x to", "y"));
    form(
        "Reshape of an image",
        f -> f.shape("to", 0, 3, 20).input(-1, 3, 4, 5).node("Reshape", "x to", "y"));
    form("a computed shape", OperatorFormsTest::computedShape);
    form("a split last dimension", OperatorFormsTest::splitLastDimension);
    form("a class token", OperatorFormsTest::classToken);
    form("Expand", f -> f.shape("to", 1, 4, 1, 5).input(-1, 1, 3, 1).node("Expand", "x to", "y"));
    form("Tile", f -> f.shape("by", 1, 2, 3).input(-1, 2, 3).node("Tile", "x by", "y"));
    form("Gather of some", f -> gather(f, 0, 2, 1));
    form("Gather of a run", f -> gather(f, 3, 2, 1));
    form("Gather from the end", f -> gather(f, -1));
    form(
        "Gather of one",
        f -> {
          f.graph.addInitializerBuilder().setName("at").setDataType(7).addInt64Data(1);
          f.input(-1, 4, 3).node("Gather", "x at", "y").addAttribute(number("axis", 1));
        });
    form(
        "Transpose to images",
        f ->
            f.input(-1, 4, 5, 3)
                .node("Transpose", "x", "y")
                .addAttribute(ints("perm", 0, 3, 1, 2)));
    rowsOfSamples();
    matrices();
    convolutions();
    pools();
    resizes();
    normalizations();
    halves();
  }

  private static void axes(Foreign f, int opset) {
    f.input(-1, 3, 4).shape("two", 2).shape("one", 1);
    if (opset < 13) {
      f.node("Unsqueeze", "x", "a").addAttribute(ints("axes", 2));
      f.node("Squeeze", "a", "b").addAttribute(ints("axes", 2));
      f.node("ReduceSum", "b", "y")
          .addAttribute(ints("axes", 1))
          .addAttribute(number("keepdims", 0));
    } else {
      f.node("Unsqueeze", "x two", "a");
      f.node("Squeeze", "a two", "b");
      f.node("ReduceSum", "b one", "y").addAttribute(number("keepdims", 0));
    }
  }

  private static void split(Foreign f, int opset) {
    f.input(-1, 6, 4).shape("sizes", 1, 2, 3);
    var node =
        f.node("Split", opset < 13 ? "x" : "x sizes", "a b d").addAttribute(number("axis", 1));
    if (opset < 13) {
      node.addAttribute(ints("split", 1, 2, 3));
    }
    f.node("Concat", "d a b", "y").addAttribute(number("axis", 1));
  }

  private static void slice(Foreign f, int opset) {
    f.input(-1, 6, 5).shape("starts", -2, 4).shape("ends", -100, 1000).shape("axes", 1, 2);
    f.shape("steps", -2, 1);
    if (opset < 10) {
      f.node("Slice", "x", "y")
          .addAttribute(ints("starts", 1, -2))
          .addAttribute(ints("ends", 5, 1000))
          .addAttribute(ints("axes", 1, 2));
    } else {
      f.node("Slice", "x starts ends axes steps", "y");
    }
  }

  /** [N,4,6] to [N*2,12] by the sizes of the input. */
  private static void computedShape(Foreign f) {
    f.input(-1, 4, 6).shape("0", 0).shape("1", 1).shape("2", 2).shape("3", 3);
    f.node("Shape", "x", "shape");
    f.node("Slice", "shape 0 1", "n");
    f.node("Slice", "shape 1 2", "rows");
    f.node("Slice", "shape 2 3", "columns");
    f.node("Mul", "n 2", "n2");
    f.node("Mul", "rows columns", "cells");
    f.node("Div", "cells 2", "half");
    f.node("Concat", "n2 half", "to").addAttribute(number("axis", 0));
    f.node("Reshape", "x to", "y");
  }

  /** [N,4,6] to [N,4,2,3]: the sizes in front of it, two new ones, those behind it. */
  private static void splitLastDimension(Foreign f) {
    f.input(-1, 4, 6).shape("0", 0).shape("2", 2).shape("3", 3).shape("end", Long.MAX_VALUE);
    f.shape("fresh", 2, 3);
    f.node("Shape", "x", "shape");
    f.node("Slice", "shape 0 2", "front");
    f.node("Slice", "shape 3 end", "back");
    f.node("Concat", "front fresh back", "to").addAttribute(number("axis", 0));
    f.node("Reshape", "x to", "y");
  }

  private static void classToken(Foreign f) {
    f.input(-1, 3, 4).weights("token", 1, 1, 4).shape("0", 0).shape("1", 1).shape("tail", -1, -1);
    f.node("Shape", "x", "shape");
    f.node("Slice", "shape 0 1", "n");
    f.node("Concat", "n tail", "to").addAttribute(number("axis", 0));
    f.node("Shape", "to", "three");
    f.node("ConstantOfShape", "three", "ones").addAttribute(Foreign.one("value"));
    f.shape("minus", -1);
    f.node("Mul", "ones minus", "open");
    f.node("Equal", "to open", "isOpen");
    f.node("Where", "isOpen ones to", "sizes");
    f.node("Expand", "token sizes", "tokens");
    f.node("Concat", "tokens x", "y").addAttribute(number("axis", 1));
  }

  private static void gather(Foreign f, long... rows) {
    f.input(-1, 4, 3).shape("at", rows).node("Gather", "x at", "y").addAttribute(number("axis", 1));
  }

  /** How exporters look a mask up for each sample, query and key. */
  private static void rowsOfSamples() {
    form("Gather of each sample's rows", f -> rowsByNumber(f, 0, 1, 2, 3, 4, 5));
    form("Gather of each sample's rows in another order", f -> rowsByNumber(f, 4, 0, 5, 0));
    form("Gather of one row of each sample", f -> rowsByNumber(f, 3));
    form(
        "Gather of each sample's rows in a batch of 3",
        f -> {
          f.input(3, 6, 2).shape("flat", 18, 2).shape("list", 1, 4, 7, 10, 13, 16);
          f.shape("to", 3, 1, 2);
          f.node("Reshape", "list to", "at");
          f.node("Reshape", "x flat", "rows");
          f.node("Gather", "rows at", "y");
        });
    form("GatherND of each sample's tokens", f -> tokensByTuple(f, 0, 1, 2, 3));
    form("GatherND of some tokens of each sample", f -> tokensByTuple(f, 3, 1));
    form(
        "GatherND in a batch of 3",
        f -> {
          f.input(3, 4, 2).shape("list", 0, 3, 0, 1, 1, 3, 1, 1, 2, 3, 2, 1).shape("to", 3, 2, 2);
          f.node("Reshape", "list to", "at");
          f.node("GatherND", "x at", "y");
        });
    form(
        "GatherND of the same for all samples",
        f -> {
          f.input(-1, 4).weights("table", 3, 4).shape("list", 2, 1, 0, -1, 1, 0, 0, 2);
          f.shape("to", 4, 2);
          f.node("Reshape", "list to", "at");
          f.node("GatherND", "table at", "row");
          f.node("Add", "x row", "y");
        });
    for (String kind : List.of("", "reverse", "exclusive")) {
      form(
          "CumSum of a constant " + kind,
          f -> {
            f.input(-1, 2, 3).weights("table", 2, 3);
            f.node("CumSum", "table " + integer(f, "axis", -1), "sums")
                .addAttribute(number(kind.isEmpty() ? "reverse" : kind, kind.isEmpty() ? 0 : 1));
            f.node("Add", "x sums", "y");
          });
    }
    form(
        "GatherElements of a constant expanded to the batch",
        f -> {
          f.input(-1, 2).shape("table", 5, 9, 2, 6).shape("columns", 3, 1);
          f.shape("4", 4).shape("2", 2);
          samples(f);
          f.node("Concat", "size 4", "to").addAttribute(number("axis", 0));
          f.node("Expand", "table to", "tables");
          f.node("Concat", "size 2", "narrow").addAttribute(number("axis", 0));
          f.node("Expand", "columns narrow", "picked");
          f.node("GatherElements", "tables picked", "row").addAttribute(number("axis", 1));
          f.node("Cast", "row", "real").addAttribute(number("to", 1));
          f.node("Add", "x real", "y");
        });
  }

  private static String integer(Foreign f, String name, long value) {
    f.graph.addInitializerBuilder().setName(name).setDataType(7).addInt64Data(value);
    return name;
  }

  /** The size of the batch as list "size", and "n": 0, 1, 2.. for the samples. */
  private static void samples(Foreign f) {
    f.node("Shape", "x", "sizes");
    f.shape("first", 0).node("Gather", "sizes first", "size");
    f.node("Gather", "sizes " + integer(f, "0", 0), "count");
    f.node("Range", "0 count " + integer(f, "1", 1), "n");
  }

  /** Rows of x [N,6,2] seen as [6N,2], by n 6 + row. */
  private static void rowsByNumber(Foreign f, long... rows) {
    f.input(-1, 6, 2).shape("flat", -1, 2).shape("rows", rows).shape("behind", 1).shape("6", 6);
    samples(f);
    f.node("Unsqueeze", "n behind", "column");
    f.node("Mul", "column 6", "starts");
    f.node("Add", "rows starts", "at");
    f.node("Reshape", "x flat", "all");
    f.node("Gather", "all at", "y");
  }

  /** Tokens of x [N,4,2], by pairs of n and token that are expanded to what Max has as shape. */
  private static void tokensByTuple(Foreign f, long... tokens) {
    f.input(-1, 4, 2).shape("tokens", tokens).shape("behind", 1).shape("last", -1);
    samples(f);
    f.node("Unsqueeze", "n behind", "column");
    f.node("Max", "column tokens", "larger");
    f.node("Shape", "larger", "common");
    f.node("Expand", "column common", "a");
    f.node("Expand", "tokens common", "b");
    f.node("Unsqueeze", "a last", "a1");
    f.node("Unsqueeze", "b last", "b1");
    f.node("Concat", "a1 b1", "pairs").addAttribute(number("axis", -1));
    f.node("GatherND", "x pairs", "y");
  }

  private static void matrices() {
    form("MatMul of rows", f -> f.input(-1, 3, 4).weights("w", 4, 5).node("MatMul", "x w", "y"));
    form(
        "MatMul of an image",
        f -> f.input(-1, 3, 2, 4).weights("w", 4, 5).node("MatMul", "x w", "y"));
    form(
        "MatMul by a stack",
        f -> f.input(-1, 3, 2, 4).weights("w", 3, 4, 5).node("MatMul", "x w", "y"));
    form(
        "MatMul from the left",
        f -> f.input(-1, 3, 4).weights("w", 2, 3).node("MatMul", "w x", "y"));
    form(
        "MatMul of computed",
        f -> {
          f.input(-1, 3, 4).node("Transpose", "x", "t").addAttribute(ints("perm", 0, 2, 1));
          f.node("MatMul", "x t", "y");
        });
    form(
        "MatMul with bias",
        f -> {
          f.input(-1, 3, 4).weights("w", 4, 5).weights("b", 1, 5).node("MatMul", "x w", "p");
          f.node("Add", "b p", "y");
        });
    form(
        "MatMul by a transposed initializer",
        f -> {
          f.input(-1, 3, 4).weights("w", 5, 4).node("Transpose", "w", "t");
          f.node("MatMul", "x t", "y");
        });
    form("Gemm", f -> f.input(-1, 4).weights("w", 4, 5).weights("b", 5).node("Gemm", "x w b", "y"));
    form(
        "Gemm, scaled",
        f ->
            f.input(-1, 4)
                .weights("w", 5, 4)
                .scalar("b", 3)
                .node("Gemm", "x w b", "y")
                .addAttribute(number("transB", 1))
                .addAttribute(real("alpha", 0.5f))
                .addAttribute(real("beta", 2)));
    form(
        "Gemm, scaled bias",
        f ->
            f.input(-1, 4)
                .weights("w", 5, 4)
                .weights("b", 1, 5)
                .node("Gemm", "x w b", "y")
                .addAttribute(number("transB", 1))
                .addAttribute(real("beta", 2)));
    form(
        "Gemm of a turned input",
        f -> {
          f.input(-1, 4).node("Transpose", "x", "t");
          f.weights("w", 4, 5);
          f.node("Gemm", "t w", "y").addAttribute(number("transA", 1));
        });
  }

  private static void convolution(
      String name,
      int[] x,
      int[] w,
      boolean bias,
      Consumer<NodeProto.Builder> attributes) {
    form(
        name,
        f -> {
          f.input(x).weights("w", w).weights("b", w[0]);
          attributes.accept(f.node("Conv", bias ? "x w b" : "x w", "y"));
        });
  }

  private static void convolutions() {
    int[] image = {-1, 4, 7, 6};
    int[] three = {6, 4, 3, 3};
    convolution("Conv", image, three, true, n -> {});
    convolution("Conv, pads", image, three, false, n -> n.addAttribute(ints("pads", 0, 1, 2, 1)));
    convolution(
        "Conv, groups",
        image,
        new int[] {6, 2, 3, 2},
        true,
        n -> n.addAttribute(number("group", 2)).addAttribute(ints("strides", 2, 1)));
    convolution("Conv, dilated", image, three, true, n -> n.addAttribute(ints("dilations", 2, 1)));
    for (String auto : List.of("SAME_UPPER", "SAME_LOWER", "VALID")) {
      convolution(
          "Conv, " + auto,
          image,
          three,
          true,
          n -> n.addAttribute(text("auto_pad", auto)).addAttribute(ints("strides", 2, 2)));
    }
    convolution(
        "Conv of a line",
        new int[] {-1, 4, 9},
        new int[] {6, 2, 3},
        true,
        n ->
            n.addAttribute(number("group", 2))
                .addAttribute(ints("strides", 2))
                .addAttribute(ints("pads", 2, 0)));
    form(
        "Conv after Pad",
        f -> {
          f.input(image).weights("w", three).shape("pads", 0, 0, 1, 0, 0, 0, 2, 1);
          f.node("Pad", "x pads", "p");
          f.node("Conv", "p w", "y").addAttribute(ints("strides", 2, 2));
        });
    form(
        "Conv with bias in an Add",
        f -> {
          f.input(image).weights("w", three).weights("b", 1, 6, 1, 1).node("Conv", "x w", "c");
          f.node("Add", "c b", "y");
        });
    form(
        "ConvTranspose",
        f ->
            f.input(-1, 4, 5, 3)
                .weights("w", 4, 3, 3, 2)
                .weights("b", 6)
                .node("ConvTranspose", "x w b", "y")
                .addAttribute(number("group", 2))
                .addAttribute(ints("strides", 2, 3))
                .addAttribute(ints("pads", 1, 0, 0, 1))
                .addAttribute(ints("output_padding", 1, 0)));
    form(
        "ConvTranspose of a line",
        f ->
            f.input(-1, 4, 5)
                .weights("w", 4, 3, 3)
                .node("ConvTranspose", "x w", "y")
                .addAttribute(ints("strides", 2)));
    transposed("SAME_UPPER", n -> n.addAttribute(text("auto_pad", "SAME_UPPER")));
    transposed("SAME_LOWER", n -> n.addAttribute(text("auto_pad", "SAME_LOWER")));
    transposed("VALID", n -> n.addAttribute(text("auto_pad", "VALID")));
    transposed("size", n -> n.addAttribute(ints("output_shape", 10, 7)));
    transposed("larger size", n -> n.addAttribute(ints("output_shape", 12, 11)));
    transposed(
        "size, SAME_UPPER",
        n ->
            n.addAttribute(ints("output_shape", 10, 7))
                .addAttribute(text("auto_pad", "SAME_UPPER")));
    form(
        "ConvTranspose of a line, size",
        f ->
            f.input(-1, 4, 5)
                .weights("w", 4, 3, 4)
                .node("ConvTranspose", "x w", "y")
                .addAttribute(ints("strides", 2))
                .addAttribute(ints("output_shape", 9)));
    form(
        "PRelu of images",
        f -> f.input(-1, 3, 2, 2).weights("s", 3, 1, 1).node("PRelu", "x s", "y"));
    form("PRelu of one slope", f -> f.input(-1, 3, 2).weights("s", 1).node("PRelu", "x s", "y"));
  }

  /** Of 5 x 3 by strides 2 and 3 to 11 x 10 where nothing is cut. */
  private static void transposed(String name, Consumer<NodeProto.Builder> attributes) {
    form(
        "ConvTranspose, " + name,
        f -> {
          f.input(-1, 2, 5, 3).weights("w", 2, 3, 3, 4);
          attributes.accept(
              f.node("ConvTranspose", "x w", "y").addAttribute(ints("strides", 2, 3)));
        });
  }

  private static void pools() {
    for (String op : List.of("MaxPool", "AveragePool")) {
      for (int ceil = 0; ceil < 2; ceil++) {
        int mode = ceil;
        form(
            op + ", ceil_mode " + ceil,
            f ->
                f.input(-1, 3, 8, 7)
                    .node(op, "x", "y")
                    .addAttribute(ints("kernel_shape", 3, 2))
                    .addAttribute(ints("strides", 2, 2))
                    .addAttribute(ints("pads", 1, 0, 0, 1))
                    .addAttribute(number("ceil_mode", mode)));
      }
      form(
          op + " of a line",
          f ->
              f.input(-1, 3, 8)
                  .node(op, "x", "y")
                  .addAttribute(ints("kernel_shape", 3))
                  .addAttribute(text("auto_pad", "SAME_UPPER"))
                  .addAttribute(ints("strides", 2)));
    }
    form(
        "AveragePool, padding counted",
        f ->
            f.input(-1, 3, 8, 7)
                .node("AveragePool", "x", "y")
                .addAttribute(ints("kernel_shape", 3, 3))
                .addAttribute(ints("pads", 1, 1, 1, 1))
                .addAttribute(number("count_include_pad", 1)));
  }

  private static void resizes() {
    String[][] kinds = {
      {"linear", "half_pixel", "floor"},
      {"linear", "align_corners", "floor"},
      {"linear", "asymmetric", "floor"},
      {"nearest", "asymmetric", "floor"},
      {"nearest", "half_pixel", "round_prefer_floor"}
    };
    for (String[] kind : kinds) {
      form(
          "Resize " + String.join(" ", kind),
          f -> {
            f.input(-1, 2, 4, 5)
                .scales("scales", 1, 1, 2.5f, 1.5f)
                .node("Resize", "x  scales", "y")
                .addAttribute(text("mode", kind[0]))
                .addAttribute(text("coordinate_transformation_mode", kind[1]))
                .addAttribute(text("nearest_mode", kind[2]));
          });
    }
    form(
        "Resize at 10",
        f ->
            f.opset(10)
                .input(-1, 2, 4, 5)
                .scales("scales", 1, 1, 2, 3)
                .node("Resize", "x scales", "y"));
    form(
        "Upsample",
        f ->
            f.opset(9)
                .input(-1, 2, 4, 5)
                .scales("scales", 1, 1, 2, 3)
                .node("Upsample", "x scales", "y"));
  }

  private static void normalizations() {
    form(
        "BatchNormalization of a line",
        f -> {
          f.input(-1, 3, 5).weights("g", 3).weights("b", 3).weights("m", 3);
          f.graph.addInitializer(Foreign.tensor("v", new float[] {0.5f, 1, 2}, 3));
          f.node("BatchNormalization", "x g b m v", "y");
        });
    form(
        "LayerNormalization",
        f ->
            f.opset(17)
                .input(-1, 3, 5)
                .weights("g", 3, 5)
                .node("LayerNormalization", "x g", "y")
                .addAttribute(number("axis", 1)));
    form("a decomposed LayerNorm", f -> layerNorm(f, "Div"));
    form("a decomposed LayerNorm by a reciprocal", f -> layerNorm(f, "Mul"));
    for (String op :
        List.of(
            "ReduceMean", "ReduceMax", "ReduceMin", "ReduceL1", "ReduceL2", "ReduceSumSquare")) {
      form(op, f -> f.input(-1, 3, 4, 5).node(op, "x", "y").addAttribute(ints("axes", 1, -1)));
      form(
          op + " of images",
          f ->
              f.input(-1, 3, 4, 5)
                  .node(op, "x", "y")
                  .addAttribute(ints("axes", 2, 3))
                  .addAttribute(number("keepdims", 0)));
    }
    form("LogSoftmax", f -> f.input(-1, 3, 4).node("LogSoftmax", "x", "y"));
  }

  private static void layerNorm(Foreign f, String last) {
    f.input(-1, 3, 6).weights("g", 6).weights("b", 6).scalar("two", 2).scalar("eps", 1e-3f);
    f.node("ReduceMean", "x", "mean").addAttribute(ints("axes", -1));
    f.node("Sub", "x mean", "d");
    f.node("Pow", "d two", "d2");
    f.node("ReduceMean", "d2", "var").addAttribute(ints("axes", -1));
    f.node("Add", "var eps", "sum");
    f.node("Sqrt", "sum", "deviation");
    if (last.equals("Mul")) {
      f.node("Reciprocal", "deviation", "inverse");
      f.node("Mul", "d inverse", "z");
    } else {
      f.node("Div", "d deviation", "z");
    }
    f.node("Mul", "z g", "scaled");
    f.node("Add", "scaled b", "y");
  }

  /** Weights of 16 bits, cast before they are used. */
  private static void halves() {
    for (int type : new int[] {10, 16}) {
      form(
          OnnxTensor.nameOf(type) + " weights",
          f -> {
            var w = f.graph.addInitializerBuilder().setName("w").setDataType(type);
            w.addDims(2).addDims(2);
            for (int bits : new int[] {0x3c00, 0xb801, 0x0001, 0x7bff}) {
              w.addInt32Data(type == 10 ? bits : 0x3f80 + bits % 97);
            }
            f.input(-1, 2).node("Cast", "w", "real").addAttribute(number("to", 1));
            f.node("MatMul", "x real", "y");
          });
    }
  }

  static List<String> forms() {
    return List.copyOf(FORMS.keySet());
  }

  @ParameterizedTest
  @MethodSource("forms")
  void meansWhatItMeansToOnnxRuntime(String form) throws Exception {
    Foreign file = new Foreign();
    FORMS.get(form).accept(file);
    byte[] bytes = file.output("y").bytes();
    Model model = OnnxReader.read(form, bytes);
    Random random = new Random(7);
    List<Array> inputs = new ArrayList<>();
    model.graph().inputs().forEach(v -> inputs.add(ForeignModelsTest.input(v, 3, random)));
    Graph graph = SetBatchNormMode.apply(model.graph(), BatchNorm.Mode.FROZEN);
    Array actual = PlainJavaFloats.run(graph, model.contents(), inputs).get(0);
    double[] expected = FloatRuntime.run(bytes, model.graph().inputs(), inputs);
    FloatRuntime.assertClose(form, expected, actual.values());
  }

  static List<String> decomposed() {
    return FORMS.keySet().stream()
        .filter(f -> f.matches("(GELU|SiLU|hard|a decomposed).*"))
        .toList();
  }

  @ParameterizedTest
  @MethodSource("decomposed")
  void aDecomposedLayerIsOneNode(String form) throws Exception {
    Foreign file = new Foreign();
    FORMS.get(form).accept(file);
    assertEquals(1, OnnxReader.read(form, file.output("y").bytes()).graph().nodes().size());
  }
}
