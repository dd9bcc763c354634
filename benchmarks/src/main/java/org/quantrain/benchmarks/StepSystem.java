package org.quantrain.benchmarks;

import java.util.List;
import java.util.function.DoubleSupplier;
import org.bytedeco.pytorch.global.torch;
import org.quantrain.Quantrain;
import org.quantrain.graph.Model;
import org.quantrain.op.Lowering;
import org.quantrain.pass.Pipelines;
import org.quantrain.quant.QuantPolicy;
import org.quantrain.quant.Quantizer;
import org.quantrain.quant.Target;

/**
 * One of the systems whose training steps are compared, with a network loaded: its parameters, and
 * where it is quantized by us, the ranges of its quantizers.
 */
final class StepSystem implements AutoCloseable {
  static final int CLASSES = 10;

  /** What there is, by name. */
  static final List<String> NAMES =
      List.of(
          "ours QAT W8A8 integer",
          "ours QAT W4A4 LSQ integer",
          "ours QAT W8A8 simulated",
          "ours float32",
          "libtorch QAT W8A8 float32",
          "libtorch QAT W8A8 bf16",
          "libtorch float32",
          "libtorch float bf16");

  private final String name;
  private final int batch;
  private final Quantrain quantrain;
  private final Model loaded;
  private final TorchTraining peer;
  private TrainingStep ours;

  /** A step, and the loss that the last one left. */
  record Training(Runnable step, DoubleSupplier loss) {}

  StepSystem(String name, Model model, int batch, int threads) {
    this.name = name;
    this.batch = batch;
    boolean quantized = name.contains("QAT");
    if (name.startsWith("libtorch")) {
      torch.set_num_threads(threads);
      quantrain = null;
      loaded = null;
      Model network = quantized ? Pipelines.quantize(model, policy(8)) : model;
      peer = new TorchTraining(network, batch, CLASSES, name.contains("bf16"));
    } else {
      quantrain = Quantrain.open(threads);
      QuantPolicy policy = name.contains("LSQ") ? policy(4).quantizer(Quantizer.LSQ) : policy(8);
      loaded =
          quantized ? TrainingStep.calibrated(quantrain.backend(), model, policy, batch) : model;
      peer = null;
    }
  }

  /** Those whose name has one of the texts in it; all if there are no texts. */
  static List<String> named(List<String> texts) {
    List<String> found =
        NAMES.stream()
            .filter(n -> texts.isEmpty() || texts.stream().anyMatch(n::contains))
            .toList();
    if (found.isEmpty()) {
      throw new IllegalArgumentException(
          "--only: no step's name has that in it; there are " + String.join(", ", NAMES));
    }
    return found;
  }

  static QuantPolicy policy(int bits) {
    return QuantPolicy.forTarget(Target.ORT).weights(bits).activations(bits);
  }

  /** Makes what steps need beside the network; once. */
  Training start() {
    if (peer != null) {
      return new Training(peer::step, peer::loss);
    }
    Lowering lowering = name.contains("simulated") ? Lowering.SIMULATED : Lowering.INTEGER;
    ours =
        name.contains("QAT")
            ? TrainingStep.quantized(quantrain.backend(), loaded, lowering, batch, CLASSES)
            : TrainingStep.floats(quantrain.backend(), loaded, batch, CLASSES);
    return new Training(ours::run, ours::loss);
  }

  /** Seconds of a started step of ours at the machine's limits; NaN of libtorch's. */
  double floor(MachineRates rates) {
    return ours == null ? Double.NaN : StepProfile.floor(ours.plan(), rates);
  }

  @Override
  public void close() {
    if (ours != null) {
      ours.close();
    }
    if (quantrain != null) {
      quantrain.close();
    }
  }
}
