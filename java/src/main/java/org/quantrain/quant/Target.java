package org.quantrain.quant;

import java.util.Arrays;
import java.util.Locale;
import java.util.stream.Collectors;
import org.quantrain.op.Contract;
import org.quantrain.op.ScaleRule;
import org.quantrain.tensor.QuantSpec;

/**
 * The runtime a model is trained for. A row fixes the legal grids, what runs in integers, the
 * arithmetic of training and interpretation, and the form of the exported file; nothing else in the
 * library asks for a target by name.
 *
 * <p>All targets have symmetric, signed, narrow weights, int32 biases at the scale of input times
 * weights, and one scale for each activation. The arithmetic of a runtime that is not compared here
 * is what its makers document.
 */
public enum Target {
  /** ONNX Runtime on a CPU. Codes of 2 to 8 bits; logits are float. Compared by verification. */
  ORT(
      "ONNX Runtime on a CPU",
      Activations.UNSIGNED,
      Bits.from(2, 8),
      Weights.PER_CHANNEL_OR_TENSOR,
      Bits.from(2, 8),
      Logits.FLOAT,
      Contract.FP32,
      IntegerFormat.ONNX_QDQ),
  /**
   * TensorFlow Lite as it runs by default, through XNNPACK. int8 from the input to the logits,
   * average pools on the grid of their input. Compared by verification.
   */
  TFLITE(
      "TensorFlow Lite, default delegate (XNNPACK)",
      Activations.SIGNED,
      Bits.from(8, 8),
      Weights.PER_CHANNEL_OR_TENSOR,
      Bits.from(2, 8),
      Logits.CODES,
      Contract.XNNPACK,
      IntegerFormat.TFLITE),
  /**
   * TensorFlow Lite without delegates: ruy and the built-in kernels, which round twice. The same
   * grids as {@link #TFLITE}. Compared by verification, on x86.
   */
  TFLITE_BUILTIN(
      "TensorFlow Lite without delegates",
      Activations.SIGNED,
      Bits.from(8, 8),
      Weights.PER_CHANNEL_OR_TENSOR,
      Bits.from(2, 8),
      Logits.CODES,
      Contract.TFLITE,
      IntegerFormat.TFLITE),
  /** XNNPACK by itself or in another framework; the file is TensorFlow Lite's. */
  XNNPACK(
      "XNNPACK",
      Activations.SIGNED,
      Bits.from(8, 8),
      Weights.PER_CHANNEL_OR_TENSOR,
      Bits.from(2, 8),
      Logits.CODES,
      Contract.XNNPACK,
      IntegerFormat.TFLITE),
  /** QNNPACK as in PyTorch Mobile: unsigned activations, float multipliers, halves to even. */
  QNNPACK(
      "QNNPACK",
      Activations.UNSIGNED,
      Bits.from(8, 8),
      Weights.PER_CHANNEL_OR_TENSOR,
      Bits.from(8, 8),
      Logits.FLOAT,
      Contract.FP32,
      IntegerFormat.ONNX_QDQ),
  /** OpenVINO on a CPU: oneDNN's int8 units with float multipliers. */
  OPENVINO(
      "OpenVINO on a CPU",
      Activations.UNSIGNED,
      Bits.from(8, 8),
      Weights.PER_CHANNEL_OR_TENSOR,
      Bits.from(8, 8),
      Logits.FLOAT,
      Contract.FP32,
      IntegerFormat.ONNX_QDQ),
  /** Qualcomm's SNPE on a DSP: unsigned activations, one scale for a layer's weights. */
  SNPE(
      "Qualcomm SNPE",
      Activations.UNSIGNED,
      Bits.from(8, 8),
      Weights.PER_TENSOR,
      Bits.from(8, 8),
      Logits.FLOAT,
      Contract.FP32,
      IntegerFormat.ONNX_QDQ),
  /** Qualcomm's QNN on an HTP: as {@link #SNPE}, with scales per channel and 4-bit weights. */
  QNN(
      "Qualcomm QNN",
      Activations.UNSIGNED,
      Bits.from(8, 8),
      Weights.PER_CHANNEL_OR_TENSOR,
      Bits.from(4, 8),
      Logits.FLOAT,
      Contract.FP32,
      IntegerFormat.ONNX_QDQ),
  /**
   * NVIDIA TensorRT: signed activations with zero-point 0, float biases, every operator between
   * DequantizeLinear and QuantizeLinear. What it does with a float bias is not compared: here a
   * bias is an int32 on the grid of the accumulator.
   */
  TENSORRT(
      "NVIDIA TensorRT",
      Activations.SYMMETRIC,
      Bits.from(8, 8),
      Weights.PER_CHANNEL_OR_TENSOR,
      Bits.from(8, 8),
      Logits.FLOAT,
      Contract.FP32,
      IntegerFormat.ONNX_COMPILER),
  /**
   * AMD's Vitis AI, a DPU: signed codes, one scale for each tensor and each a power of two, the
   * next that reaches the range, so that nothing is clipped; codes from the input to the logits.
   *
   * <p>A DPU has two ways to round what it shifts: halves up (DPU_ROUND) and halves to even
   * (PY3_ROUND, which ONNX Runtime's Vitis AI provider selects by {@code xlnx_enable_py3_round}).
   * Here it is the second: the file is ONNX, whose QuantizeLinear rounds so, and so ONNX Runtime on
   * a CPU checks all of it. With the first, codes differ by one where a shift is a tie.
   *
   * <p>An average over a number of cells that is no power of two, for which a DPU has
   * approximations of its own, becomes a depthwise convolution. A ReLU with a bound is refused, as
   * its bound is no end of a grid. Biases are int32; what a compiler does that makes 8 bits of them
   * is not computed here. Sources: Vitis AI's user guide UG1414; vaip, the provider's sources.
   */
  VITIS(
      "AMD Vitis AI (DPU)",
      Activations.SYMMETRIC,
      Bits.from(8, 8),
      Weights.PER_TENSOR,
      Bits.from(8, 8),
      Logits.CODES,
      Contract.POWER_OF_TWO,
      IntegerFormat.ONNX_COMPILER),
  /** No hardware: the grids of the literature, as many bits as wanted. */
  ACADEMIC(
      "no hardware, for experiments",
      Activations.UNSIGNED,
      Bits.from(2, 8),
      Weights.PER_CHANNEL_OR_TENSOR,
      Bits.from(2, 8),
      Logits.FLOAT,
      Contract.FP32,
      IntegerFormat.ONNX_QDQ);

