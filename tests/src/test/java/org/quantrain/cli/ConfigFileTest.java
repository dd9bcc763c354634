package org.quantrain.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.quantrain.runtime.FloatProducts;

class ConfigFileTest {
  private static RunConfig merged(Path folder, String yaml) throws Exception {
    Path file = Files.writeString(folder.resolve("run.yaml"), yaml);
    return ConfigFile.merge(RunConfig.defaults(1437, false), ConfigFile.read(file));
  }

  private static void refuses(Path folder, String yaml, String... words) {
    RuntimeException e = assertThrows(RuntimeException.class, () -> merged(folder, yaml), yaml);
    for (String word : words) {
      assertTrue(e.getMessage().contains(word), e.getMessage());
    }
    assertEquals(1, e.getMessage().lines().count(), e.getMessage());
  }

  @Test
  void whatIsWrittenReadsAsTheSameConfiguration(@TempDir Path folder) throws Exception {
    ObjectNode given = ConfigFile.emptyTree();
    given.put("data", "idx:/a b/c?mean=0.5&std=0.1").put("lr", 1e-7).put("seed", Long.MIN_VALUE);
    given.put("model", "yes").put("momentum", 0.1f + 0.2f);
    given.putArray("override").add("conv.*=W4A8").add("[a-z]+: \"#'=A4");
    RunConfig config = ConfigFile.merge(RunConfig.defaults(60_000, true), given);
    assertEquals(config, merged(folder, ConfigFile.write(config)));
    assertEquals(ConfigFile.write(config), ConfigFile.write(config));
  }

  @Test
  void anEmptyFileIsAllDefaults(@TempDir Path folder) throws Exception {
    assertEquals(RunConfig.defaults(1437, false), merged(folder, ""));
    assertEquals(RunConfig.defaults(1437, false), merged(folder, "# nothing\n"));
  }

  @Test
  void smallNumbersMayBeWrittenAsPeopleDo(@TempDir Path folder) throws Exception {
    assertEquals(1e-4f, merged(folder, "weight-decay: 1e-4").weightDecay());
    assertEquals(1f, merged(folder, "lr: 1").lr());
  }

  @Test
  void whatADeviceMayDoToProductsIsASettingOfTheRun(@TempDir Path folder) throws Exception {
    assertEquals(FloatProducts.EXACT, merged(folder, "").floatProducts());
    RunConfig fast = merged(folder, "device: cuda\ntf32: true\ndeterministic: false");
    fast.recipe();
    assertEquals(new FloatProducts(true, false), fast.floatProducts());
    String written = ConfigFile.write(fast);
    assertTrue(written.contains("\ntf32: true\ndeterministic: false\n"), written);
  }

  @Test
  void productsThatOnlyCudaHasAreRefusedElsewhere(@TempDir Path folder) throws Exception {
    RunConfig tf32 = merged(folder, "device: cpu\ntf32: true");
    assertEquals(
        "tf32: only CUDA has such products; expected false, or cuda as the device, got cpu",
        assertThrows(UsageException.class, tf32::recipe).getMessage());
    RunConfig fastest = merged(folder, "deterministic: false");
    assertEquals(
        "deterministic: only CUDA has such products; expected true, or cuda as the device, got"
            + " auto",
        assertThrows(UsageException.class, fastest::recipe).getMessage());
  }

  @Test
  void whatIsWrongIsNamed(@TempDir Path folder) {
    refuses(folder, "epoch: 3", "unknown setting 'epoch'", "'epochs'");
    refuses(folder, "epochs: many", "epochs", "a whole number", "many");
    refuses(folder, "epochs: 1.5", "epochs", "a whole number");
    refuses(folder, "epochs: ''", "run.yaml", "epochs has no value");
    refuses(folder, "lr: [1]", "lr", "a number");
    refuses(folder, "epochs: 1\nepochs: 2", "run.yaml", "epochs");
    refuses(folder, "epochs: [1", "run.yaml", "line");
    refuses(folder, "just words", "run.yaml", "key: value");
  }

  @Test
  void aKeyWithoutAValueIsNamedWithItsFile(@TempDir Path folder) {
    for (String key : ConfigFile.keys()) {
      refuses(folder, key + ":", "run.yaml", key + " has no value");
      refuses(folder, key + ": null\n", "run.yaml", key + " has no value");
    }
    refuses(folder, "override: [null]", "run.yaml", "override", "without a value");
    refuses(folder, "override:\n- conv1=W4\n-\n", "run.yaml", "override", "without a value");
    refuses(folder, "epoch:", "unknown setting 'epoch'");
  }

  @Test
  void whatIsNoUtf8IsRefusedWithItsLine(@TempDir Path folder) throws Exception {
    Path file = folder.resolve("run.yaml");
    Files.write(file, new byte[] {'#', '\n', 'd', 'a', 't', 'a', ':', ' ', (byte) 0xff, '\n'});
    FailureException e = assertThrows(FailureException.class, () -> ConfigFile.read(file));
    assertEquals(file + ", line 2: not in UTF-8", e.getMessage());
    Files.write(file, new byte[] {'#', (byte) 0xc3}); // cut off
    e = assertThrows(FailureException.class, () -> ConfigFile.read(file));
    assertEquals(file + ", line 1: not in UTF-8", e.getMessage());
  }

  @Test
  void faultsOfSyntaxAreSaidInOneLineWithTheirPlace(@TempDir Path folder) {
    refuses(folder, "epochs: 1\noverride: [a\ndata: x\n", "run.yaml, line ", "expected");
    refuses(folder, "data: digits\n\tlr: 1\n", "run.yaml, line 2", "TAB");
    refuses(folder, "data: 'digits", "run.yaml, line ", "unexpected end");
    refuses(folder, "data: \u0001", "run.yaml");
  }

  @Test
  void filesDoNotMakeObjects(@TempDir Path folder) {
    refuses(folder, "model: !!javax.script.ScriptEngineManager [x]", "model");
  }

  @Test
  void everySettingIsAnOptionOfTrain() {
    String help = Cli.run("train", "--help").out();
    for (String key : ConfigFile.keys()) {
      // An option that is there or not takes no value.
      assertTrue(help.contains("--" + key + "=") || help.contains("--" + key + " "), key);
    }
  }

  @Test
  void runsAreNamedAfterDataModelAndBits() {
    ObjectNode given = ConfigFile.emptyTree();
    assertEquals("digits-lenet-w8a8", config(given).stem());
    given.put("data", "idx:/data/x?limit=3").put("model", "/data/My Net.onnx").put("wbits", 4);
    assertEquals("idx-my-net-w4a8", config(given).stem());
  }

  @Test
  void theFirstMatchingOverrideWins() {
    ObjectNode given = ConfigFile.emptyTree();
    given.putArray("override").add("conv1=W4").add("conv.*=W2A3");
    RunConfig config = config(given);
    assertEquals(4, config.policy().weightSpec("conv1", false).bits());
    assertEquals(8, config.policy().inputBits("conv1", false));
    assertEquals(2, config.policy().weightSpec("conv2", false).bits());
    assertEquals(3, config.policy().inputBits("conv2", false));
    assertEquals(List.of("conv1=W4"), config.unusedOverrides(List.of("conv2", "fc")));
  }

  private static RunConfig config(ObjectNode given) {
    return ConfigFile.merge(RunConfig.defaults(1437, false), given);
  }
}
