package org.quantrain.pass;

import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.IntStream;
import org.quantrain.graph.Graph;
import org.quantrain.graph.GraphBuilder;
import org.quantrain.graph.GraphException;
import org.quantrain.graph.Node;
import org.quantrain.graph.Op;
import org.quantrain.graph.Value;
import org.quantrain.op.AccRange;
import org.quantrain.op.AccStats;
import org.quantrain.op.Add;
import org.quantrain.op.AddCodes;
import org.quantrain.op.AddCodesRange;
import org.quantrain.op.AveragePool;
import org.quantrain.op.AveragePoolCodes;
import org.quantrain.op.AveragePoolOnGrid;
import org.quantrain.op.BatchNorm;
import org.quantrain.op.BatchNormAbsorb;
import org.quantrain.op.BatchNormStats;
import org.quantrain.op.Compute;
import org.quantrain.op.Concat;
import org.quantrain.op.ConcatCodes;
import org.quantrain.op.Contract;
import org.quantrain.op.Conv2d;
import org.quantrain.op.ConvBnCorrect;
import org.quantrain.op.ConvBnFold;
import org.quantrain.op.ConvCodes;
import org.quantrain.op.Dequantize;
import org.quantrain.op.DequantizeAcc;
import org.quantrain.op.FakeQuant;
import org.quantrain.op.Flatten;
import org.quantrain.op.FoldWeight;
import org.quantrain.op.Gather;
import org.quantrain.op.GlobalAveragePool;
import org.quantrain.op.GlobalPoolSum;
import org.quantrain.op.Linear;
import org.quantrain.op.LinearCodes;
import org.quantrain.op.Lowering;
import org.quantrain.op.MatMul;
import org.quantrain.op.MatMulCodes;
import org.quantrain.op.MaxPool;
import org.quantrain.op.MinMax;
import org.quantrain.op.Pad;
import org.quantrain.op.PadCodes;
import org.quantrain.op.PoolMultiplier;
import org.quantrain.op.PoolWindow;
import org.quantrain.op.ProductScale;
import org.quantrain.op.Quantize;
import org.quantrain.op.QuantizeWeight;
import org.quantrain.op.RangeRule;
import org.quantrain.op.RangeToQParams;
import org.quantrain.op.Relu;
import org.quantrain.op.Requantize;
import org.quantrain.op.RequantizeCodes;
import org.quantrain.op.Reshape;
import org.quantrain.op.Slice;
import org.quantrain.op.TimesSign;
import org.quantrain.op.Transpose;
import org.quantrain.quant.QuantizerState;
import org.quantrain.tensor.Layout;
import org.quantrain.tensor.QuantSpec;
import org.quantrain.tensor.Shape;

/**
 * Turns a graph with {@link FakeQuant} nodes into one that computes on codes.
 *
 * <p>Nodes are visited in order; each value is either real (float32), codes, or an accumulator that
 * waits for its quantizer so that batch norm, activation and requantization become one step. What
 * stays float reads de-quantized values.
 *
 * <p>The codes of quantizer "relu1" are the value "relu1.codes" in every lowering, which is how
 * claims compare them.
 */
public final class LowerToInteger {
  /** Whose statistics and ranges the quantized graph uses. */
  public enum Mode {
    /** The batch's statistics; running statistics and ranges move. */
    TRAIN,
    /** Running statistics and ranges as they stand: late training. */
    TRAIN_FROZEN,
    /** The same codes, nothing for gradients: evaluation and export. */
    EVAL
  }

  private sealed interface Lowered {}

  private record Real(Value value) implements Lowered {}

  /**
   * Codes, made by a contract.
   *
   * @param batchMin with batchMax the batch's range, for narrower quantizers on top; null where it
   *     is not known
   */
  private record Codes(
      Value codes, Value scale, Value zeroPoint, Contract contract, Value batchMin, Value batchMax)
      implements Lowered {
    /** Other codes on the same grid. */
    Codes moved(Value to) {
      return new Codes(to, scale, zeroPoint, contract, null, null);
    }
  }