  private enum Activations {
    /** Affine, from 0. */
    UNSIGNED,
    /** Affine, two's complement. */
    SIGNED,
    /** Two's complement with zero-point 0. */
    SYMMETRIC
  }

  private enum Weights {
    PER_CHANNEL_OR_TENSOR,
    PER_TENSOR
  }

  private enum Logits {
    FLOAT,
    CODES
  }

  private record Bits(int fewest, int most) {
    static Bits from(int fewest, int most) {
      return new Bits(fewest, most);
    }

    @Override
    public String toString() {
      return fewest == most ? most + " bits" : fewest + " to " + most + " bits";
    }
  }

  private final String runtime;
  private final Activations activations;
  private final Bits activationBits;
  private final Weights weights;
  private final Bits weightBits;
  private final Logits logits;
  private final Contract contract;
  private final IntegerFormat format;

  Target(
      String runtime,
      Activations activations,
      Bits activationBits,
      Weights weights,
      Bits weightBits,
      Logits logits,
      Contract contract,
      IntegerFormat format) {
    this.runtime = runtime;
    this.activations = activations;
    this.activationBits = activationBits;
    this.weights = weights;
    this.weightBits = weightBits;
    this.logits = logits;
    this.contract = contract;
    this.format = format;
  }

  /** The name users write. */
  public String id() {
    return name().toLowerCase(Locale.ROOT).replace('_', '-');
  }

