package org.quantrain.onnx;

/** Adds to a graph what a node of a file computes. */
interface NodeReader {
  /**
   * @throws IllegalArgumentException saying why this form of the operator is not read
   */
  void read(Importing in, Arguments a);
}
