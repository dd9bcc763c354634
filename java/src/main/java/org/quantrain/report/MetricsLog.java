package org.quantrain.report;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import java.io.Closeable;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * metrics.jsonl: one JSON object per line and epoch, appended. A run that was killed may have left
 * half a line, which is cut off, or repeat an epoch after it resumed; the last line of an epoch
 * counts.
 */
public final class MetricsLog implements Closeable {
  private final Path file;
  private final FileChannel channel;

  private MetricsLog(Path file, FileChannel channel) {
    this.file = file;
    this.channel = channel;
  }

  /** Opens the log for appending; makes it if there is none. */
  public static MetricsLog open(Path file) throws RunException {
    try {
      FileChannel channel =
          FileChannel.open(
              file, StandardOpenOption.CREATE, StandardOpenOption.READ, StandardOpenOption.WRITE);
      channel.truncate(endOfLastLine(channel)).position(channel.size());
      return new MetricsLog(file, channel);
    } catch (IOException e) {
      throw RunException.cannotWrite(file, e);
    }
  }

  private static long endOfLastLine(FileChannel channel) throws IOException {
    ByteBuffer one = ByteBuffer.allocate(1);
    for (long end = channel.size(); end > 0; end--) {
      channel.read(one.clear(), end - 1);
      if (one.get(0) == '\n') {
        return end;
      }
    }
    return 0;
  }

  /** Appends a line and forces it to the disk. */
  public void append(EpochMetrics epoch) throws RunException {
    byte[] line = (Json.line(epoch.toJson()) + "\n").getBytes(StandardCharsets.UTF_8);
    ByteBuffer bytes = ByteBuffer.wrap(line);
    try {
      while (bytes.hasRemaining()) {
        channel.write(bytes);
      }
      channel.force(false);
    } catch (IOException e) {
      throw RunException.cannotWrite(file, e);
    }
  }

  @Override
  public void close() throws RunException {
    try {
      channel.close();
    } catch (IOException e) {
      throw RunException.cannotWrite(file, e);
    }
  }

  /** The epochs in the order in which they first came, each as it came last. */
  static List<EpochMetrics> read(Path file) throws RunException {
    if (!Files.exists(file)) {
      return List.of();
    }
    Map<String, EpochMetrics> epochs = new LinkedHashMap<>();
    try {
      for (String line : Files.readAllLines(file)) {
        JsonNode json = parse(line);
        if (json != null && json.path("epoch").isInt()) {
          EpochMetrics epoch = EpochMetrics.of(json);
          epochs.put(epoch.stage() + epoch.epoch(), epoch);
        }
      }
    } catch (IOException e) {
      throw RunException.cannotRead(file, e);
    }
    return new ArrayList<>(epochs.values());
  }

  /** Null for half a line. */
  private static JsonNode parse(String line) {
    try {
      return Json.parse(line);
    } catch (JsonProcessingException e) {
      return null;
    }
  }
}
