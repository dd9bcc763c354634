package org.quantrain.report;

import java.io.BufferedOutputStream;
import java.io.ByteArrayOutputStream;
import java.io.Closeable;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Instant;
import java.util.zip.CRC32C;

/**
 * Scalars for TensorBoard. An event file is a row of records
 *
 * <pre>
 * length       uint64
 * crc          uint32, masked CRC-32C of the 8 bytes before
 * data         an Event in protobuf's wire format
 * crc          uint32, masked CRC-32C of the data
 * </pre>
 *
 * in little-endian order; mask(c) = rotate(c right by 15) + 0xa282ead8. Of Event (event.proto) and
 * Summary (summary.proto) only the fields of a scalar are written.
 */
public final class TensorBoardWriter implements Closeable {
  private static final int MASK_DELTA = 0xa282ead8;

  // Wire types.
  private static final int VARINT = 0;
  private static final int FIXED64 = 1;
  private static final int BYTES = 2;
  private static final int FIXED32 = 5;

  // Fields of Event, Summary and Summary.Value.
  private static final int EVENT_WALL_TIME = 1;
  private static final int EVENT_STEP = 2;
  private static final int EVENT_FILE_VERSION = 3;
  private static final int EVENT_SUMMARY = 5;
  private static final int SUMMARY_VALUE = 1;
  private static final int VALUE_TAG = 1;
  private static final int VALUE_SIMPLE = 2;

  private final Path file;
  private final OutputStream out;

  private TensorBoardWriter(Path file, OutputStream out) {
    this.file = file;
    this.out = out;
  }

  /** Starts a new event file in a folder; a resumed run has several, which TensorBoard joins. */
  public static TensorBoardWriter create(Path folder) throws RunException {
    Instant now = Instant.now();
    Path file =
        folder.resolve(
            "events.out.tfevents.%010d.%d.quantrain"
                .formatted(now.getEpochSecond(), ProcessHandle.current().pid()));
    try {
      OutputStream out =
          new BufferedOutputStream(
              Files.newOutputStream(file, StandardOpenOption.CREATE, StandardOpenOption.APPEND));
      TensorBoardWriter writer = new TensorBoardWriter(file, out);
      Message version = new Message();
      version.fixed64(EVENT_WALL_TIME, seconds(now));
      version.bytes(EVENT_FILE_VERSION, "brain.Event:2".getBytes(StandardCharsets.UTF_8));
      writer.record(version.toByteArray());
      writer.flush();
      return writer;
    } catch (IOException e) {
      throw RunException.cannotWrite(file, e);
    }
  }

  /** Adds one point of a curve; a value that is not finite is left out. */
  public void scalar(String tag, long step, double value) throws RunException {
    if (!Double.isFinite(value)) {
      return;
    }
    Message point = new Message();
    point.bytes(VALUE_TAG, tag.getBytes(StandardCharsets.UTF_8));
    point.fixed32(VALUE_SIMPLE, (float) value);
    Message summary = new Message();
    summary.bytes(SUMMARY_VALUE, point.toByteArray());
    Message event = new Message();
    event.fixed64(EVENT_WALL_TIME, seconds(Instant.now()));
    event.varint(EVENT_STEP, step);
    event.bytes(EVENT_SUMMARY, summary.toByteArray());
    record(event.toByteArray());
  }

  private static double seconds(Instant time) {
    return time.getEpochSecond() + time.getNano() * 1e-9;
  }

  private void record(byte[] data) throws RunException {
    ByteBuffer length = ByteBuffer.allocate(12).order(ByteOrder.LITTLE_ENDIAN);
    length.putLong(data.length).putInt(maskedCrc(length.array(), 8));
    ByteBuffer footer = ByteBuffer.allocate(4).order(ByteOrder.LITTLE_ENDIAN);
    footer.putInt(maskedCrc(data, data.length));
    try {
      out.write(length.array());
      out.write(data);
      out.write(footer.array());
    } catch (IOException e) {
      throw RunException.cannotWrite(file, e);
    }
  }

  static int maskedCrc(byte[] bytes, int count) {
    CRC32C crc = new CRC32C();
    crc.update(bytes, 0, count);
    return Integer.rotateRight((int) crc.getValue(), 15) + MASK_DELTA;
  }

  /** Hands what was added to the system, so that a running TensorBoard sees it. */
  public void flush() throws RunException {
    try {
      out.flush();
    } catch (IOException e) {
      throw RunException.cannotWrite(file, e);
    }
  }

  @Override
  public void close() throws RunException {
    try {
      out.close();
    } catch (IOException e) {
      throw RunException.cannotWrite(file, e);
    }
  }

  /** A protobuf message, field by field. */
  private static final class Message {
    private final ByteArrayOutputStream out = new ByteArrayOutputStream();

    void varint(int field, long value) {
      rawVarint(field << 3 | VARINT);
      rawVarint(value);
    }

    void bytes(int field, byte[] value) {
      rawVarint(field << 3 | BYTES);
      rawVarint(value.length);
      out.writeBytes(value);
    }

    void fixed64(int field, double value) {
      rawVarint(field << 3 | FIXED64);
      ByteBuffer b = ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN).putDouble(value);
      out.writeBytes(b.array());
    }

    void fixed32(int field, float value) {
      rawVarint(field << 3 | FIXED32);
      ByteBuffer b = ByteBuffer.allocate(4).order(ByteOrder.LITTLE_ENDIAN).putFloat(value);
      out.writeBytes(b.array());
    }

    private void rawVarint(long value) {
      long rest = value;
      while ((rest & ~0x7fL) != 0) {
        out.write((int) (rest & 0x7f) | 0x80);
        rest >>>= 7;
      }
      out.write((int) rest);
    }

    byte[] toByteArray() {
      return out.toByteArray();
    }
  }
}