  /**
   * The real value is out scale * (keep * acc + bias), then the activation.
   *
   * @param stats {@link AccStats} of the accumulator, or null
   */
  private record Accumulated(Contract.Product product, Node stats, boolean relu, float upper)
      implements Lowered {
    Accumulated(Contract.Product product, Node stats) {
      this(product, stats, false, Float.POSITIVE_INFINITY);
    }

    /** What the real value is computed of: the given values, the bias, and keep where it is. */
    List<Value> inputs(Value... first) {
      List<Value> inputs = new ArrayList<>(List.of(first));
      if (product.bias() != null) {
        inputs.add(product.bias());
      }
      if (product.keep() != null) {
        inputs.add(product.keep());
      }
      return inputs;
    }
  }

  private record Sum(Codes a, Codes b, boolean relu, float upper) implements Lowered {}

  /** A pooled mean; window null pools everything. */
  private record Mean(Codes x, Node pool) implements Lowered {}

  /** Parts that are not joined yet: on grids of their own, or waiting for that of the whole. */
  private record Joined(List<Lowered> parts, Node concat) implements Lowered {}

  private record Range(Value min, Value max) {}

  private final Graph graph;
  private final Mode mode;
  private final Lowering lowering;
  private final Compute gradients;
  private final GraphBuilder builder = new GraphBuilder();
  private final Map<Value, Lowered> lowered = new HashMap<>();
  private final Map<Value, FakeQuant> weights = new HashMap<>();
  private final Map<Value, Value> weightParams = new HashMap<>();
  private final Map<Value, Value> real = new HashMap<>();
  private final Set<Node> fused = new HashSet<>();

  private LowerToInteger(Graph graph, Mode mode, Lowering lowering, Compute gradients) {
    this.graph = graph;
    this.mode = mode;
    this.lowering = lowering;
    this.gradients = gradients;
  }

  /**
   * @param gradients operands of the products in the gradients
   */
  public static Graph apply(Graph graph, Mode mode, Lowering lowering, Compute gradients) {
    return new LowerToInteger(graph, mode, lowering, gradients).run();
  }

  /** For gradients in float32, or none. */
  public static Graph apply(Graph graph, Mode mode, Lowering lowering) {
    return apply(graph, mode, lowering, Compute.F32);
  }

  private Graph run() {
    graph.inputs().forEach(v -> lowered.put(v, new Real(builder.input(v))));
    for (Node node : graph.nodes()) {
      if (!fused.contains(node)) {
        lower(node);
      }
    }
    return EliminateDead.apply(builder.build(graph.outputs().stream().map(this::real).toList()));
  }

