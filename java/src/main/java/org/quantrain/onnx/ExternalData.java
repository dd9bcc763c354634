package org.quantrain.onnx;

import static org.quantrain.onnx.OnnxParser.check;

import ai.onnx.proto.OnnxMl.StringStringEntryProto;
import ai.onnx.proto.OnnxMl.TensorProto;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;

/**
 * Tensors that a model keeps in files beside it. A file names them, so they are not trusted: they
 * are regular files inside the model's folder, whatever links say, and no more is read than they
 * hold.
 */
final class ExternalData {
  private final Path folder;

  /** Sizes of the files that were read from. */
  private final Map<Path, Long> sizes = new HashMap<>();

  /** What was read, by file, offset and length: tensors may share it. */
  private final Map<String, ByteBuffer> contents = new HashMap<>();

  private long read;

  /**
   * @param folder of the model; null where a model has no file, and so nothing beside it
   */
  ExternalData(Path folder) {
    this.folder = folder;
  }

  /**
   * The bytes of a tensor.
   *
   * @param needed as many as its dimensions and type ask for
   * @throws IllegalArgumentException if they are not there, or lie elsewhere
   */
  ByteBuffer read(TensorProto proto, long needed, String label) {
    check(
        folder != null,
        label + " lies in an external file, which a model without a file of its own cannot have");
    Map<String, String> entries = new HashMap<>();
    for (StringStringEntryProto entry : proto.getExternalDataList()) {
      entries.put(entry.getKey(), entry.getValue());
    }
    String location = entries.getOrDefault("location", "");
    Path file = file(location, label);
    long offset = number(entries, "offset", 0, label);
    long length = number(entries, "length", needed, label);
    try {
      long size = sizes.containsKey(file) ? sizes.get(file) : Files.size(file);
      sizes.put(file, size);
      check(
          length == needed && offset <= size - length,
          label
              + ": needs "
              + needed
              + " bytes, \""
              + location
              + "\" has "
              + size
              + ", of which the model names "
              + length
              + " from "
              + offset);
      ByteBuffer known = contents.get(file + " " + offset + " " + length);
      if (known != null) {
        return known;
      }
      read += length;
      check(
          read <= sizes.values().stream().mapToLong(Long::longValue).sum()
              && length <= OnnxFile.LARGEST_FILE,
          label + ": more tensors than \"" + location + "\" has bytes for");
      ByteBuffer bytes = read(file, offset, (int) length);
      contents.put(file + " " + offset + " " + length, bytes);
      return bytes;
    } catch (IOException e) {
      throw new IllegalArgumentException(label + ": \"" + location + "\" cannot be read: " + e, e);
    }
  }

  private static ByteBuffer read(Path file, long offset, int length) throws IOException {
    ByteBuffer bytes = ByteBuffer.allocate(length);
    try (FileChannel channel = FileChannel.open(file)) {
      while (bytes.hasRemaining()) {
        if (channel.read(bytes, offset + bytes.position()) < 0) {
          throw new IOException("it ends early");
        }
      }
    }
    return bytes.flip();
  }

  private Path file(String location, String label) {
    String problem = label + ": external file \"" + location + "\" ";
    try {
      Path relative = Path.of(location);
      boolean plain = !location.isEmpty() && !relative.isAbsolute() && location.indexOf('\\') < 0;
      for (Path part : relative) {
        plain &= !part.toString().equals("..");
      }
      check(plain, problem + "is not a plain path below the model's folder");
      Path file = folder.resolve(relative).toRealPath();
      check(file.startsWith(folder.toRealPath()), problem + "is a link out of the model's folder");
      check(Files.isRegularFile(file), problem + "is not a regular file");
      return file;
    } catch (InvalidPathException e) {
      throw new IllegalArgumentException(problem + "is not a path", e);
    } catch (IOException e) {
      throw new IllegalArgumentException(problem + "is not there or cannot be read", e);
    }
  }

  private static long number(Map<String, String> entries, String key, long orElse, String label) {
    String text = entries.get(key);
    if (text == null) {
      return orElse;
    }
    try {
      long value = Long.parseLong(text);
      check(value >= 0, label + ": " + key + " " + text);
      return value;
    } catch (NumberFormatException e) {
      throw new IllegalArgumentException(label + ": " + key + " \"" + text + "\"", e);
    }
  }
}
