package org.quantrain.onnx;

import java.util.List;
import java.util.Map;
import org.quantrain.tensor.Shape;

/**
 * A node as it is read: its attributes, and what of its inputs is known. Newer operator sets have
 * inputs where older ones have attributes; here both look the same.
 *
 * @param fixedBatch the batch size that the file was made for, -1 where it is free
 */
record Arguments(OnnxNode node, long opset, Map<String, Constant> constants, long fixedBatch) {

  boolean has(int input) {
    return !node.input(input).isEmpty();
  }

  /** The input's value, null if it is left out or computed. */
  Constant constant(int input) {
    return has(input) ? constants.get(node.input(input)) : null;
  }

  /** The input's value, which is there. */
  Constant known(int input, String what) {
    Constant c = constant(input);
    require(c != null, what + " is " + (has(input) ? "computed by the network" : "left out"));
    return c;
  }

  /** Integers from an input or else an attribute; null if there is neither. */
  long[] integers(int input, String attribute) {
    if (has(input)) {
      return known(input, attribute).longs();
    }
    Object value = node.attributes().get(attribute);
    if (value == null) {
      return null;
    }
    if (!(value instanceof List<?> list) || !list.stream().allMatch(Long.class::isInstance)) {
      throw new IllegalArgumentException(attribute + ": expected integers, got " + value);
    }
    return list.stream().mapToLong(v -> (Long) v).toArray();
  }

  /** One number from an input or else an attribute. */
  float real(int input, String attribute, float orElse) {
    if (!has(input)) {
      return node.real(attribute, orElse);
    }
    Constant c = known(input, attribute);
    require(c.elements() == 1, attribute + ": expected one number, got " + c);
    return c.real(0);
  }

  /** An attribute that names a dimension, counted from the front. */
  int axis(String attribute, long orElse, int rank) {
    return axis(node.integer(attribute, orElse), rank);
  }

  static int axis(long axis, int rank) {
    require(axis >= -rank && axis < rank, "axis " + axis + " of rank " + rank);
    return (int) (axis < 0 ? axis + rank : axis);
  }

  /** Dimensions from an input or else an attribute; null if there is neither. */
  int[] axes(int input, String attribute, int rank) {
    long[] axes = integers(input, attribute);
    if (axes == null) {
      return null;
    }
    int[] found = new int[axes.length];
    for (int i = 0; i < axes.length; i++) {
      found[i] = axis(axes[i], rank);
      for (int k = 0; k < i; k++) {
        require(found[k] != found[i], "axis " + axes[i] + " is there twice");
      }
    }
    return found;
  }

  /** A size that is a dimension. */
  static int size(long size) {
    require(size >= Integer.MIN_VALUE + 1 && size <= Integer.MAX_VALUE, "size " + size);
    return (int) size;
  }

  /** A shape of these sizes, none of them negative but for the batch. */
  static Shape shape(List<Integer> dims) {
    return Shape.of(dims.stream().mapToInt(Integer::intValue).toArray());
  }

  static void require(boolean holds, String problem) {
    if (!holds) {
      throw new IllegalArgumentException(problem);
    }
  }
}
