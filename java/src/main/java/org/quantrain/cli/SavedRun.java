package org.quantrain.cli;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.quantrain.QuantizedNetwork;
import org.quantrain.Quantrain;
import org.quantrain.data.DataSource;
import org.quantrain.report.RunDirectory;
import org.quantrain.train.Checkpoint;
import org.quantrain.train.Stage;

/** A finished run: its settings, its models and its last checkpoint. */
record SavedRun(RunDirectory directory, RunConfig config) {
  static SavedRun open(Path folder) throws IOException {
    RunDirectory directory = RunDirectory.open(folder);
    RunConfig defaults = RunConfig.defaults(1, false);
    return new SavedRun(directory, ConfigFile.merge(defaults, ConfigFile.read(directory.config())));
  }

  /**
   * The exported integer model.
   *
   * @throws FailureException if the run did not come that far
   */
  Path integerModel() {
    return existing(directory.integerModel(config.bits(), config.suffix()));
  }

  Path floatModel() {
    return existing(directory.floatModel());
  }

  private Path existing(Path file) {
    if (!Files.isRegularFile(file)) {
      throw new FailureException(
          "%s: not there yet; finish the run with: quantrain train --resume %s"
              .formatted(file, directory.path()));
    }
    return file;
  }

  private Path checkpoint() {
    return directory.checkpoints().resolve(Stage.QAT.id() + ".safetensors");
  }

  /** False for a run that stopped before its quantized stage. */
  boolean hasCheckpoint() {
    return Files.isRegularFile(checkpoint());
  }

  /** The network as training left it: the best epoch. */
  QuantizedNetwork quantizedNetwork(Quantrain quantrain, DataSource images) throws IOException {
    QuantizedNetwork network =
        Networks.quantized(Networks.network(quantrain, config, images), config);
    network.restore(Checkpoint.read(checkpoint()).best());
    return network;
  }
}
