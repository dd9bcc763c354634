package org.quantrain.train;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.zip.CRC32;
import org.quantrain.tensor.HostTensor;

/**
 * Everything a stage needs to go on after an epoch: parameters and state, velocities, and the best
 * epoch so far. Data order and augmentation follow from seed and epoch, so that a resumed run ends
 * with the same bytes.
 *
 * @param fingerprint of the recipe, network and data the stage trains; a checkpoint of another run
 *     is refused
 * @param epochs epochs done
 * @param bestEpoch epoch of {@code best}, from 1; 0 before the first
 */
public record Checkpoint(
    Stage stage,
    String fingerprint,
    int epochs,
    int bestEpoch,
    int bestCorrect,
    double bestLoss,
    Map<String, HostTensor> contents,
    Map<String, HostTensor> velocities,
    Map<String, HostTensor> best) {
  private static final String FORMAT = "quantrain.checkpoint.1";

  /** Of everything that a stage goes on with: what other processes of the same training have, too. */
  long crc() {
    CRC32 crc = new CRC32();
    crc.update((stage.id() + fingerprint + epochs).getBytes(StandardCharsets.UTF_8));
    for (Map<String, HostTensor> part : List.of(contents, velocities)) {
      new TreeMap<>(part).values().forEach(tensor -> crc.update(tensor.buffer()));
    }
    return crc.getValue();
  }

  /** Written to a temporary name, synced and renamed. */
  public void write(Path path) throws IOException {
    Map<String, HostTensor> tensors = new HashMap<>();
    contents.forEach((k, v) -> tensors.put("model/" + k, v));
    velocities.forEach((k, v) -> tensors.put("velocity/" + k, v));
    best.forEach((k, v) -> tensors.put("best/" + k, v));
    Map<String, String> metadata =
        Map.of(
            "format", FORMAT,
            "stage", stage.id(),
            "fingerprint", fingerprint,
            "epochs", Integer.toString(epochs),
            "best_epoch", Integer.toString(bestEpoch),
            "best_correct", Integer.toString(bestCorrect),
            "best_loss", Double.toHexString(bestLoss));
    Safetensors.write(path, new Safetensors.File(metadata, tensors));
  }

  /**
   * @throws CheckpointException if the file is missing, corrupt or no checkpoint
   */
  public static Checkpoint read(Path path) throws IOException {
    Safetensors.File file = Safetensors.read(path);
    Map<String, String> meta = file.metadata();
    if (!FORMAT.equals(meta.get("format"))) {
      throw new CheckpointException(
          "checkpoint " + path + ": expected format " + FORMAT + ", got " + meta.get("format"));
    }
    try {
      return new Checkpoint(
          meta.get("stage").equals(Stage.FLOAT.id()) ? Stage.FLOAT : Stage.QAT,
          meta.get("fingerprint"),
          Integer.parseInt(meta.get("epochs")),
          Integer.parseInt(meta.get("best_epoch")),
          Integer.parseInt(meta.get("best_correct")),
          Double.parseDouble(meta.get("best_loss")),
          part(file.tensors(), "model/"),
          part(file.tensors(), "velocity/"),
          part(file.tensors(), "best/"));
    } catch (NullPointerException | NumberFormatException e) {
      throw new CheckpointException(
          "checkpoint " + path + " is corrupt: its metadata are incomplete");
    }
  }

  private static Map<String, HostTensor> part(Map<String, HostTensor> tensors, String prefix) {
    Map<String, HostTensor> found = new HashMap<>();
    tensors.forEach(
        (k, v) -> {
          if (k.startsWith(prefix)) {
            found.put(k.substring(prefix.length()), v);
          }
        });
    return found;
  }
}