  private void lower(Node node) {
    Op op = node.op();
    Value x = node.input(0);
    Lowered in = lowered.get(x);
    if (op instanceof FakeQuant quant) {
      if (x.isPersistent()) {
        weights.put(node.output(), quant);
        weightParams.put(node.output(), x);
      } else {
        lowered.put(node.output(), quantize(quant, in));
      }
    } else if ((op instanceof Conv2d || op instanceof Linear)
        && in instanceof Codes codes
        && weights.containsKey(node.input(1))) {
      layer(node, codes);
    } else if (op instanceof Gather gather && weights.containsKey(x)) {
      lowered.put(node.output(0), lookup(node, gather));
    } else if (op instanceof MatMul matMul
        && in instanceof Codes a
        && lowered.get(node.input(1)) instanceof Codes b) {
      lowered.put(node.output(0), product(node, matMul, a, b));
    } else if (op instanceof Relu relu && in instanceof Accumulated acc) {
      float upper = Math.min(acc.upper(), relu.upper());
      lowered.put(node.output(), new Accumulated(acc.product(), acc.stats(), true, upper));
    } else if (op instanceof Relu relu && in instanceof Sum sum) {
      float upper = Math.min(sum.upper(), relu.upper());
      lowered.put(node.output(), new Sum(sum.a(), sum.b(), true, upper));
    } else if (op instanceof Add
        && in instanceof Codes a
        && lowered.get(node.input(1)) instanceof Codes b) {
      lowered.put(node.output(), new Sum(a, b, false, Float.POSITIVE_INFINITY));
    } else if ((op instanceof MaxPool || op instanceof Slice || movesEverything(op))
        && in instanceof Codes c) {
      Value moved = builder.node(node.name() + ".codes", op, c.codes()).output(0);
      // A maximum has another range than what it is taken of.
      boolean sameRange = movesEverything(op);
      Value min = sameRange ? c.batchMin() : null;
      Value max = sameRange ? c.batchMax() : null;
      lowered.put(
          node.output(0), new Codes(moved, c.scale(), c.zeroPoint(), c.contract(), min, max));
    } else if (op instanceof Pad pad && pad.value() == 0 && in instanceof Codes c) {
      Value padded =
          builder.add(node.name() + ".codes", new PadCodes(pad), c.codes(), c.zeroPoint());
      lowered.put(node.output(), c.moved(padded));
    } else if ((op instanceof AveragePool || op instanceof GlobalAveragePool)
        && in instanceof Codes c
        && c.contract().averagesOnGrid()) {
      lowered.put(node.output(), c.moved(averageOnGrid(node, c)));
    } else if ((op instanceof AveragePool || op instanceof GlobalAveragePool)
        && in instanceof Codes c) {
      lowered.put(node.output(), new Mean(c, node));
    } else if (op instanceof Concat) {
      List<Lowered> parts = node.inputs().stream().map(lowered::get).toList();
      lowered.put(node.output(), new Joined(parts, node));
    } else {
      keepFloat(node);
    }
  }

  private static boolean movesEverything(Op op) {
    return op instanceof Flatten || op instanceof Reshape || op instanceof Transpose;
  }

  /** Rows of a table, on the grid of the whole table as it stands. */
  private Codes lookup(Node node, Gather gather) {
    FakeQuant quant = weights.get(node.input(0));
    Value table = weightParams.get(node.input(0));
    String of = quant.quantizer();
    Node range = builder.node(of + ".range", new MinMax(), table);
    Node grid =
        builder.node(
            of + ".qparams", new RangeToQParams(quant.spec()), range.output(0), range.output(1));
    Value scale = grid.output(0);
    Value zeroPoint = grid.output(1);
    Node codes =
        builder.node(table.name() + ".codes", new Quantize(quant.spec()), table, scale, zeroPoint);
    Value rows = builder.add(of + ".codes", gather, codes.output(0), real(node.input(1)));
    return new Codes(rows, scale, zeroPoint, quant.contract(), null, null);
  }

  /** The product of two computed operands. */
  private Accumulated product(Node node, MatMul matMul, Codes a, Codes b) {
    Value left = turned(node.name() + ".a", a.codes(), matMul.transA());
    Value right = turned(node.name() + ".b", b.codes(), matMul.transB());
    MatMulCodes op = new MatMulCodes(lowering, gradients);
    Value acc =
        builder.add(
            node.name() + ".acc",
            op,
            left,
            a.scale(),
            a.zeroPoint(),
            right,
            b.scale(),
            b.zeroPoint());
    int rank = acc.spec().shape().rank();
    Value outScale =
        builder.add(
            node.name() + ".out_scale",
            new ProductScale(acc.spec().shape().dim(rank - 1)),
            a.scale(),
            b.scale());
    return new Accumulated(
        new Contract.Product(op, acc, a.scale(), b.scale(), outScale, null, null), null);
  }

  /** The last two dimensions change places. */
  private Value turned(String name, Value codes, boolean turn) {
    if (!turn) {
      return codes;
    }
    int rank = codes.spec().shape().rank();
    List<Integer> perm = new ArrayList<>(IntStream.range(0, rank).boxed().toList());
    Collections.swap(perm, rank - 2, rank - 1);
    return builder.add(name + ".codes", new Transpose(perm, Layout.ROW_MAJOR), codes);
  }

