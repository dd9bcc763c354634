package org.quantrain.integer;

import org.quantrain.op.Contract;

/** A runtime that executes quantized files, in a process of its own. */
enum ModelRuntime {
  ONNX_RUNTIME("ONNX Runtime", OnnxRuntimeChild.class),
  TFLITE("TensorFlow Lite", TfliteChild.class);

  private final String title;
  private final Class<?> child;

  ModelRuntime(String title, Class<?> child) {
    this.title = title;
    this.child = child;
  }

  /** How reports name it. */
  String title() {
    return title;
  }

  /** The program of the process. */
  Class<?> child() {
    return child;
  }

  /** Whether the contract is that of its default way to execute, and not that without delegates. */
  boolean delegates(Contract contract) {
    return contract != Contract.TFLITE;
  }
}
