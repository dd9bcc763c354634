package org.quantrain.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;
import java.util.Locale;
import org.quantrain.Quantrain;
import org.quantrain.bench.RepeatedStep;
import org.quantrain.bench.StepComparison;
import org.quantrain.bench.StepKind;
import org.quantrain.graph.Model;
import org.quantrain.op.Compute;
import org.quantrain.op.Lowering;
import org.quantrain.report.Json;
import org.quantrain.runtime.Device;
import org.quantrain.tensor.HostTensor;
import org.quantrain.zoo.Zoo;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code quantrain doctor}. */
@Command(
    name = "doctor",
    description = "Say what Quantrain uses on this machine, why, and what is missing.",
    sortOptions = false,
    abbreviateSynopsis = true,
    optionListHeading = "%nOptions:%n",
    footer = {
      "",
      "Exit code 1 if training would not work, or a device has other codes than the CPU.",
      "",
      "Examples:",
      "  quantrain doctor",
      "  quantrain doctor --device cuda --model resnet20"
    })
final class DoctorCommand extends Verb {
  private static final int SIDE = 32;
  private static final int BATCH = 4;

  @Option(
      names = "--device",
      paramLabel = "DEVICE",
      description =
          "Also take quantized training steps there and on the CPU, and count the integers that"
              + " differ up to the loss (V1): cuda, cuda:N, cpu.")
  private String device;

  @Option(
      names = "--model",
      split = ",",
      paramLabel = "NAME",
      defaultValue = "lenet,resnet20,mobilenetv2,vit-tiny,resnet50",
      description = "Networks of the zoo for these steps; default: ${DEFAULT-VALUE}.")
  private List<String> models;

  @Mixin private CudaLibrariesOption cudaLibraries;

  DoctorCommand(Console console) {
    super(console);
  }

  @Override
  public Integer call() {
    Device where = device == null ? null : RunConfig.parseDevice(device);
    try {
      models.forEach(Zoo::check);
    } catch (IllegalArgumentException e) {
      throw new UsageException(e.getMessage(), e);
    }
    ObjectNode result = Json.object();
    ArrayNode rows = result.putArray("checks");
    boolean healthy = true;
    for (Check check : Checks.all()) {
      healthy &= tell(check, rows);
    }
    if (where != null) {
      healthy &= compare(where, rows);
    }
    result.put("healthy", healthy);
    console().result(result);
    return healthy ? Main.OK : Main.FAILED;
  }

  /** Whether training works, as far as this goes. */
  private boolean tell(Check check, ArrayNode rows) {
    ObjectNode row = rows.addObject();
    row.put("name", check.name()).put("ok", check.ok()).put("needed", check.needed());
    row.put("detail", check.detail()).put("remedy", check.remedy());
    console().say("%-13s  %-14s %s".formatted(check.status(), check.name(), check.detail()));
    if (check.remedy() != null) {
      console().say("%-13s  %-14s %s".formatted("", "", check.remedy()));
    }
    return check.ok() || !check.needed();
  }

  private boolean compare(Device where, ArrayNode rows) {
    boolean same = true;
    try (Quantrain cpu = Quantrain.open();
        Quantrain there = Quantrain.open(where, 0)) {
      for (String model : models) {
        Model network = Zoo.build(model, 3, SIDE, SIDE, 10, 1);
        for (StepKind kind : StepKind.all(List.of(Lowering.INTEGER), List.of(Compute.F32))) {
          if (kind.bits() > 0) {
            HostTensor images = RepeatedStep.images(network, BATCH);
            Model quantized = kind.of(cpu.backend(), network, images);
            StepComparison step =
                StepComparison.of(cpu.backend(), there.backend(), quantized, kind, BATCH);
            same &= tell(check(model, kind, step), rows);
          }
        }
      }
    }
    return same;
  }

  private static Check check(String model, StepKind kind, StepComparison step) {
    String detail =
        String.format(
            Locale.ROOT,
            "%s %s: %,d of %,d differ; floats within %.1e of each tensor's largest",
            model,
            kind,
            step.differing(),
            step.compared(),
            step.furthest());
    boolean ok = step.differing() == 0 && Double.isFinite(step.furthest());
    String first = step.differences().stream().findFirst().orElse("a float is NaN");
    return ok ? Check.ok("step", detail) : Check.missing("step", detail, "first: " + first);
  }
}
