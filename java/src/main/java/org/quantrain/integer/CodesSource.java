package org.quantrain.integer;

import org.quantrain.tensor.HostTensor;

/**
 * Something that computes all codes of a network: the interpreter, or the plan that was trained.
 */
public interface CodesSource extends AutoCloseable {
  /** How reports name it. */
  String description();

  /**
   * @param images F32 [B,C,H,W] in memory order (channels-last), B as the source was made for
   */
  CodesBatch run(HostTensor images);

  @Override
  void close();
}
