package org.quantrain.integer;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.quantrain.op.Concat;
import org.quantrain.op.ConvGeometry;
import org.quantrain.op.Pad;
import org.quantrain.op.PoolWindow;
import org.quantrain.op.Slice;
import org.quantrain.quant.AccumulatorBound;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.HostTensor;
import org.quantrain.tensor.Shape;
import org.quantrain.tensor.TensorSpec;
import org.quantrain.tflite.SamePadding;
import org.quantrain.tflite.TfliteFile;
import org.quantrain.tflite.TfliteFile.OperatorInfo;
import org.quantrain.tflite.TfliteFile.TensorInfo;
import org.tensorflow.lite.schema.ActivationFunctionType;
import org.tensorflow.lite.schema.AddOptions;
import org.tensorflow.lite.schema.BuiltinOperator;
import org.tensorflow.lite.schema.BuiltinOptions;
import org.tensorflow.lite.schema.ConcatenationOptions;
import org.tensorflow.lite.schema.Conv2DOptions;
import org.tensorflow.lite.schema.DepthwiseConv2DOptions;
import org.tensorflow.lite.schema.FullyConnectedOptions;
import org.tensorflow.lite.schema.FullyConnectedOptionsWeightsFormat;
import org.tensorflow.lite.schema.Padding;
import org.tensorflow.lite.schema.Pool2DOptions;
import org.tensorflow.lite.schema.StridedSliceOptions;
import org.tensorflow.lite.schema.TensorType;

/**
 * Recognizes the layers of a full-integer TensorFlow Lite file. Whatever is not exactly one of the
 * known forms is refused.
 */
final class TfliteParser {
  private static final int QMIN = -128;
  private static final int QMAX = 127;
  private static final int LARGEST = 32767;

  private final TfliteFile file;
  private final List<IntegerLayer> layers = new ArrayList<>();
  private final Map<Integer, CodesTensor> codes = new HashMap<>();
  private final Map<Integer, Padded> padded = new HashMap<>();

  /** Shape of the image behind a flattened tensor whose elements are in another order there. */
  private final Map<CodesTensor, Shape> flattened = new HashMap<>();

  private final Set<String> names = new HashSet<>();
  private final Set<Integer> weights = new HashSet<>();
  private TensorSpec inputSpec;
  private String logits;

  /** An image with a border of codes around it, which its reader may take as its own padding. */
  private record Padded(CodesTensor x, Pad pad, int value, TensorInfo tensor) {
    Pads pads() {
      return new Pads(
          pad.before().get(2), pad.before().get(3), pad.after().get(2), pad.after().get(3));
    }
  }

  private record Pads(int top, int left, int bottom, int right) {}

  TfliteParser(TfliteFile file) {
    this.file = file;
  }

  TensorSpec inputSpec() {
    return inputSpec;
  }

  List<IntegerLayer> layers() {
    require(file.inputs().size() == 1, "expected one input, got " + file.inputs().size());
    require(file.outputs().size() == 1, "expected one output, got " + file.outputs().size());
    TensorInfo input = file.tensors().get(file.inputs().get(0));
    TensorInfo output = file.tensors().get(file.outputs().get(0));
    if (input.type() == TensorType.INT8) {
      addInput(input, input.name());
    }
    file.operators().forEach(this::readOperator);
    if (logits == null) {
      CodesTensor x = codes.get(output.index());
      require(x != null, output.label() + ": the output is not codes of a layer");
      logits = unique(output, output.name() + ".real");
      layers.add(new IntegerLayer.Dequantize(x, logits));
    }
    IntegerLayer.Dequantize last =
        layers.get(layers.size() - 1) instanceof IntegerLayer.Dequantize d ? d : null;
    require(last != null, output.label() + ": the last operator does not compute it");
    require(
        last.x().shape().rank() == 2 && !flattened.containsKey(last.x()),
        output.label() + ": expected logits [N,classes], got " + last.x().shape());
    return layers;
  }

