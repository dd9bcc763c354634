package org.quantrain.backend.cuda;

import org.quantrain.graph.Node;
import org.quantrain.runtime.Binding;
import org.quantrain.runtime.Kernel;
import org.quantrain.runtime.QuantrainException;

/**
 * The products of floats and of bf16 numbers on a device: convolutions, linear layers and matrix
 * products with their gradients, which are a library's work. What they are bound to is memory of
 * the device.
 */
interface Products extends AutoCloseable {
  /** Whether this operation is one of these products. */
  boolean takes(Node node);

  /**
   * Makes the kernel of a node, which then only enqueues on the device's stream: it neither
   * allocates nor waits, so it can be captured into a CUDA graph.
   *
   * @throws QuantrainException naming node and shapes if the node cannot run
   */
  Kernel prepare(Binding binding);

  /** Libraries with versions and how they are asked to compute. */
  String description();

  @Override
  void close();
}
