package org.quantrain.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.quantrain.data.ImageFiles;
import org.quantrain.data.ImageSize;
import org.quantrain.data.Normalization;
import org.quantrain.data.Preprocessing;

/** Trainings on folders of image files. */
class TrainOnFilesTest {
  @TempDir private Path folder;

  @Test
  void randomPartsTrainANetworkThatIsEvaluatedAndDeployedOnWholeImages() throws Exception {
    Path images = ImageFiles.classes(folder.resolve("images"), 13, 24, "dark", "light");
    byte[] first = null;
    for (String threads : List.of("1", "3")) {
      Path run = folder.resolve("run" + threads);
      Cli cli =
          Cli.run(
              "train",
              "--data=imagefolder:" + images + "?size=8&mean=0.5&std=0.25",
              "--epochs=6",
              "--qat-epochs=2",
              "--batch=8",
              "--augment=resize-crop-flip",
              "--input-threads=" + threads,
              "--out=" + run,
              "--json");
      assertEquals(0, cli.code(), cli.err());
      assertTrue(cli.json().get("integer").get("top1").asDouble() > 80, cli.err());
      Path model = run.resolve("model.w8a8.onnx");
      assertEquals(
          Optional.of(new Preprocessing(Normalization.of(0.5f, 0.25f), new ImageSize(8, 8))),
          ModelFile.preprocessing(model));
      byte[] checkpoint = Files.readAllBytes(run.resolve("checkpoints/qat.safetensors"));
      first = first == null ? checkpoint : first;
      assertEquals(0, Arrays.compare(first, checkpoint), threads + " threads");
    }
    Cli eval = Cli.run("eval", folder.resolve("run1").toString(), "--json");
    assertEquals(0, eval.code(), eval.err());
    assertTrue(eval.json().get("float").get("top1").asDouble() > 80, eval.err());
  }

  @Test
  void aDamagedImageStopsTheTrainingWithTheNameOfTheFile() throws Exception {
    Path images = ImageFiles.classes(folder.resolve("damaged"), 8, 9, "dark", "light");
    Files.writeString(images.resolve("train/light/5.png"), "no image");
    for (String augment : List.of("none", "resize-crop")) {
      Path run = folder.resolve(augment);
      Cli cli =
          Cli.run(
              "train",
              "--data=imagefolder:" + images,
              "--epochs=2",
              "--batch=4",
              "--augment=" + augment,
              "--out=" + run);
      assertEquals(1, cli.code());
      assertTrue(cli.err().contains("light/5.png: neither JPEG nor PNG"), cli.err());
    }
  }
}