  private void readOperator(OperatorInfo op) {
    require(op.outputs().size() == 1, op.label() + ": " + op.outputs().size() + " outputs");
    require(logits == null, op.label() + " comes after the output");
    switch (op.code()) {
      case BuiltinOperator.QUANTIZE -> readQuantize(op);
      case BuiltinOperator.DEQUANTIZE -> readDequantize(op);
      case BuiltinOperator.CONV_2D -> readConvolution(op);
      case BuiltinOperator.DEPTHWISE_CONV_2D -> readDepthwise(op);
      case BuiltinOperator.FULLY_CONNECTED -> readLinear(op);
      case BuiltinOperator.ADD -> readAdd(op);
      case BuiltinOperator.MAX_POOL_2D, BuiltinOperator.AVERAGE_POOL_2D -> readPool(op);
      case BuiltinOperator.RESHAPE -> readFlatten(op);
      case BuiltinOperator.PAD, BuiltinOperator.PADV2 -> readPad(op);
      case BuiltinOperator.STRIDED_SLICE -> readSlice(op);
      case BuiltinOperator.CONCATENATION -> readConcat(op);
      default ->
          throw new IllegalArgumentException(
              op.label() + " is no part of an integer file that can be interpreted");
    }
  }

  // ---- the ends

  private void addInput(TensorInfo codes, String name) {
    CodesTensor y = codesOf(codes, name);
    require(y.shape().rank() == 4, codes.label() + ": expected images [N,H,W,C]");
    inputSpec = new TensorSpec(DType.F32, y.shape());
    add(codes, new IntegerLayer.QuantizeInput(y));
  }

  private void readQuantize(OperatorInfo op) {
    TensorInfo x = input(op, 0);
    require(
        layers.isEmpty()
            && x.type() == TensorType.FLOAT32
            && file.inputs().contains(x.index())
            && x.shape().equals(output(op).shape()),
        op.label() + ": only the network's float input is quantized");
    addInput(output(op), output(op).name());
  }

  private void readDequantize(OperatorInfo op) {
    CodesTensor x = codes(op, 0);
    TensorInfo y = output(op);
    require(
        y.type() == TensorType.FLOAT32 && file.outputs().contains(y.index()),
        op.label() + ": only the network's output is dequantized");
    logits = unique(y, y.name());
    layers.add(new IntegerLayer.Dequantize(x, logits));
  }

  // ---- layers

  private void readConvolution(OperatorInfo op) {
    Conv2DOptions options = op.options(BuiltinOptions.Conv2DOptions, new Conv2DOptions());
    TensorInfo w = weightTensor(op, 4);
    int channels = image(op, 0).shape().dim(1);
    Shape shape = Shape.of(w.shape().get(0), w.shape().get(3), w.shape().get(1), w.shape().get(2));
    require(
        channels % shape.dim(1) == 0,
        op.label() + ": weights do not fit " + channels + " channels");
    ConvGeometry geometry =
        geometry(
            op,
            shape,
            options.padding(),
            options.strideH(),
            options.strideW(),
            options.dilationHFactor(),
            options.dilationWFactor(),
            channels / shape.dim(1));
    addConvolution(op, shape, 0, w.bytes(), geometry, options.fusedActivationFunction());
  }

  private void readDepthwise(OperatorInfo op) {
    DepthwiseConv2DOptions options =
        op.options(BuiltinOptions.DepthwiseConv2DOptions, new DepthwiseConv2DOptions());
    TensorInfo w = weightTensor(op, 4);
    int channels = image(op, 0).shape().dim(1);
    Shape shape = Shape.of(w.shape().get(3), 1, w.shape().get(1), w.shape().get(2));
    require(
        w.shape().get(0) == 1 && shape.dim(0) % channels == 0,
        op.label() + ": weights do not fit " + channels + " channels");
    ConvGeometry geometry =
        geometry(
            op,
            shape,
            options.padding(),
            options.strideH(),
            options.strideW(),
            options.dilationHFactor(),
            options.dilationWFactor(),
            channels);
    byte[] data = w.bytes();
    byte[] moved = new byte[data.length];
    int k = shape.dim(0);
    int cells = data.length / k;
    for (int i = 0; i < data.length; i++) {
      moved[i % k * cells + i / k] = data[i];
    }
    addConvolution(op, shape, 3, moved, geometry, options.fusedActivationFunction());
  }

