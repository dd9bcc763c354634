package org.quantrain.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import org.quantrain.bundle.Bundle;
import org.quantrain.report.Json;
import org.quantrain.report.Numbers;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** {@code quantrain bundle}. */
@Command(
    name = "bundle",
    description =
        "Write one archive that runs on another Linux machine without Java and without a network;"
            + " from the source tree.",
    sortOptions = false,
    abbreviateSynopsis = true,
    optionListHeading = "%nOptions:%n",
    footer = {
      "",
      "In it are a trimmed Java runtime, the program, its native libraries, their sources, and",
      "verify.sh, which checks all of it there: on the CPU, and where there is a driver on the"
          + " GPU,",
      "beside PyTorch where that is installed. A GPU host gives the driver and the CUDA libraries.",
      "",
      "Examples:",
      "  quantrain bundle",
      "  quantrain bundle --with ~/cifar10 --with resnet20.onnx -o /tmp/quantrain.tar.xz",
      "  there: tar xf quantrain.tar.xz && quantrain-*/verify.sh"
    })
final class BundleCommand extends Verb {
  private static final long MEGABYTE = 1_000_000;

  @Option(
      names = {"-o", "--out"},
      paramLabel = "FILE",
      description =
          "The archive, .tar.xz or the larger .tar.gz, which is made faster; default:"
              + " ${DEFAULT-VALUE}.",
      defaultValue = "quantrain.tar.xz")
  private Path out;

  @Option(
      names = "--with",
      paramLabel = "FILE|DIR",
      description = "Goes into data/ under its own name; may be repeated.")
  private List<Path> data = List.of();

  @Option(
      names = "--limit",
      paramLabel = "MB",
      description = "Fail if the archive without data is larger; default: ${DEFAULT-VALUE}.",
      defaultValue = "60")
  private int limit;

  BundleCommand(Console console) {
    super(console);
  }

  @Override
  public Integer call() throws IOException {
    if (limit < 1) {
      throw new UsageException("limit: " + limit + " MB hold nothing; expected 1 or more");
    }
    Bundle bundle;
    try {
      bundle = Bundle.write(out, Version.NUMBER, data, limit * MEGABYTE);
    } catch (IOException e) {
      if (String.valueOf(e.getMessage()).contains("No space left")) {
        throw new FailureException(
            "no space left: the archive needs its own size where --out is, and about 500 MB for"
                + " its parts in %s; another place for these: QUANTRAIN_JAVA_OPTS="
                    .formatted(System.getProperty("java.io.tmpdir"))
                + "-Djava.io.tmpdir=FOLDER");
      }
      throw e;
    }
    report(bundle);
    return Main.OK;
  }

  private void report(Bundle bundle) {
    ObjectNode result = Json.object().put("file", bundle.file().toString());
    result.put("folder", bundle.folder()).put("glibc", bundle.glibc()).put("cuda", bundle.cuda());
    ArrayNode rows = result.putArray("parts");
    TextTable table = new TextTable("part", ">unpacked", ">in the archive");
    long packed = 0;
    for (Bundle.Part part : bundle.parts()) {
      table.add(part.name(), Numbers.bytes(part.unpacked()), Numbers.bytes(part.packed()));
      ObjectNode row = rows.addObject().put("name", part.name());
      row.put("unpacked", part.unpacked()).put("packed", part.packed());
      packed += part.packed();
    }
    result.put("bytes", packed);
    table.lines().forEach(console()::say);
    console().fact("file", bundle.file() + ", " + Numbers.bytes(packed));
    console().fact("needs", "Linux with glibc " + bundle.glibc() + " or newer");
    if (!bundle.cuda()) {
      console().fact("CUDA", "not built here; build-cuda.sh in it builds the kernels with nvcc");
    }
    String archive = bundle.file().getFileName().toString();
    console().fact("there", "tar xf %s && %s/verify.sh".formatted(archive, bundle.folder()));
    console().result(result);
  }
}
