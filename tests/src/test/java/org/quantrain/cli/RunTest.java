package org.quantrain.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** One short training, and what the other verbs make of it. */
class RunTest {
  private static final String DATA = "digits?limit=300";

  @TempDir private static Path folder;
  private static Path run;
  private static Cli trained;

  @BeforeAll
  static void train() {
    run = folder.resolve("run");
    trained =
        Cli.run(
            "train",
            "--data=" + DATA,
            "--epochs=2",
            "--qat-epochs=2",
            "--wbits=4",
            "--override",
            "fc1=W5A6",
            "--out",
            run.toString(),
            "--json");
  }

  private static Path model() {
    return run.resolve("model.w4a8.onnx");
  }

  private static void assertClaim(JsonNode claim, String name) {
    assertEquals(name, claim.get("claim").asText());
    assertEquals(0, claim.get("differing").asLong());
    assertTrue(claim.get("compared").asLong() > 0, claim.toString());
    assertTrue(claim.get("against").isTextual(), claim.toString());
    assertTrue(claim.get("first").isNull(), claim.toString());
  }

  @Test
  void trainingTellsMachinesItsResult() throws Exception {
    assertEquals(0, trained.code(), trained.err());
    JsonNode json = trained.json();
    assertEquals(run.toString(), json.get("run").asText());
    assertEquals(run.resolve("report.html").toString(), json.get("report").asText());
    assertTrue(json.get("float").get("top1").isNumber());
    assertTrue(json.get("integer").get("top1").isNumber());
    assertEquals(2, json.get("claims").size());
    assertClaim(json.get("claims").get(0), "V2");
    assertClaim(json.get("claims").get(1), "V3");
  }

  @Test
  void trainingTellsPeopleTheResultLast() {
    List<String> lines = trained.err().lines().toList();
    List<String> last = lines.subList(lines.size() - 5, lines.size());
    List<String> names = List.of("report", "float", "integer", "V2", "V3");
    for (int i = 0; i < names.size(); i++) {
      assertTrue(last.get(i).startsWith(names.get(i) + " "), last.toString());
    }
    assertTrue(last.get(3).contains("0 of "), last.toString());
  }

  @Test
  void aRunHoldsWhatItShouldAndNothingHalfWritten() throws Exception {
    try (Stream<Path> files = Files.walk(run)) {
      List<String> names =
          files
              .filter(Files::isRegularFile)
              .map(file -> run.relativize(file).toString())
              .map(name -> name.startsWith("events.out.tfevents.") ? "events" : name)
              .distinct()
              .sorted()
              .toList();
      assertEquals(
          List.of(
              "checkpoints/float.safetensors",
              "checkpoints/qat.safetensors",
              "config.yaml",
              "events",
              "metrics.jsonl",
              "model.float.onnx",
              "model.w4a8.onnx",
              "report.html",
              "verify.json"),
          names);
    }
    JsonNode verification = new ObjectMapper().readTree(run.resolve("verify.json").toFile());
    assertTrue(verification.get("holds").asBoolean());
    assertTrue(verification.get("claims").get(0).get("tensors").size() > 3);
    assertTrue(Files.readString(run.resolve("report.html")).contains("compared codes differs."));
  }

  @Test
  void itsConfigurationRerunsIt() throws Exception {
    Path again = folder.resolve("again");
    Cli cli =
        Cli.run(
            "train", "--config", run.resolve("config.yaml").toString(), "--out", again.toString());
    assertEquals(0, cli.code(), cli.err());
    assertArrayEquals(
        Files.readAllBytes(model()), Files.readAllBytes(again.resolve("model.w4a8.onnx")));
    assertEquals(
        Files.readString(run.resolve("config.yaml")),
        Files.readString(again.resolve("config.yaml")));
    byte[] before = Files.readAllBytes(again.resolve("model.w4a8.onnx"));
    Cli resumed = Cli.run("train", "--resume", again.toString());
    assertEquals(0, resumed.code(), resumed.err());
    assertArrayEquals(before, Files.readAllBytes(again.resolve("model.w4a8.onnx")));
  }

  @Test
  void aRunIsVerifiedFromItsCheckpoint() throws Exception {
    Cli cli = Cli.run("verify", run.toString(), "--data", "digits?limit=70", "--json");
    assertEquals(0, cli.code(), cli.err());
    assertEquals(70, cli.json().get("images").asInt());
    assertClaim(cli.json().get("claims").get(0), "V2");
    assertClaim(cli.json().get("claims").get(1), "V3");
  }

  @Test
  void aFileIsVerifiedWithGeneratedImages() throws Exception {
    Cli cli = Cli.run("verify", model().toString(), "--json");
    assertEquals(0, cli.code(), cli.err());
    assertEquals(1, cli.json().get("claims").size());
    assertClaim(cli.json().get("claims").get(0), "V2");
    assertTrue(cli.json().get("digestMatches").asBoolean());
  }