  private void addConvolution(
      OperatorInfo op,
      Shape shape,
      int dimension,
      byte[] data,
      ConvGeometry geometry,
      byte activation) {
    CodesTensor x = image(op, 0);
    CodesTensor y = made(op, geometry.output(x.shape(), shape));
    requireActivation(op, activation, y);
    HostTensor w = HostTensor.ofBytes(new TensorSpec(DType.S8, shape), data);
    add(output(op), new IntegerLayer.Conv(x, weights(op, x, w, dimension), geometry, y));
  }

  private ConvGeometry geometry(
      OperatorInfo op,
      Shape w,
      byte padding,
      int strideH,
      int strideW,
      int dilationH,
      int dilationW,
      int groups) {
    for (int size : new int[] {strideH, strideW, dilationH, dilationW}) {
      require(size >= 1 && size <= LARGEST, op.label() + ": stride or dilation " + size);
    }
    Padded border = padded.get(op.inputs().get(0));
    require(
        border == null || border.value() == border.x().zeroPoint(),
        op.label() + ": its padding does not stand for 0");
    Shape x = image(op, 0).shape();
    SamePadding h = SamePadding.of(x.dim(2), w.dim(2), strideH, dilationH);
    SamePadding v = SamePadding.of(x.dim(3), w.dim(3), strideW, dilationW);
    Pads pads = pads(op, border, padding, h, v);
    return new ConvGeometry(
        strideH,
        strideW,
        pads.top(),
        pads.left(),
        pads.bottom(),
        pads.right(),
        dilationH,
        dilationW,
        groups);
  }

  private static Pads pads(
      OperatorInfo op, Padded border, byte padding, SamePadding h, SamePadding v) {
    if (padding == Padding.SAME) {
      require(border == null, op.label() + ": padded twice");
      return new Pads(h.before(), v.before(), h.after(), v.after());
    }
    require(padding == Padding.VALID, op.label() + ": padding " + padding);
    return border == null ? new Pads(0, 0, 0, 0) : border.pads();
  }

  private void readLinear(OperatorInfo op) {
    FullyConnectedOptions options =
        op.options(BuiltinOptions.FullyConnectedOptions, new FullyConnectedOptions());
    require(
        options.weightsFormat() == FullyConnectedOptionsWeightsFormat.DEFAULT
            && !options.keepNumDims(),
        op.label() + ": weights_format or keep_num_dims");
    CodesTensor x = codes(op, 0);
    TensorInfo w = weightTensor(op, 2);
    require(
        x.shape().rank() == 2 && x.shape().dim(1) == w.shape().get(1),
        op.label() + ": input " + x.shape() + " does not fit weights " + w.shape());
    byte[] data = w.bytes();
    if (flattened.containsKey(x)) {
      data = columnsChannelsFirst(data, flattened.get(x));
    }
    Shape shape = Shape.of(w.shape().get(0), w.shape().get(1));
    CodesTensor y = made(op, Shape.of(Shape.BATCH, shape.dim(0)));
    requireActivation(op, options.fusedActivationFunction(), y);
    HostTensor weights = HostTensor.ofBytes(new TensorSpec(DType.S8, shape), data);
    add(output(op), new IntegerLayer.Linear(x, weights(op, x, weights, 0), y));
  }

  /** Each row from the order (H,W,C) to (C,H,W). */
  private static byte[] columnsChannelsFirst(byte[] data, Shape image) {
    byte[] moved = new byte[data.length];
    int channels = image.dim(1);
    int columns = (int) image.elementsPerSample();
    int cells = columns / channels;
    for (int i = 0; i < data.length; i++) {
      int column = i % columns;
      moved[i - column + column % channels * cells + column / channels] = data[i];
    }
    return moved;
  }

