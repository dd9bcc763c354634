package org.quantrain.bench;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.quantrain.graph.Model;
import org.quantrain.op.Compute;
import org.quantrain.op.Lowering;
import org.quantrain.pass.Phase;
import org.quantrain.pass.Pipelines;
import org.quantrain.quant.QuantPolicy;
import org.quantrain.quant.Quantizer;
import org.quantrain.quant.Target;
import org.quantrain.runtime.Backend;
import org.quantrain.tensor.HostTensor;
import org.quantrain.train.Calibration;

/**
 * How a network is trained.
 *
 * @param bits of weights and activations; 0 for floats
 * @param quantizer of all of them
 * @param lowering of the forward pass on codes
 * @param compute operands of the gradients' products, and of all where there are no codes
 */
public record StepKind(int bits, Quantizer quantizer, Lowering lowering, Compute compute) {
  /** In floats. */
  public static StepKind floats(Compute compute) {
    return new StepKind(0, Quantizer.EMA, Lowering.INTEGER, compute);
  }

  /** W8A8 in every lowering, W4A4 with learned scales and floats, with each of the operands. */
  public static List<StepKind> all(List<Lowering> lowerings, List<Compute> computes) {
    List<StepKind> kinds = new ArrayList<>();
    for (Compute compute : computes) {
      for (Lowering lowering : lowerings) {
        kinds.add(new StepKind(8, Quantizer.EMA, lowering, compute));
        kinds.add(new StepKind(4, Quantizer.LSQ, lowering, compute));
      }
      kinds.add(floats(compute));
    }
    return kinds;
  }

  /** "QAT W8A8 integer", "QAT W4A4 LSQ integer bf16", "float32", "float bf16". */
  public String name() {
    String compute = this.compute == Compute.BF16 ? " bf16" : "";
    if (bits == 0) {
      return compute.isEmpty() ? "float32" : "float" + compute;
    }
    return "QAT W%dA%d%s %s%s"
        .formatted(
            bits,
            bits,
            quantizer == Quantizer.EMA ? "" : " " + quantizer.id().toUpperCase(Locale.ROOT),
            lowering.name().toLowerCase(Locale.ROOT),
            compute);
  }

  /** Of {@link Target#ORT}. */
  public QuantPolicy policy() {
    return QuantPolicy.forTarget(Target.ORT).weights(bits).activations(bits).quantizer(quantizer);
  }

  /** With batch statistics and moving ranges. */
  Phase phase() {
    return bits == 0 ? Phase.FLOAT_TRAIN : Phase.TRAIN;
  }

  /**
   * The network to train: itself, or with quantizers that a batch of images has set.
   *
   * @param images [N,C,H,W]
   */
  public Model of(Backend backend, Model network, HostTensor images) {
    if (bits == 0) {
      return network;
    }
    Model quantized = Pipelines.quantize(network, policy());
    return new Model(
        quantized.name(),
        quantized.graph(),
        Calibration.ofBatch(backend, quantized, List.of(images)));
  }

  @Override
  public String toString() {
    return name();
  }
}
