package org.quantrain.backend.cuda;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.quantrain.runtime.DeviceCheck;
import org.quantrain.runtime.QuantrainException;

/**
 * What CUDA needs on this machine and what of it is there. Libraries are looked for in any case and
 * loaded only where there is a device.
 */
public final class CudaDiagnosis {
  private static final String DEVICE = "CUDA device";
  private static final String LIBRARIES = "CUDA libraries";
  private static final String NCCL = "NCCL";

  private CudaDiagnosis() {}

  /**
   * A device, then the libraries: plans run on CUDA if they are there. Last NCCL, which several
   * processes need.
   */
  public static List<DeviceCheck> run() {
    CudaProbe probe = CudaProbe.run();
    try {
      CudaLibraries libraries = CudaLibraries.find();
      List<DeviceCheck> checks = of(probe, libraries, LibraryProducts::load);
      boolean loaded = probe.devices() > 0 && checks.stream().allMatch(DeviceCheck::ok);
      checks.add(loaded ? nccl(libraries) : ncclFound(libraries));
      return checks;
    } catch (QuantrainException e) { // The folder that was named.
      return List.of(device(probe), new DeviceCheck(LIBRARIES, false, e.getMessage(), null));
    }
  }

  static List<DeviceCheck> of(
      CudaProbe probe, CudaLibraries libraries, Function<CudaLibraries, CudaVersions> load) {
    List<DeviceCheck> checks = new ArrayList<>();
    checks.add(device(probe));
    if (probe.devices() == 0) {
      checks.add(found(libraries));
      return checks;
    }
    try {
      CudaVersions versions = load.apply(libraries);
      List<String> problems = versions.problems();
      if (problems.isEmpty()) {
        checks.add(new DeviceCheck(LIBRARIES, true, versions + places(libraries), null));
      }
      problems.forEach(
          problem ->
              checks.add(new DeviceCheck(LIBRARIES, false, problem, CudaLibraries.remedy())));
    } catch (QuantrainException e) {
      checks.add(new DeviceCheck(LIBRARIES, false, e.getMessage(), null));
    }
    return checks;
  }

  private static DeviceCheck device(CudaProbe probe) {
    if (probe.devices() > 0) {
      String count = probe.devices() == 1 ? "1 device" : probe.devices() + " devices";
      return new DeviceCheck(DEVICE, true, count, null);
    }
    if (!probe.built()) {
      return new DeviceCheck(
          DEVICE,
          false,
          probe.reason(),
          "the kernels need nvcc on the PATH when Quantrain is built, and an NVIDIA driver");
    }
    return new DeviceCheck(
        DEVICE,
        false,
        probe.reason(),
        CudaFailure.ofText(probe.reason()) == CudaFailure.OLD_DRIVER
            ? "install an NVIDIA driver of version 580 or newer; 'nvidia-smi' says which is there"
            : CudaFailure.NO_DEVICE.advice());
  }

  /** By their files alone. */
  private static DeviceCheck found(CudaLibraries libraries) {
    List<String> problems = libraries.problems();
    return problems.isEmpty()
        ? new DeviceCheck(LIBRARIES, true, "found" + places(libraries), null)
        : new DeviceCheck(
            LIBRARIES,
            false,
            String.join("; ", problems),
            "to get them: " + CudaLibraries.remedy());
  }

  private static DeviceCheck nccl(CudaLibraries libraries) {
    try {
      int version = PresetNccl.version(libraries);
      String problem = PresetNccl.tooOld(version);
      return problem.isEmpty()
          ? new DeviceCheck(NCCL, true, "version " + CudaVersions.library(version), null)
          : new DeviceCheck(NCCL, false, problem, null);
    } catch (QuantrainException e) {
      return new DeviceCheck(NCCL, false, e.getMessage(), null);
    }
  }

  /** By its file alone. */
  static DeviceCheck ncclFound(CudaLibraries libraries) {
    Path file = libraries.files().get(NeededLibrary.NCCL);
    return file != null
        ? new DeviceCheck(NCCL, true, "found, " + file, null)
        : new DeviceCheck(
            NCCL,
            false,
            NeededLibrary.NCCL.file() + " not found; training on several devices needs it",
            "to get it: " + CudaLibraries.ncclRemedy());
  }

  private static String places(CudaLibraries libraries) {
    String folders =
        libraries.files().values().stream()
            .map(file -> file.getParent().toString())
            .distinct()
            .collect(Collectors.joining(", "));
    return folders.isEmpty() ? "" : ", in " + folders;
  }
}