  private void readAdd(OperatorInfo op) {
    AddOptions options = op.options(BuiltinOptions.AddOptions, new AddOptions());
    CodesTensor a = codes(op, 0);
    CodesTensor b = codes(op, 1);
    require(
        a.shape().equals(b.shape()) && !flattened.containsKey(a) && !flattened.containsKey(b),
        op.label() + ": expected equal shapes, got " + a.shape() + " and " + b.shape());
    CodesTensor y = made(op, a.shape());
    requireActivation(op, options.fusedActivationFunction(), y);
    add(output(op), new IntegerLayer.Add(a, b, y));
  }

  private void readPool(OperatorInfo op) {
    Pool2DOptions options = op.options(BuiltinOptions.Pool2DOptions, new Pool2DOptions());
    boolean max = op.code() == BuiltinOperator.MAX_POOL_2D;
    CodesTensor x = max ? image(op, 0) : codes(op, 0); // a mean counts what an operator pads
    require(x.shape().rank() == 4, op.label() + ": expected images, got " + x.shape());
    int kernelH = options.filterHeight();
    int kernelW = options.filterWidth();
    int strideH = options.strideH();
    int strideW = options.strideW();
    for (int size : new int[] {kernelH, kernelW, strideH, strideW}) {
      require(size >= 1 && size <= LARGEST, op.label() + ": window or stride " + size);
    }
    Padded border = max ? padded.get(op.inputs().get(0)) : null;
    require(
        border == null || border.value() == QMIN,
        op.label() + ": its padding is not the lowest code");
    SamePadding h = SamePadding.of(x.shape().dim(2), kernelH, strideH, 1);
    SamePadding v = SamePadding.of(x.shape().dim(3), kernelW, strideW, 1);
    Pads pads = pads(op, border, options.padding(), h, v);
    PoolWindow window =
        new PoolWindow(
            kernelH,
            kernelW,
            strideH,
            strideW,
            pads.top(),
            pads.left(),
            pads.bottom(),
            pads.right());
    CodesTensor y = made(op, window.output(x.shape()));
    requireSameGrid(op, x, y);
    requireActivation(op, options.fusedActivationFunction(), y);
    add(
        output(op),
        max
            ? new IntegerLayer.MaxPool(x, window, y)
            : new IntegerLayer.AveragePoolOnGrid(x, window, y));
  }

  private void readFlatten(OperatorInfo op) {
    CodesTensor x = codes(op, 0);
    require(x.shape().rank() == 4, op.label() + ": expected images, got " + x.shape());
    Shape image = x.shape();
    CodesTensor y = made(op, Shape.of(Shape.BATCH, Math.toIntExact(image.elementsPerSample())));
    requireSameGrid(op, x, y);
    if (op.inputs().size() > 1) {
      TensorInfo shape = input(op, 1);
      require(
          shape.isConstant()
              && shape.type() == TensorType.INT32
              && Arrays.equals(shape.ints(), new int[] {-1, y.shape().dim(1)}),
          op.label() + ": expected the shape [-1," + y.shape().dim(1) + "]");
    }
    if (image.dim(1) > 1 && image.dim(2) * image.dim(3) > 1) {
      flattened.put(y, image);
    }
    add(output(op), new IntegerLayer.Flatten(x, y));
  }

