package org.quantrain.cli;

import java.nio.file.Path;
import org.quantrain.Quantrain;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** The option of the commands that look for CUDA's libraries, which a process loads once. */
final class CudaLibrariesOption {
  @Spec(Spec.Target.MIXEE)
  private CommandSpec command;

  @Option(
      names = "--cuda-libraries",
      paramLabel = "DIR",
      description =
          "Where cuDNN, cuBLAS and the CUDA runtime are, if not in the system: a folder of them, or"
              + " of Python packages such as PyTorch's; also QUANTRAIN_CUDA_LIBRARIES.")
  void use(Path folder) {
    if (folder == null) {
      return; // Not given.
    }
    try {
      Quantrain.useCudaLibraries(folder);
    } catch (IllegalArgumentException e) {
      throw new ParameterException(command.commandLine(), "--cuda-libraries: " + e.getMessage(), e);
    }
  }
}
