package org.quantrain.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.quantrain.data.ImageFiles;

/** From a float file and a folder of images to a proven integer file. */
class QuantizeTest {
  @TempDir private static Path folder;
  private static String data;
  private static Path model;

  @BeforeAll
  static void train() throws Exception {
    data =
        "imagefolder:"
            + ImageFiles.classes(folder.resolve("images"), 12, 40, "dark", "light")
            + "?mean=0.5,0.5,0.5&std=0.25&size=8";
    Path run = folder.resolve("run");
    Cli cli =
        Cli.run(
            "train",
            "--data",
            data,
            "--epochs=3",
            "--qat-epochs=1",
            "--batch=8",
            "--out",
            run.toString());
    assertEquals(0, cli.code(), cli.toString());
    model = run.resolve("model.float.onnx");
  }

  private static Cli quantize(String... more) {
    String[] args = new String[more.length + 4];
    args[0] = "quantize";
    args[1] = model.toString();
    args[2] = "--data";
    args[3] = data;
    System.arraycopy(more, 0, args, 4, more.length);
    return Cli.run(args);
  }

  @Test
  void aFloatFileBecomesAnIntegerFileThatIsProvenOnTheTestImages() throws Exception {
    Path out = folder.resolve("model.int8.onnx");
    Cli cli = quantize("--out", out.toString(), "--images=50", "--json");
    assertEquals(0, cli.code(), cli.err());
    JsonNode json = cli.json();
    assertEquals(100, json.get("float").get("top1").asDouble(), "two colours are easy to tell");
    assertEquals(100, json.get("integer").get("top1").asDouble());
    assertEquals(80, json.get("integer").get("images").asInt());
    assertEquals(Files.size(out), json.get("integer").get("bytes").asLong());
    assertEquals(2, json.get("claims").size());
    for (JsonNode claim : json.get("claims")) {
      assertEquals(0, claim.get("differing").asLong());
      assertTrue(claim.get("compared").asLong() > 0);
    }
    assertEquals(
        json.get("accuracy").get(0).get("correct"), json.get("accuracy").get(1).get("correct"));
    for (JsonNode layer : json.get("layers")) {
      assertTrue(layer.get("sqnr").asDouble() > 20, layer.toString());
    }
    assertEquals(0, Cli.run("verify", out.toString(), "--data", data).code());
    String metadata = Cli.run("inspect", out.toString()).out();
    assertTrue(metadata.contains("quantrain.quantizer = minmax"), metadata);
  }

  @Test
  void theFileKnowsWhatBecomesOfItsImages() throws Exception {
    String bare = data.substring(0, data.indexOf('?'));
    Path out = folder.resolve("bare.onnx");
    Path same = folder.resolve("same.onnx");
    assertEquals(0, quantize("--out", same.toString()).code());
    Cli cli = Cli.run("quantize", model.toString(), "--data", bare, "--out", out.toString());
    assertEquals(0, cli.code(), cli.err());
    assertArrayEquals(Files.readAllBytes(same), Files.readAllBytes(out));
    assertEquals(0, Cli.run("verify", out.toString(), "--data", bare).code());
    String metadata = Cli.run("inspect", out.toString()).out();
    String mean = "mean = 0.5,0.5,0.5";
    String std = "std = 0.25,0.25,0.25";
    for (String line : new String[] {mean, std, "size = 8x8", "layout = NCHW"}) {
      assertTrue(metadata.contains("quantrain.input." + line), metadata);
    }
    for (String verb : new String[] {"verify", "eval", "quantize"}) {
      Path file = verb.equals("quantize") ? model : out;
      Cli other = Cli.run(verb, file.toString(), "--data", bare + "?mean=0.4");
      assertEquals(1, other.code(), other.toString());
      assertTrue(other.err().contains("mean=0.4,0.4,0.4&std=0.25"), other.err());
      assertTrue(other.err().contains("mean=0.5,0.5,0.5&std=0.25"), other.err());
    }
  }