  private void readPad(OperatorInfo op) {
    CodesTensor x = codes(op, 0);
    require(x.shape().rank() == 4, op.label() + ": expected images, got " + x.shape());
    TensorInfo amounts = input(op, 1);
    require(
        amounts.isConstant()
            && amounts.type() == TensorType.INT32
            && amounts.shape().equals(List.of(4, 2)),
        op.label() + ": expected constant amounts [4,2]");
    int[] a = amounts.ints();
    for (int i = 0; i < a.length; i++) {
      require(
          a[i] >= 0 && a[i] <= (i < 2 ? 0 : LARGEST),
          op.label() + ": amounts " + Arrays.toString(a));
    }
    int value = x.zeroPoint();
    if (op.code() == BuiltinOperator.PADV2) {
      TensorInfo constant = input(op, 2);
      require(
          constant.isConstant()
              && constant.type() == TensorType.INT8
              && constant.data().remaining() == 1,
          op.label() + ": expected one constant code");
      value = constant.bytes()[0];
    }
    Shape image = x.shape();
    TensorInfo y = output(op);
    CodesTensor shown = codesOf(y, y.name());
    Shape expected =
        Shape.of(
            Shape.BATCH,
            image.dim(1) + a[6] + a[7],
            image.dim(2) + a[2] + a[3],
            image.dim(3) + a[4] + a[5]);
    require(shown.shape().equals(expected), op.label() + ": computes " + shown.shape());
    requireSameGrid(op, x, shown);
    require(!file.outputs().contains(y.index()), op.label() + ": the output is a padded image");
    Pad pad = new Pad(List.of(0, a[6], a[2], a[4]), List.of(0, a[7], a[3], a[5]), 0);
    Padded made = new Padded(x, pad, value, y);
    if (a[6] + a[7] > 0) {
      addPad(op, made);
    } else {
      padded.put(y.index(), made);
    }
  }

  /** A padded image as codes of its own. */
  private CodesTensor addPad(OperatorInfo reader, Padded image) {
    require(
        image.value() == image.x().zeroPoint(),
        reader.label() + ": " + image.tensor().label() + " is padded with something else than 0");
    CodesTensor y = codesOf(image.tensor(), image.tensor().name());
    add(image.tensor(), new IntegerLayer.Pad(image.x(), image.pad(), y));
    return y;
  }

  private void readSlice(OperatorInfo op) {
    StridedSliceOptions options =
        op.options(BuiltinOptions.StridedSliceOptions, new StridedSliceOptions());
    CodesTensor x = codes(op, 0);
    int rank = x.shape().rank();
    int[] begin = integers(op, 1, rank);
    int[] end = integers(op, 2, rank);
    int[] step = integers(op, 3, rank);
    require(
        options.beginMask() == 1
            && options.endMask() == 1
            && options.ellipsisMask() == 0
            && options.newAxisMask() == 0
            && options.shrinkAxisMask() == 0
            && step[0] == 1
            && !flattened.containsKey(x),
        op.label() + ": expected all images, and no other mask");
    CodesTensor y = codesOf(output(op), output(op).name());
    requireSameGrid(op, x, y);
    Slice part = null;
    for (int d = 1; d < rank; d++) {
      int axis = axis(rank, d);
      int size = x.shape().dim(axis);
      require(
          step[d] > 0 && begin[d] >= 0 && begin[d] < end[d] && end[d] <= size,
          op.label() + ": dimension " + d + " from " + begin[d] + " to " + end[d]);
      if (begin[d] > 0 || end[d] < size || step[d] > 1) {
        require(part == null, op.label() + ": cuts several dimensions");
        part = new Slice(axis, begin[d], step[d], (end[d] - begin[d] - 1) / step[d] + 1);
      }
    }
    require(
        part != null && x.shape().with(part.axis(), part.size()).equals(y.shape()),
        op.label() + ": computes another shape than " + y.shape());
    add(output(op), new IntegerLayer.Slice(x, part, y));
  }

  private int[] integers(OperatorInfo op, int i, int count) {
    TensorInfo t = input(op, i);
    require(
        t.isConstant() && t.type() == TensorType.INT32 && t.shape().equals(List.of(count)),
        op.label() + ": expected " + count + " constant integers as input " + i);
    return t.ints();
  }