  @Test
  void aChangedFileIsFoundOut() throws Exception {
    byte[] bytes = Files.readAllBytes(model());
    bytes[bytes.length / 2] ^= 1; // amid the weights of the largest layer
    Path changed = Files.write(folder.resolve("changed.onnx"), bytes);
    Cli cli = Cli.run("verify", changed.toString());
    assertEquals(1, cli.code(), cli.toString());
    List<String> lines =
        cli.out()
            .lines()
            .filter(line -> !line.startsWith("file ") && !line.startsWith("contract "))
            .toList();
    assertTrue(lines.get(0).contains("BROKEN"), cli.out());
  }

  @Test
  void aFloatModelIsNotVerified() {
    Cli cli = Cli.run("verify", run.resolve("model.float.onnx").toString());
    assertEquals(1, cli.code());
    assertTrue(cli.err().contains("not an integer model"), cli.err());
  }

  @Test
  void bothModelsOfARunAreEvaluatedAsTheyWereTrained() throws Exception {
    Cli cli = Cli.run("eval", run.toString(), "--json");
    assertEquals(0, cli.code(), cli.err());
    JsonNode trainedResult = trained.json();
    for (String which : List.of("float", "integer")) {
      for (String field : List.of("top1", "top5", "images")) {
        assertEquals(
            trainedResult.get(which).get(field), cli.json().get(which).get(field), which + field);
      }
    }
    Cli file = Cli.run("eval", model().toString(), "--data", "digits?limit=300", "--json");
    assertEquals(cli.json().get("integer").get("top1"), file.json().get("top1"));
    assertEquals(2, Cli.run("eval", model().toString()).code());
  }

  /** An idx folder of 100 images of 6x6 in ten classes for training, as many for testing. */
  private static Path otherImages() throws Exception {
    Path data = Files.createDirectories(folder.resolve("idx"));
    byte[] images = new byte[16 + 100 * 36];
    ByteBuffer.wrap(images).putInt(0x803).putInt(100).putInt(6).putInt(6);
    byte[] labels = new byte[8 + 100];
    ByteBuffer.wrap(labels).putInt(0x801).putInt(100);
    for (int i = 0; i < 100; i++) {
      labels[8 + i] = (byte) (i % 10);
    }
    for (String part : List.of("train", "t10k")) {
      Files.write(data.resolve(part + "-images-idx3-ubyte"), images);
      Files.write(data.resolve(part + "-labels-idx1-ubyte"), labels);
    }
    return data;
  }

  @Test
  void imagesOfAnotherShapeAreRefused() throws Exception {
    String data = "idx:" + otherImages();
    for (String model : List.of("model.w4a8.onnx", "model.float.onnx")) {
      Cli cli = Cli.run("eval", run.resolve(model).toString(), "--data", data);
      assertEquals(1, cli.code());
      assertTrue(cli.err().contains("takes images of 1x8x8"), cli.err());
    }
  }

  @Test
  void aTrainedFileGoesOnWithoutFloatEpochs() throws Exception {
    Path out = folder.resolve("tuned");
    String model = run.resolve("model.float.onnx").toString();
    Cli cli =
        Cli.run(
            "train",
            "--model",
            model,
            "--data=" + DATA,
            "--qat-epochs=1",
            "--out",
            out.toString(),
            "--json");
    assertEquals(0, cli.code(), cli.err());
    assertEquals(
        trained.json().get("float").get("top1"), cli.json().get("float").get("top1"), cli.err());
    assertTrue(Files.readString(out.resolve("config.yaml")).contains("\nepochs: 0\n"));
  }

  @Test
  void layersAreListedWithTheirBits() throws Exception {
    Cli cli = Cli.run("inspect", run.toString(), "--json");
    assertEquals(0, cli.code(), cli.err());
    JsonNode layers = cli.json().get("layers");
    assertEquals("conv1", layers.get(0).get("name").asText());
    assertEquals(8, layers.get(0).get("weights").get("bits").asInt());
    assertEquals(4, layers.get(2).get("weights").get("bits").asInt());
    assertEquals(5, layers.get(4).get("weights").get("bits").asInt());
    assertEquals(6, layers.get(4).get("input").get("bits").asInt());
    assertEquals("matches", cli.json().get("digest").asText());
    assertEquals(31_050, cli.json().get("parameters").asInt());
    String text = Cli.run("inspect", model().toString()).out();
    assertTrue(text.contains("W5A6"), text);
    assertTrue(
        Cli.run("inspect", run.resolve("model.float.onnx").toString()).out().contains("float"));
  }

  @Test
  void theDoctorFindsWhatTrainingNeeds() throws Exception {
    Cli cli = Cli.run("doctor", "--json");
    assertEquals(0, cli.code(), cli.toString());
    assertTrue(cli.json().get("healthy").asBoolean());
    for (JsonNode check : cli.json().get("checks")) {
      assertTrue(check.get("ok").asBoolean() || !check.get("needed").asBoolean());
    }
  }
}