  /** Padding that counts is put around the codes first. */
  private Value averageOnGrid(Node node, Codes x) {
    String name = node.name() + ".codes";
    if (!(node.op() instanceof AveragePool pool)) {
      return builder.add(name, AveragePoolOnGrid.global(x.codes().spec().shape()), x.codes());
    }
    PoolWindow w = pool.window();
    if (!pool.countPadding() || !w.isPadded()) {
      return builder.add(name, new AveragePoolOnGrid(w), x.codes());
    }
    List<Integer> before = List.of(0, 0, w.padTop(), w.padLeft());
    List<Integer> after = List.of(0, 0, w.padBottom(), w.padRight());
    PadCodes pad = new PadCodes(new Pad(before, after, 0));
    Value padded = builder.add(node.name() + ".padded", pad, x.codes(), x.zeroPoint());
    return builder.add(name, new AveragePoolOnGrid(w.withoutPadding()), padded);
  }

  private void keepFloat(Node node) {
    List<Value> inputs = new ArrayList<>();
    for (Value v : node.inputs()) {
      if (weights.containsKey(v)) {
        throw new GraphException(
            "["
                + node.op().kind()
                + ":"
                + node.name()
                + "] has quantized weights but a float input");
      }
      inputs.add(v.isPersistent() ? v : real(v));
    }
    Node made = builder.node(node.name(), node.op(), inputs);
    for (int i = 0; i < node.outputs().size(); i++) {
      lowered.put(node.output(i), new Real(made.output(i)));
    }
  }

  // ---- layers

  private void layer(Node node, Codes x) {
    Value w = weightParams.get(node.input(1));
    FakeQuant quant = weights.get(node.input(1));
    Value bias = node.inputs().size() > 2 ? node.input(2) : null;
    Node norm = batchNormAfter(node);
    Accumulated result;
    if (norm != null && bias != null) {
      throw new GraphException(
          "["
              + node.op().kind()
              + ":"
              + node.name()
              + "] has a bias before batch norm; apply AbsorbBias first");
    }
    if (norm == null || mode != Mode.TRAIN) {
      result = foldedLayer(node, x, w, quant, bias, norm);
    } else if (quant.spec().perChannel()) {
      result = absorbedLayer(node, x, w, quant, norm);
    } else {
      result = correctedLayer(node, x, w, quant.spec(), norm);
    }
    if (norm != null) {
      fused.add(norm);
    }
    lowered.put((norm == null ? node : norm).output(0), result);
  }

  /** The batch norm that is the only reader of the layer's output. */
  private Node batchNormAfter(Node node) {
    List<Node> readers = graph.consumers(node.output());
    boolean alone = readers.size() == 1 && !graph.outputs().contains(node.output());
    return alone && readers.get(0).op() instanceof BatchNorm ? readers.get(0) : null;
  }

  private Node product(Node node, Codes x, Value wCodes, Value wScale) {
    Op op =
        node.op() instanceof Conv2d conv
            ? new ConvCodes(conv.geometry(), lowering, gradients)
            : new LinearCodes(lowering, gradients);
    return builder.node(
        node.name() + ".acc", op, x.codes(), x.scale(), x.zeroPoint(), wCodes, wScale);
  }

  /** The deployed form: weights with the running statistics folded in. */
  private Accumulated foldedLayer(
      Node node, Codes x, Value w, FakeQuant quant, Value bias, Node norm) {
    List<Value> inputs = new ArrayList<>(List.of(w, x.scale()));
    if (bias != null) {
      inputs.add(bias);
    }
    float epsilon = 0;
    if (norm != null) {
      inputs.addAll(norm.inputs().subList(1, 5));
      epsilon = ((BatchNorm) norm.op()).epsilon();
    }
    float gradientScale = 1;
    if (quant.rule().isLearned()) {
      LearnedQuantizer learned = learnedWeight(quant, w);
      gradientScale = learned.gradientScale(w);
      inputs.addAll(learned.operands());
    }
    FoldWeight op =
        new FoldWeight(
            quant.spec(), bias != null, norm != null, epsilon, quant.rule(), gradientScale);
    Node fold = builder.node(w.name() + ".codes", op, inputs);
    Node product = product(node, x, fold.output(0), fold.output(1));
    return new Accumulated(
        new Contract.Product(
            product.op(),
            product.output(),
            x.scale(),
            fold.output(1),
            fold.output(2),
            fold.output(3),
            null),
        stats(node, product.output()));
  }

