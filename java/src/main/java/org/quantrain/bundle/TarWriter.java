package org.quantrain.bundle;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileVisitOption;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;

/**
 * Files as POSIX.1-2001 keeps them in an archive. Links are followed, names are sorted, times and
 * owners are fixed: the same files give the same bytes. What does not fit a header, a name of more
 * than 100 bytes or a size of 8 GB, stands in an extended one.
 */
final class TarWriter {
  private static final int BLOCK = 512;
  private static final int NAME = 100;
  private static final long SIZE = 1L << 33;

  private final OutputStream out;

  /** Writes there, and leaves it open. */
  TarWriter(OutputStream out) {
    this.out = out;
  }

  /** A file, or a folder with everything in it, under another name. */
  void add(Path source, String name) throws IOException {
    List<Path> found;
    try (Stream<Path> walk = Files.walk(source, FileVisitOption.FOLLOW_LINKS)) {
      found = walk.sorted().toList();
    }
    for (Path path : found) {
      String rest = source.relativize(path).toString();
      String full = rest.isEmpty() ? name : name + "/" + rest;
      if (Files.isDirectory(path)) {
        header(full + "/", 0, 0755, '5');
      } else {
        file(path, full);
      }
    }
  }

  /** After the last file of the archive. */
  void end() throws IOException {
    out.write(new byte[2 * BLOCK]);
  }

  private void file(Path file, String name) throws IOException {
    long size = Files.size(file);
    header(name, size, Files.isExecutable(file) ? 0755 : 0644, '0');
    try (InputStream in = Files.newInputStream(file)) {
      long copied = in.transferTo(out);
      if (copied != size) {
        throw new IOException(
            "%s: had %d bytes, then %d; it changes while it is read".formatted(file, size, copied));
      }
    }
    pad(size);
  }

  private void header(String name, long size, int mode, char type) throws IOException {
    byte[] bytes = name.getBytes(StandardCharsets.UTF_8);
    if (bytes.length > NAME || bytes.length != name.length() || size >= SIZE) {
      byte[] records =
          (record("path", name) + record("size", "" + size)).getBytes(StandardCharsets.UTF_8);
      block("extended", records.length, 0644, 'x');
      out.write(records);
      pad(records.length);
    }
    block(name, size, mode, type);
  }

  /** As in "17 path=some/name\n": the length counts itself. */
  private static String record(String key, String value) {
    String rest = " " + key + "=" + value + "\n";
    int length = rest.getBytes(StandardCharsets.UTF_8).length;
    int total = length + Integer.toString(length).length();
    total = length + Integer.toString(total).length();
    return total + rest;
  }

  private void block(String name, long size, int mode, char type) throws IOException {
    byte[] block = new byte[BLOCK];
    byte[] bytes = name.getBytes(StandardCharsets.UTF_8);
    System.arraycopy(bytes, 0, block, 0, Math.min(bytes.length, NAME));
    octal(block, 100, 8, mode);
    octal(block, 108, 8, 0);
    octal(block, 116, 8, 0);
    octal(block, 124, 12, size >= SIZE ? 0 : size);
    octal(block, 136, 12, 0);
    block[156] = (byte) type;
    text(block, 257, "ustar\00000");
    text(block, 148, "        ");
    int sum = 0;
    for (byte b : block) {
      sum += b & 0xff;
    }
    octal(block, 148, 7, sum);
    out.write(block);
  }

  private static void octal(byte[] block, int offset, int width, long value) {
    String digits = Long.toOctalString(value);
    text(block, offset, "0".repeat(width - 1 - digits.length()) + digits + "\0");
  }

  private static void text(byte[] block, int offset, String text) {
    byte[] bytes = text.getBytes(StandardCharsets.US_ASCII);
    System.arraycopy(bytes, 0, block, offset, bytes.length);
  }

  private void pad(long size) throws IOException {
    out.write(new byte[(int) (-size & (BLOCK - 1))]);
  }
}
