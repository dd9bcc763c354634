package org.quantrain.report;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TensorBoardWriterTest {
  /** CRC-32C bit by bit: polynomial 0x1edc6f41, reflected. */
  private static int crc32c(byte[] bytes) {
    int crc = ~0;
    for (byte b : bytes) {
      crc ^= b & 0xff;
      for (int i = 0; i < 8; i++) {
        crc = (crc >>> 1) ^ ((crc & 1) == 0 ? 0 : 0x82f63b78);
      }
    }
    return ~crc;
  }

  private static int masked(byte[] bytes) {
    int crc = crc32c(bytes);
    return ((crc >>> 15) | (crc << 17)) + 0xa282ead8;
  }

  /** The records of the only event file, each with its CRCs checked. */
  private static List<byte[]> records(Path folder) throws Exception {
    Path file;
    try (Stream<Path> files = Files.list(folder)) {
      file = files.filter(f -> f.toString().contains("tfevents")).findFirst().orElseThrow();
    }
    ByteBuffer in = ByteBuffer.wrap(Files.readAllBytes(file)).order(ByteOrder.LITTLE_ENDIAN);
    List<byte[]> records = new ArrayList<>();
    while (in.hasRemaining()) {
      byte[] length = new byte[8];
      in.get(length);
      assertEquals(masked(length), in.getInt());
      long bytes = ByteBuffer.wrap(length).order(ByteOrder.LITTLE_ENDIAN).getLong();
      byte[] data = new byte[Math.toIntExact(bytes)];
      in.get(data);
      assertEquals(masked(data), in.getInt());
      records.add(data);
    }
    return records;
  }

  @Test
  void theCrcIsTheKnownOne() {
    assertEquals(0xe3069283, crc32c("123456789".getBytes(StandardCharsets.US_ASCII)));
    byte[] bytes = "123456789".getBytes(StandardCharsets.US_ASCII);
    assertEquals(masked(bytes), TensorBoardWriter.maskedCrc(bytes, bytes.length));
  }

  @Test
  void aFileStartsWithItsVersion(@TempDir Path folder) throws Exception {
    TensorBoardWriter.create(folder).close();
    byte[] first = records(folder).get(0);
    String text = new String(first, StandardCharsets.US_ASCII);
    assertEquals("brain.Event:2", text.substring(text.length() - 13));
  }

  @Test
  void aScalarIsAnEventWithStepTagAndValue(@TempDir Path folder) throws Exception {
    try (TensorBoardWriter writer = TensorBoardWriter.create(folder)) {
      writer.scalar("loss", 300, 0.5);
    }
    List<byte[]> records = records(folder);
    assertEquals(2, records.size());
    byte[] event = records.get(1);
    // wall_time: field 1, 64 bits; step: field 2, varint 300; summary: field 5
    byte[] tail = Arrays.copyOfRange(event, 9, event.length);
    byte[] expected = {
      0x10,
      (byte) 0xac,
      0x02, // step = 300
      0x2a,
      0x0d, // summary, 13 bytes
      0x0a,
      0x0b, // value, 11 bytes
      0x0a,
      0x04,
      'l',
      'o',
      's',
      's', // tag
      0x15,
      0x00,
      0x00,
      0x00,
      0x3f // simple_value = 0.5f
    };
    assertEquals(0x09, event[0]);
    assertArrayEquals(expected, tail);
  }

  @Test
  void whatIsNotFiniteIsLeftOut(@TempDir Path folder) throws Exception {
    try (TensorBoardWriter writer = TensorBoardWriter.create(folder)) {
      writer.scalar("loss", 1, Double.NaN);
      writer.scalar("loss", 2, Double.POSITIVE_INFINITY);
    }
    assertEquals(1, records(folder).size());
  }
}