  /** Batch norm over the batch goes into the channels' scales; one convolution. */
  private Accumulated absorbedLayer(Node node, Codes x, Value w, FakeQuant quant, Node norm) {
    BatchNorm bn = (BatchNorm) norm.op();
    Value wCodes;
    Value wScale;
    if (quant.rule().isLearned()) {
      LearnedQuantizer learned = learnedWeight(quant, w);
      Value signed = builder.add(w.name() + ".signed", new TimesSign(), w, norm.input(1));
      Node codes =
          builder.node(
              w.name() + ".codes",
              new Quantize(quant.spec()),
              signed,
              learned.scale(),
              learned.zeroPoint());
      wCodes = learned.attach(builder, codes.output(0), signed);
      wScale = learned.scale();
    } else {
      Node codes =
          builder.node(w.name() + ".codes", new QuantizeWeight(quant.spec()), w, norm.input(1));
      wCodes = codes.output(0);
      wScale = codes.output(1);
    }
    Node product = product(node, x, wCodes, wScale);
    Node stats = stats(node, product.output());
    Node absorb =
        builder.node(
            norm.name() + ".absorb",
            new BatchNormAbsorb(bn.epsilon(), bn.momentum(), gradients),
            product.output(),
            stats.output(0),
            stats.output(1),
            norm.input(1),
            norm.input(2),
            x.scale(),
            wScale,
            norm.input(3),
            norm.input(4));
    return new Accumulated(
        new Contract.Product(
            product.op(),
            absorb.output(0),
            x.scale(),
            null,
            absorb.output(1),
            absorb.output(2),
            absorb.output(3)),
        stats);
  }

  private LearnedQuantizer learnedWeight(FakeQuant quant, Value w) {
    return LearnedQuantizer.in(builder, quant, w.spec().shape().dim(0));
  }

  /** Per-tensor weights: two convolutions, the folded one corrected to the batch's statistics. */
  private Accumulated correctedLayer(Node node, Codes x, Value w, QuantSpec spec, Node norm) {
    BatchNorm bn = (BatchNorm) norm.op();
    Node fold =
        builder.node(
            norm.name() + ".fold", new ConvBnFold(bn.epsilon()), w, norm.input(1), norm.input(4));
    Value plain = builder.add(node.name(), node.op(), real(x, node.name() + ".x"), w);
    Node batch =
        builder.node(
            norm.name() + ".stats",
            new BatchNormStats(bn.epsilon(), bn.momentum()),
            plain,
            norm.input(3),
            norm.input(4));
    Node weight = builder.node(w.name() + ".codes", new QuantizeWeight(spec), fold.output(0));
    Node product = product(node, x, weight.output(0), weight.output(1));
    Node correct =
        builder.node(
            norm.name() + ".correct",
            new ConvBnCorrect(bn.epsilon()),
            product.output(),
            batch.output(0),
            batch.output(1),
            fold.output(1),
            norm.input(1),
            norm.input(2),
            x.scale(),
            weight.output(1));
    return new Accumulated(
        new Contract.Product(
            product.op(),
            correct.output(0),
            x.scale(),
            null,
            correct.output(1),
            correct.output(2),
            null),
        stats(node, product.output()));
  }

  private Node stats(Node node, Value acc) {
    return builder.node(node.name() + ".stats", new AccStats(), acc);
  }

  // ---- quantizers

  private Codes quantize(FakeQuant quant, Lowered in) {
    if (quant.rule().isLearned()) {
      return quantizeLearned(quant, in);
    }
    QuantizerState state = QuantizerState.in(builder, quant.quantizer());
    Range range = mode == Mode.TRAIN ? range(quant, in) : new Range(null, null);
    if (mode == Mode.TRAIN) {
      ObserveRanges.update(builder, quant, range.min(), range.max(), RangeRule.MOVING_AVERAGE);
    }
    Value codes = codes(quant, quant.quantizer(), in, state.scale(), state.zeroPoint());
    return new Codes(
        codes, state.scale(), state.zeroPoint(), quant.contract(), range.min(), range.max());
  }

