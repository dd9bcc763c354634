package org.quantrain.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;
import org.quantrain.report.Json;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** {@code quantrain doctor}. */
@Command(
    name = "doctor",
    description = "Say what Quantrain uses on this machine, why, and what is missing.",
    sortOptions = false,
    abbreviateSynopsis = true,
    optionListHeading = "%nOptions:%n",
    footer = {"", "Exit code 1 if training would not work.", "", "Example:", "  quantrain doctor"})
final class DoctorCommand extends Verb {
  @Mixin private CudaLibrariesOption cudaLibraries;

  DoctorCommand(Console console) {
    super(console);
  }

  @Override
  public Integer call() {
    List<Check> checks = Checks.all();
    ObjectNode result = Json.object();
    ArrayNode rows = result.putArray("checks");
    boolean healthy = true;
    for (Check check : checks) {
      healthy &= check.ok() || !check.needed();
      ObjectNode row = rows.addObject();
      row.put("name", check.name()).put("ok", check.ok()).put("needed", check.needed());
      row.put("detail", check.detail()).put("remedy", check.remedy());
      console().say("%-13s  %-14s %s".formatted(check.status(), check.name(), check.detail()));
      if (check.remedy() != null) {
        console().say("%-13s  %-14s %s".formatted("", "", check.remedy()));
      }
    }
    result.put("healthy", healthy);
    console().result(result);
    return healthy ? Main.OK : Main.FAILED;
  }
}