  @Test
  void peopleReadTheErrorOfEveryLayerAndTheProofLast() {
    Cli cli = quantize("--out", folder.resolve("w4.onnx").toString(), "--wbits=4", "--abits=4");
    assertEquals(0, cli.code(), cli.err());
    for (String word : new String[] {"conv1", "W4A4", "weights dB", "result dB", "W8"}) {
      assertTrue(cli.out().contains(word), cli.out());
    }
    String last = cli.out().lines().reduce((a, b) -> b).orElseThrow();
    assertTrue(last.startsWith("V3") && last.contains("0 of "), cli.out());
  }

  @Test
  void whatCannotBeQuantizedIsRefused() throws Exception {
    Path out = folder.resolve("refused.onnx");
    byte[] before = Files.readAllBytes(model);
    Cli itself = quantize("--out", model.toString());
    assertEquals(2, itself.code());
    assertTrue(itself.err().contains("the float model itself"), itself.err());
    Cli calibrator = quantize("--out", out.toString(), "--calibrator=minmx");
    assertEquals(2, calibrator.code());
    assertTrue(calibrator.err().contains("did you mean 'minmax'"), calibrator.err());
    assertEquals(2, quantize("--out", out.toString(), "--images=0").code());
    assertEquals(2, quantize("--out", out.toString(), "--wbits=9").code());
    Cli other = Cli.run("quantize", model.toString(), "--data=digits", "--out", out.toString());
    assertEquals(1, other.code());
    assertTrue(other.err().contains("1 channel, mean and std have 3 values"), other.err());
    Path integer = folder.resolve("run").resolve("model.w8a8.onnx");
    Cli twice = Cli.run("quantize", integer.toString(), "--data", data, "--out", out.toString());
    assertEquals(1, twice.code());
    assertTrue(twice.err().contains("an integer model already"), twice.err());
    assertEquals(2, Cli.run("quantize", model.toString()).code());
    assertFalse(Files.exists(out));
    assertArrayEquals(before, Files.readAllBytes(model));
  }

  @Test
  void everyCalibratorGivesAFileThatIsProven() throws Exception {
    for (String calibrator : new String[] {"percentile", "mse"}) {
      Path out = folder.resolve(calibrator + ".onnx");
      Cli cli = quantize("--out", out.toString(), "--calibrator", calibrator, "--json");
      assertEquals(0, cli.code(), cli.err());
      assertEquals(calibrator, cli.json().get("calibrator").asText());
      assertEquals(100, cli.json().get("integer").get("top1").asDouble());
    }
  }

  @Test
  void aModelFromAFileLearnsOtherClassesWhenAsked() throws Exception {
    Path images =
        ImageFiles.classes(folder.resolve("three"), 8, 20, "black", "grey", "white");
    Path run = folder.resolve("other");
    List<String> args =
        new ArrayList<>(
            List.of("train", "--model", model.toString(), "--data", "imagefolder:" + images));
    args.addAll(List.of("--qat-epochs=8", "--batch=8", "--out", run.toString()));
    Cli refused = Cli.run(args.toArray(String[]::new));
    assertEquals(1, refused.code());
    assertTrue(refused.err().contains("knows 2 classes"), refused.err());
    assertTrue(refused.err().contains("has 3; --replace-head"), refused.err());
    assertFalse(Files.exists(run));
    args.addAll(List.of("--replace-head", "--json"));
    Cli trained = Cli.run(args.toArray(String[]::new));
    assertEquals(0, trained.code(), trained.err());
    assertTrue(trained.json().get("integer").get("top1").asDouble() > 60, trained.err());
    assertEquals(0, Cli.run("verify", run.toString()).code());
    Cli zoo = Cli.run("train", "--model=lenet", "--replace-head");
    assertEquals(2, zoo.code());
    assertTrue(zoo.err().contains("only a model from a file"), zoo.err());
  }

  @Test
  void aDamagedImageStopsItWithTheNameOfTheFile() throws Exception {
    Path images = ImageFiles.classes(folder.resolve("damaged"), 8, 3, "dark", "light");
    Files.writeString(images.resolve("test/light/1.png"), "no image");
    Cli cli =
        Cli.run(
            "quantize",
            model.toString(),
            "--data",
            "imagefolder:" + images,
            "--out",
            folder.resolve("none.onnx").toString());
    assertEquals(1, cli.code());
    assertTrue(cli.err().contains("light/1.png: neither JPEG nor PNG"), cli.err());
  }
}