  private void readConcat(OperatorInfo op) {
    ConcatenationOptions options =
        op.options(BuiltinOptions.ConcatenationOptions, new ConcatenationOptions());
    CodesTensor y = codesOf(output(op), output(op).name());
    int rank = y.shape().rank();
    require(options.axis() >= 1 && options.axis() < rank, op.label() + ": axis " + options.axis());
    int axis = axis(rank, options.axis());
    List<CodesTensor> parts = new ArrayList<>();
    List<TensorSpec> specs = new ArrayList<>();
    for (int i = 0; i < op.inputs().size(); i++) {
      CodesTensor part = codes(op, i);
      requireSameGrid(op, part, y);
      require(!flattened.containsKey(part), op.label() + ": joins flattened images");
      parts.add(part);
      specs.add(new TensorSpec(DType.F32, part.shape()));
    }
    require(!parts.isEmpty(), op.label() + " has no input");
    Shape whole = new Concat(axis).infer(specs).get(0).shape();
    require(whole.equals(y.shape()), op.label() + ": computes " + whole + ", not " + y.shape());
    requireActivation(op, options.fusedActivationFunction(), y);
    add(output(op), new IntegerLayer.Concat(parts, axis, y));
  }

  /** The dimension of [N,C,H,W] or [N,C] that a dimension of the file is. */
  private static int axis(int rank, int d) {
    return rank == 4 ? new int[] {0, 2, 3, 1}[d] : d;
  }

  // ---- operands

  private TensorInfo input(OperatorInfo op, int i) {
    require(
        i < op.inputs().size() && op.inputs().get(i) >= 0,
        op.label() + ": input " + i + " is missing");
    return file.tensors().get(op.inputs().get(i));
  }

  private TensorInfo output(OperatorInfo op) {
    return file.tensors().get(op.outputs().get(0));
  }

  private CodesTensor codes(OperatorInfo op, int i) {
    TensorInfo tensor = input(op, i);
    CodesTensor x = codes.get(tensor.index());
    if (x == null && padded.containsKey(tensor.index())) {
      return addPad(op, padded.get(tensor.index()));
    }
    require(x != null, op.label() + ": " + tensor.label() + " is not codes of a layer");
    return x;
  }

  /** An image, without its border where it has one. */
  private CodesTensor image(OperatorInfo op, int i) {
    Padded border = padded.get(input(op, i).index());
    CodesTensor x = border == null ? codes(op, i) : border.x();
    require(x.shape().rank() == 4, op.label() + ": expected images [N,H,W,C], got " + x.shape());
    return x;
  }

  private TensorInfo weightTensor(OperatorInfo op, int rank) {
    TensorInfo w = input(op, 1);
    require(weights.add(w.index()), op.label() + ": " + w.label() + " has two readers");
    require(
        w.isConstant()
            && w.type() == TensorType.INT8
            && w.shape().size() == rank
            && w.data().remaining() > 0,
        op.label() + ": expected constant int8 weights of rank " + rank + ", got " + w.shape());
    return w;
  }

  private CodesTensor codesOf(TensorInfo t, String name) {
    require(t.type() == TensorType.INT8 && !t.isConstant(), t.label() + ": expected int8 codes");
    require(
        t.scale().length == 1 && t.zeroPoint()[0] >= QMIN && t.zeroPoint()[0] <= QMAX,
        t.label() + ": expected one scale, and a zero-point of -128 to 127");
    List<Integer> d = t.shape();
    require(
        (d.size() == 4 || d.size() == 2) && (d.get(0) == -1 || d.get(0) == 1),
        t.label() + ": expected [N,H,W,C] or [N,features], got " + d);
    for (int size : d.subList(1, d.size())) {
      require(size >= 1 && size <= 1 << 20, t.label() + ": shape " + d);
    }
    Shape shape =
        d.size() == 4
            ? Shape.of(Shape.BATCH, d.get(3), d.get(1), d.get(2))
            : Shape.of(Shape.BATCH, d.get(1));
    return new CodesTensor(name, shape, t.scale()[0], (int) t.zeroPoint()[0], QMIN, QMAX);
  }

