package org.quantrain.bundle;

import java.io.FileOutputStream;
import java.io.FilterOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.lang.ProcessBuilder.Redirect;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.zip.GZIPOutputStream;

/**
 * How an archive is compressed. Both formats may be continued: what is appended decompresses behind
 * what was there, so that each part of an archive has a size of its own.
 */
enum Compression {
  XZ(".tar.xz") {
    @Override
    OutputStream append(Path file) throws IOException {
      Process xz;
      try {
        xz =
            new ProcessBuilder("xz", X86_CODE, "--lzma2=preset=6", "-T0", "-c")
                .redirectOutput(Redirect.appendTo(file.toFile()))
                .start();
      } catch (IOException e) {
        throw new IOException(
            "there is no xz on the PATH: install it (package xz-utils), or name the archive"
                + " .tar.gz, which is larger",
            e);
      }
      return new ThroughProcess(xz);
    }
  },
  GZIP(".tar.gz") {
    @Override
    OutputStream append(Path file) throws IOException {
      return new GZIPOutputStream(new FileOutputStream(file.toFile(), true), 1 << 16);
    }
  };

  /** Jumps of machine code as absolute addresses: libraries take a tenth less. */
  private static final String X86_CODE = "--x86";

  private final String ending;

  Compression(String ending) {
    this.ending = ending;
  }

  /**
   * By the file's name.
   *
   * @throws IllegalArgumentException if it ends otherwise
   */
  static Compression of(Path file) {
    for (Compression c : values()) {
      if (file.getFileName().toString().endsWith(c.ending)) {
        return c;
      }
    }
    throw new IllegalArgumentException(file + ": an archive's name ends in .tar.xz or .tar.gz");
  }

  /** What is written there is compressed and appended; complete when it is closed. */
  abstract OutputStream append(Path file) throws IOException;

  private static final class ThroughProcess extends FilterOutputStream {
    private final Process process;

    ThroughProcess(Process process) {
      super(process.getOutputStream());
      this.process = process;
    }

    @Override
    public void write(byte[] bytes, int offset, int length) throws IOException {
      try {
        out.write(bytes, offset, length);
      } catch (IOException e) { // a broken pipe: why is known to the process
        throw failure(e);
      }
    }

    @Override
    public void close() throws IOException {
      IOException broken = null;
      try {
        out.close();
      } catch (IOException e) {
        broken = e;
      }
      if (waitFor() != 0 || broken != null) {
        throw failure(broken);
      }
    }

    private IOException failure(IOException cause) throws IOException {
      String words = new String(process.getErrorStream().readAllBytes(), StandardCharsets.UTF_8);
      return new IOException("xz failed: " + words.strip(), cause);
    }

    private int waitFor() throws IOException {
      try {
        return process.waitFor();
      } catch (InterruptedException e) {
        process.destroyForcibly();
        Thread.currentThread().interrupt();
        throw new IOException("interrupted", e);
      }
    }
  }
}