  /**
   * The codes are made as those of any quantizer. The gradient does not go the way they were made
   * but by the real value that they round, which is computed for it. A learned range takes the
   * place of an activation's upper bound.
   */
  private Codes quantizeLearned(FakeQuant quant, Lowered in) {
    LearnedQuantizer learned = LearnedQuantizer.in(builder, quant, 1);
    Value codes = codes(quant, quant.quantizer(), in, learned.scale(), learned.zeroPoint());
    if (mode != Mode.EVAL) {
      codes = learned.attach(builder, codes, real(unbounded(in), quant.quantizer() + ".x"));
    }
    return new Codes(codes, learned.scale(), learned.zeroPoint(), quant.contract(), null, null);
  }

  private static Lowered unbounded(Lowered in) {
    float none = Float.POSITIVE_INFINITY;
    if (in instanceof Accumulated a) {
      return new Accumulated(a.product(), a.stats(), a.relu(), none);
    }
    if (in instanceof Joined whole) {
      List<Lowered> parts = whole.parts().stream().map(LowerToInteger::unbounded).toList();
      return new Joined(parts, whole.concat());
    }
    return in instanceof Sum sum ? new Sum(sum.a(), sum.b(), sum.relu(), none) : in;
  }

  /** Codes on the grid of a quantizer, named after {@code of}. */
  private Value codes(FakeQuant quant, String of, Lowered in, Value scale, Value zero) {
    String name = of + ".codes";
    Value codes;
    if (in instanceof Accumulated acc) {
      codes =
          quant
              .contract()
              .requantize(
                  builder,
                  name,
                  of + ".multiplier",
                  quant.spec(),
                  acc.relu(),
                  acc.product(),
                  scale,
                  zero)
              .output(0);
    } else if (in instanceof Sum sum) {
      codes =
          builder
              .node(
                  name,
                  new AddCodes(quant.spec(), sum.relu(), quant.contract().addition()),
                  sum.a().codes(),
                  sum.a().scale(),
                  sum.a().zeroPoint(),
                  sum.b().codes(),
                  sum.b().scale(),
                  sum.b().zeroPoint(),
                  scale,
                  zero)
              .output(0);
    } else if (in instanceof Mean mean) {
      codes = quantizeMean(quant, of, mean, scale, zero);
    } else if (in instanceof Joined whole) {
      codes = join(quant, of, whole, scale, zero);
    } else if (in instanceof Codes wide) {
      codes =
          builder
              .node(
                  name,
                  new RequantizeCodes(quant.spec()),
                  wide.codes(),
                  wide.scale(),
                  wide.zeroPoint(),
                  scale,
                  zero)
              .output(0);
    } else {
      codes =
          builder
              .node(name, new Quantize(quant.spec()), ((Real) in).value(), scale, zero)
              .output(0);
    }
    return codes;
  }

  /** Parts without a grid of their own go to that of the whole at once. */
  private Value join(FakeQuant quant, String of, Joined whole, Value scale, Value zero) {
    List<Value> inputs = new ArrayList<>();
    for (int i = 0; i < whole.parts().size(); i++) {
      if (whole.parts().get(i) instanceof Codes c) {
        inputs.addAll(List.of(c.codes(), c.scale(), c.zeroPoint()));
      } else {
        String part = of + ".part" + i;
        inputs.addAll(List.of(codes(quant, part, whole.parts().get(i), scale, zero), scale, zero));
      }
    }
    inputs.addAll(List.of(scale, zero));
    ConcatCodes op = new ConcatCodes(((Concat) whole.concat().op()).axis(), quant.spec());
    return builder.node(of + ".codes", op, inputs).output(0);
  }