  /** What the operator computes, which must have this shape. */
  private CodesTensor made(OperatorInfo op, Shape shape) {
    CodesTensor y = codesOf(output(op), output(op).name());
    require(y.shape().equals(shape), op.label() + ": computes " + shape + ", not " + y.shape());
    return y;
  }

  private void add(TensorInfo tensor, IntegerLayer.ToCodes layer) {
    unique(tensor, layer.name());
    layers.add(layer);
    codes.put(tensor.index(), layer.y());
  }

  private String unique(TensorInfo tensor, String name) {
    require(names.add(name), tensor.label() + ": the name is that of another tensor too");
    return name;
  }

  private static void requireSameGrid(OperatorInfo op, CodesTensor x, CodesTensor y) {
    require(
        Float.floatToRawIntBits(x.scale()) == Float.floatToRawIntBits(y.scale())
            && x.zeroPoint() == y.zeroPoint(),
        op.label() + ": input and output are on different grids");
  }

  /** An activation may only clamp where the grid does. */
  private static void requireActivation(OperatorInfo op, byte activation, CodesTensor y) {
    boolean clamps =
        switch (activation) {
          case ActivationFunctionType.NONE -> true;
          case ActivationFunctionType.RELU -> y.zeroPoint() == QMIN;
          case ActivationFunctionType.RELU6 ->
              y.zeroPoint() == QMIN && Math.rint(6 / y.scale()) >= QMAX - QMIN;
          default -> false;
        };
    require(
        clamps,
        op.label() + ": its activation " + activation + " clamps inside the grid of " + y.name());
  }

  /**
   * Weights and bias of a layer. The scale that the file gives the bias is not looked at: runtimes
   * take it for input scale * weight scale, whatever it says.
   */
  private IntegerWeights weights(OperatorInfo op, CodesTensor x, HostTensor w, int dimension) {
    TensorInfo tensor = input(op, 1);
    int k = w.shape().dim(0);
    float[] scale = tensor.scale();
    require(
        scale.length == 1 || scale.length == k && tensor.quantizedDimension() == dimension,
        tensor.label() + ": expected one scale, or " + k + " along dimension " + dimension);
    for (int i = 0; i < scale.length; i++) {
      require(
          scale[i] > 0 && Float.isFinite(scale[i]) && tensor.zeroPoint()[i] == 0,
          tensor.label() + ": scale " + scale[i] + ", zero-point " + tensor.zeroPoint()[i]);
    }
    if (scale.length == 1) {
      float only = scale[0];
      scale = new float[k];
      Arrays.fill(scale, only);
    }
    float[] outScale = new float[k];
    for (int i = 0; i < k; i++) {
      outScale[i] = x.scale() * scale[i];
      require(
          outScale[i] > 0 && Float.isFinite(outScale[i]), op.label() + ": scale " + outScale[i]);
    }
    int[] bias = new int[k];
    String layer = tensor.name();
    if (op.inputs().size() > 2 && op.inputs().get(2) >= 0) {
      TensorInfo b = input(op, 2);
      require(
          b.isConstant() && b.type() == TensorType.INT32 && b.shape().equals(List.of(k)),
          op.label() + ": expected a bias of " + k + " values");
      bias = b.ints();
      layer = b.name().replaceFirst("\\.bias$", "");
    }
    int largest = AccumulatorBound.largestInput(x.zeroPoint(), QMIN, QMAX);
    int overflow = AccumulatorBound.firstOverflow(w, largest, bias);
    require(
        overflow < 0,
        op.label() + ": the int32 accumulator of channel " + overflow + " could overflow");
    Shape vector = Shape.of(k);
    return new IntegerWeights(
        layer,
        tensor.name(),
        w,
        HostTensor.of(vector, scale),
        HostTensor.of(vector, outScale),
        HostTensor.of(vector, bias));
  }

  private static void require(boolean holds, String problem) {
    if (!holds) {
      throw new IllegalArgumentException(problem);
    }
  }
}
