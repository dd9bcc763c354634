package org.quantrain.benchmarks;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.DoubleSupplier;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.bytedeco.pytorch.global.torch;
import org.quantrain.Quantrain;
import org.quantrain.bench.RepeatedStep;
import org.quantrain.bench.StepKind;
import org.quantrain.graph.Model;
import org.quantrain.op.Compute;
import org.quantrain.op.Lowering;
import org.quantrain.pass.Pipelines;
import org.quantrain.quant.Quantizer;

/**
 * One of the systems whose training steps are compared, with a network loaded: its parameters, and
 * where it is quantized by us, the ranges of its quantizers.
 */
final class StepSystem implements AutoCloseable {
  static final int CLASSES = 10;

  static final StepKind W8A8 = new StepKind(8, Quantizer.EMA, Lowering.INTEGER, Compute.F32);

  /** Ours, by name. */
  private static final Map<String, StepKind> OURS =
      Stream.of(
              W8A8,
              new StepKind(4, Quantizer.LSQ, Lowering.INTEGER, Compute.F32),
              new StepKind(8, Quantizer.EMA, Lowering.SIMULATED, Compute.F32),
              StepKind.floats(Compute.F32))
          .collect(
              Collectors.toMap(k -> "ours " + k, k -> k, (a, b) -> a, LinkedHashMap::new));

  /** What there is, by name. */
  static final List<String> NAMES =
      Stream.concat(
              OURS.keySet().stream(),
              Stream.of(
                  "libtorch QAT W8A8 float32",
                  "libtorch QAT W8A8 bf16",
                  "libtorch float32",
                  "libtorch float bf16"))
          .toList();

  private final int batch;
  private final StepKind kind;
  private final Quantrain quantrain;
  private final Model loaded;
  private final TorchTraining peer;
  private RepeatedStep ours;

  /** A step, and the loss that the last one left. */
  record Training(Runnable step, DoubleSupplier loss) {}

  StepSystem(String name, Model model, int batch, int threads) {
    this.batch = batch;
    kind = OURS.get(name);
    if (kind == null) {
      torch.set_num_threads(threads);
      quantrain = null;
      loaded = null;
      Model network =
          name.contains("QAT") ? Pipelines.quantize(model, W8A8.policy()) : model;
      peer = new TorchTraining(network, batch, CLASSES, name.contains("bf16"));
    } else {
      quantrain = Quantrain.open(threads);
      loaded = kind.of(quantrain.backend(), model, RepeatedStep.images(model, batch));
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

  /** Makes what steps need beside the network; once. */
  Training start() {
    if (peer != null) {
      return new Training(peer::step, peer::loss);
    }
    ours = new RepeatedStep(quantrain.backend(), loaded, kind, batch);
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
