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

  private CudaDiagnosis() {}

  /**
   * Looks at this machine.
   *
   * @param libraries folder that was named; null: the environment's, or none
   * @return a device, then the libraries: training on CUDA works if all are there
   */
  public static List<DeviceCheck> run(Path libraries) {
    CudaProbe probe = CudaProbe.run();
    try {
      return of(probe, CudaLibraries.find(libraries), LibraryProducts::load);
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
            LIBRARIES, false, String.join("; ", problems), "to get them: " + CudaLibraries.remedy());
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