  private Value quantizeMean(FakeQuant quant, String of, Mean mean, Value scale, Value zero) {
    String name = of + ".codes";
    Codes x = mean.x();
    if (mean.pool().op() instanceof AveragePool pool) {
      return builder
          .node(
              name,
              new AveragePoolCodes(pool.window(), pool.countPadding(), quant.spec()),
              x.codes(),
              x.scale(),
              x.zeroPoint(),
              scale,
              zero)
          .output(0);
    }
    Shape shape = x.codes().spec().shape();
    Value acc =
        builder.add(mean.pool().name() + ".acc", new GlobalPoolSum(), x.codes(), x.zeroPoint());
    Value m =
        builder.add(
            of + ".multiplier",
            new PoolMultiplier(shape.dim(1), shape.dim(2) * shape.dim(3)),
            x.scale(),
            scale);
    return builder.node(name, new Requantize(quant.spec(), false), acc, m, zero).output(0);
  }

  /** The range of this batch, before the quantizer. */
  private Range range(FakeQuant quant, Lowered in) {
    String name = quant.quantizer() + ".range";
    Node range;
    if (in instanceof Codes wide) {
      if (wide.batchMin() != null) {
        return new Range(wide.batchMin(), wide.batchMax());
      }
      range = builder.node(name, new MinMax(), real(wide, quant.quantizer()));
    } else if (in instanceof Accumulated acc && acc.stats() == null) {
      range = builder.node(name, new MinMax(), real(acc, quant.quantizer() + ".x"));
    } else if (in instanceof Accumulated acc) {
      List<Value> inputs =
          acc.inputs(acc.stats().output(2), acc.stats().output(3), acc.product().outScale());
      range = builder.node(name, new AccRange(acc.relu(), acc.upper()), inputs);
    } else if (in instanceof Sum sum) {
      range =
          builder.node(
              name,
              new AddCodesRange(sum.relu(), sum.upper()),
              sum.a().codes(),
              sum.a().scale(),
              sum.a().zeroPoint(),
              sum.b().codes(),
              sum.b().scale(),
              sum.b().zeroPoint());
    } else if (in instanceof Mean mean) {
      Value x = real(mean.x(), mean.pool().name() + ".x");
      range =
          builder.node(name, new MinMax(), builder.add(mean.pool().name(), mean.pool().op(), x));
    } else if (in instanceof Joined whole) {
      List<Value> ends = new ArrayList<>();
      for (Lowered part : whole.parts()) {
        Range of = range(quant, part);
        ends.addAll(List.of(of.min(), of.max()));
      }
      Value all = builder.node(name + "s", new Concat(0), ends).output();
      range = builder.node(name, new MinMax(), all);
    } else {
      range = builder.node(name, new MinMax(), ((Real) in).value());
    }
    return new Range(range.output(0), range.output(1));
  }

  // ---- back to float

  private Value real(Value value) {
    if (value.isPersistent()) {
      return value;
    }
    return real.computeIfAbsent(value, v -> real(lowered.get(v), v.name()));
  }

  private Value real(Lowered in, String name) {
    if (in instanceof Real r) {
      return r.value();
    } else if (in instanceof Codes c) {
      return builder.add(name + ".real", new Dequantize(), c.codes(), c.scale(), c.zeroPoint());
    } else if (in instanceof Accumulated acc) {
      List<Value> inputs = acc.inputs(acc.product().acc(), acc.product().outScale());
      Value y = builder.node(name + ".real", new DequantizeAcc(), inputs).output();
      return acc.relu() ? builder.add(name + ".relu", new Relu(acc.upper()), y) : y;
    } else if (in instanceof Sum sum) {
      Value y =
          builder.add(
              name + ".real", new Add(), real(sum.a(), name + ".a"), real(sum.b(), name + ".b"));
      return sum.relu() ? builder.add(name + ".relu", new Relu(sum.upper()), y) : y;
    }
    if (in instanceof Joined whole) {
      List<Value> parts = new ArrayList<>();
      for (Lowered part : whole.parts()) {
        parts.add(real(part, name + ".part" + parts.size()));
      }
      return builder.node(name + ".real", whole.concat().op(), parts).output();
    }
    Mean mean = (Mean) in;
    return builder.add(name + ".real", mean.pool().op(), real(mean.x(), name + ".x"));
  }
}
