package org.quantrain.onnx;

import java.util.List;
import java.util.Map;

/**
 * A node of a file.
 *
 * @param inputs tensor names; empty for an optional input that is left out
 * @param outputs likewise
 * @param attributes {@code Long}, {@code Float}, {@code String}, {@code List<Long>}, {@code
 *     List<Float>} or {@link OnnxTensor}; other kinds are kept as {@link Unread}
 */
public record OnnxNode(
    String name,
    String domain,
    String op,
    List<String> inputs,
    List<String> outputs,
    Map<String, Object> attributes) {

  /** The largest stride, kernel, padding or dilation that is believed. */
  private static final long LARGEST = 32767;

  /** An attribute of a kind that no supported node has. */
  public record Unread(String kind) {}

  public OnnxNode {
    inputs = List.copyOf(inputs);
    outputs = List.copyOf(outputs);
    attributes = Map.copyOf(attributes);
  }

  /** How messages name the node. */
  public String label() {
    String shown = !name.isEmpty() ? name : outputs.isEmpty() ? "?" : outputs.get(0);
    return (domain.isEmpty() ? op : domain + "." + op) + " \"" + shown + "\"";
  }

  /** The name of an input, empty if it is left out. */
  public String input(int i) {
    return i < inputs.size() ? inputs.get(i) : "";
  }

  public String output() {
    return outputs.get(0);
  }

  public long integer(String attribute, long orElse) {
    return get(attribute, Long.class, orElse);
  }

  public float real(String attribute, float orElse) {
    return get(attribute, Float.class, orElse);
  }

  public String text(String attribute, String orElse) {
    return get(attribute, String.class, orElse);
  }

  /**
   * A list of small numbers: strides, kernel, pads, dilations.
   *
   * @throws IllegalArgumentException if it has another length or a number is negative or absurd
   */
  public int[] sizes(String attribute, int... orElse) {
    Object value = attributes.get(attribute);
    if (value == null) {
      return orElse.clone();
    }
    if (!(value instanceof List<?> list) || list.size() != orElse.length) {
      throw new IllegalArgumentException(
          label() + ": " + attribute + ": expected " + orElse.length + " integers, got " + value);
    }
    int[] sizes = new int[orElse.length];
    for (int i = 0; i < sizes.length; i++) {
      if (!(list.get(i) instanceof Long size) || size < 0 || size > LARGEST) {
        throw new IllegalArgumentException(
            label() + ": " + attribute + ": expected 0 to " + LARGEST + ", got " + list.get(i));
      }
      sizes[i] = size.intValue();
    }
    return sizes;
  }

  private <T> T get(String attribute, Class<T> kind, T orElse) {
    Object value = attributes.get(attribute);
    if (value == null) {
      return orElse;
    }
    if (!kind.isInstance(value)) {
      throw new IllegalArgumentException(
          label() + ": " + attribute + ": expected " + kind.getSimpleName() + ", got " + value);
    }
    return kind.cast(value);
  }
}
