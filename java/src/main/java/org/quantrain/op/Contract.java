package org.quantrain.op;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Collectors;
import org.quantrain.graph.GraphBuilder;
import org.quantrain.graph.Node;
import org.quantrain.graph.Op;
import org.quantrain.graph.Value;
import org.quantrain.tensor.QuantSpec;

/**
 * The integer arithmetic of a runtime: what it does with the accumulators that every runtime agrees
 * on. Training, evaluation and the interpreter build their nodes by the same contract.
 */
public enum Contract {
  /** ONNX Runtime on x86, and oneDNN: everything by float32 multipliers. */
  FP32(
      Requantization.FP32_RNE,
      Requantization.FP32_RNE,
      Requantization.FP32_RNE,
      Addition.FLOAT,
      false,
      false),
  /** XNNPACK, which TensorFlow Lite runs by default. Average pooling is TensorFlow Lite's own. */
  XNNPACK(
      Requantization.FP32_RNE,
      Requantization.FP32_RNE,
      Requantization.FP32_RNE,
      Addition.XNNPACK,
      true,
      true),
  /** TensorFlow Lite without delegates, on x86. */
  TFLITE(
      Requantization.FIXED_RUY,
      Requantization.FIXED_DOUBLE,
      Requantization.FIXED_RUY,
      Addition.TFLITE,
      true,
      true),
  /**
   * A DPU as ONNX Runtime's Vitis AI provider programs it with {@code xlnx_enable_py3_round}: every
   * scale is a power of two, every change of grid a shift that rounds halves to even. On such
   * scales the float arithmetic of adds and pools is that shift (NUMERICS.md, "Powers of two").
   */
  POWER_OF_TWO(
      Requantization.POWER_OF_TWO_EVEN,
      Requantization.POWER_OF_TWO_EVEN,
      Requantization.POWER_OF_TWO_EVEN,
      Addition.FLOAT,
      false,
      true);

  private final Requantization convolution;
  private final Requantization depthwise;
  private final Requantization linear;
  private final Addition addition;
  private final boolean averagesOnGrid;
  private final boolean joinsOneGrid;

  Contract(
      Requantization convolution,
      Requantization depthwise,
      Requantization linear,
      Addition addition,
      boolean averagesOnGrid,
      boolean joinsOneGrid) {
    this.convolution = convolution;
    this.depthwise = depthwise;
    this.linear = linear;
    this.addition = addition;
    this.averagesOnGrid = averagesOnGrid;
    this.joinsOneGrid = joinsOneGrid;
  }

  /** The name in files and reports. */
  public String id() {
    return name().toLowerCase(Locale.ROOT);
  }

  /**
   * @throws IllegalArgumentException naming the contracts there are
   */
  public static Contract of(String id) {
    return Arrays.stream(values())
        .filter(c -> c.id().equals(id))
        .findFirst()
        .orElseThrow(
            () ->
                new IllegalArgumentException(
                    "unknown contract '"
                        + id
                        + "'; contracts are: "
                        + Arrays.stream(values())
                            .map(Contract::id)
                            .collect(Collectors.joining(", "))));
  }

  /** The rule of each kind of layer, as reports name it. */
  public Map<String, String> rules() {
    Map<String, String> rules = new LinkedHashMap<>();
    rules.put("convolution", convolution.name());
    rules.put("depthwise convolution", depthwise.name());
    rules.put("linear", linear.name());
    rules.put("add", addition.name());
    rules.put("average pool", averagesOnGrid ? "INTEGER, halves away from 0" : "FLOAT, row-major");
    return rules;
  }

  /** Whether every scale must be a power of two. */
  public boolean powersOfTwo() {
    return linear.isShift();
  }

  public Addition addition() {
    return addition;
  }

  /**
   * Whether an average pool is {@link AveragePoolOnGrid}: its result stays on the grid of its input
   * and needs no quantizer.
   */
  public boolean averagesOnGrid() {
    return averagesOnGrid;
  }

  /**
   * Whether a concatenation only moves codes, so that all its parts must be on the grid of the
   * whole before.
   */
  public boolean joinsOneGrid() {
    return joinsOneGrid;
  }

  private Requantization of(Op product) {
    if (product instanceof ConvCodes conv) {
      return conv.geometry().groups() > 1 ? depthwise : convolution;
    }
    return linear;
  }

  /**
   * An accumulator and what its real value needs.
   *
   * @param op {@link ConvCodes}, {@link LinearCodes} or {@link MatMulCodes}
   * @param acc what the codes are made of; not the op's own output where batch norm stands between
   * @param wScale null where only the out scale is known, because batch norm moves with the batch
   * @param bias [C] or null
   * @param keep [C] or null
   */
  public record Product(
      Op op, Value acc, Value xScale, Value wScale, Value outScale, Value bias, Value keep) {}

  /**
   * Adds the nodes from an accumulator to codes; output 0 of the result are the codes. A product
   * without the scale of its weights is requantized by FP32_RNE in every contract: its multipliers
   * are those of one batch, which no runtime ever sees.
   *
   * @param multiplier name of the node that makes the multipliers
   * @param relu the activation before the quantizer is a ReLU
   */
  public Node requantize(
      GraphBuilder builder,
      String name,
      String multiplier,
      QuantSpec spec,
      boolean relu,
      Product product,
      Value yScale,
      Value yZeroPoint) {
    Requantization rule = of(product.op());
    List<Value> in = new ArrayList<>(List.of(product.acc()));
    if (rule == Requantization.FP32_RNE || product.wScale() == null) {
      in.add(builder.add(multiplier, new Multiplier(), product.outScale(), yScale));
      in.add(yZeroPoint);
      if (product.bias() != null) {
        in.add(product.bias());
      }
      if (product.keep() != null) {
        in.add(product.keep());
      }
      return builder.node(name, new Requantize(spec, relu), in);
    }
    Node fixed =
        builder.node(
            multiplier,
            new FixedMultiplier(rule.isShift()),
            product.xScale(),
            product.wScale(),
            yScale);
    in.addAll(List.of(fixed.output(0), fixed.output(1), yZeroPoint));
    if (product.bias() != null) {
      in.add(product.bias());
    }
    return builder.node(name, new RequantizeFixed(spec, relu, rule), in);
  }
}