  /** What runs the model, in words. */
  public String runtime() {
    return runtime;
  }

  /**
   * @throws IllegalArgumentException naming the targets there are
   */
  public static Target of(String id) {
    return Arrays.stream(values())
        .filter(t -> t.id().equals(id))
        .findFirst()
        .orElseThrow(
            () ->
                new IllegalArgumentException(
                    "unknown target '"
                        + id
                        + "'; targets are: "
                        + Arrays.stream(values())
                            .map(Target::id)
                            .collect(Collectors.joining(", "))));
  }

  /** The arithmetic of training, evaluation and interpretation. */
  public Contract contract() {
    return contract;
  }

  /** What export writes unless told otherwise. */
  public IntegerFormat format() {
    return format;
  }

  /** Whether the logits are codes as every other activation, so that no float is computed. */
  public boolean quantizesLogits() {
    return logits == Logits.CODES;
  }

  /**
   * Whether the target computes products of activations in integers, and in float what has no
   * integer form (layer norm, softmax, GELU), between integer layers.
   */
  public boolean mixesFloats() {
    return this == ORT || this == ACADEMIC;
  }

  /** Whether codes are reshaped and padded at any rank, as an image is that zeros go into. */
  public boolean movesAnyRank() {
    return this == ORT || this == ACADEMIC;
  }

  /** Whether a layer's weights may have a scale for each output channel. */
  public boolean scalesPerChannel() {
    return weights == Weights.PER_CHANNEL_OR_TENSOR;
  }

  /**
   * Grid of an activation.
   *
   * @throws IllegalArgumentException if the target has no such grid
   */
  public QuantSpec activation(int bits) {
    requireBits("activation bits", bits, activationBits);
    boolean symmetric = activations == Activations.SYMMETRIC;
    return new QuantSpec(
        bits,
        activations != Activations.UNSIGNED,
        false,
        symmetric,
        false,
        contract.powersOfTwo());
  }

  /**
   * Grid of a weight.
   *
   * @throws IllegalArgumentException if the target has no such grid
   */
  public QuantSpec weight(int bits, boolean perChannel) {
    requireBits("weight bits", bits, weightBits);
    if (perChannel && !scalesPerChannel()) {
      throw new IllegalArgumentException(
          "weights: target " + id() + " has one scale for each tensor, not one per channel");
    }
    return new QuantSpec(bits, true, true, true, perChannel, contract.powersOfTwo());
  }

  /**
   * @throws IllegalArgumentException if the quantizer moves zero-points that are 0 here, or finds
   *     scales that are no powers of two where all are
   */
  void requireQuantizer(Quantizer quantizer) {
    if (contract.powersOfTwo() && quantizer != Quantizer.EMA) {
      throw new IllegalArgumentException(
          "quantizer %s learns scales of any size, target %s has powers of two: use %s"
              .formatted(quantizer.id(), id(), Quantizer.EMA.id()));
    }
    for (boolean nonNegative : new boolean[] {false, true}) {
      ScaleRule rule = quantizer.activations(nonNegative);
      if (activations == Activations.SYMMETRIC
          && rule != ScaleRule.OBSERVED
          && rule != ScaleRule.STEP) {
        throw new IllegalArgumentException(
            "quantizer %s learns ends of a range, target %s has zero-points of 0: use %s or %s"
                .formatted(quantizer.id(), id(), Quantizer.EMA.id(), Quantizer.LSQ.id()));
      }
    }
  }

  private void requireBits(String what, int bits, Bits legal) {
    if (bits < legal.fewest() || bits > legal.most()) {
      throw new IllegalArgumentException(
          what + ": target " + id() + " runs " + legal + ", got " + bits);
    }
  }
}
