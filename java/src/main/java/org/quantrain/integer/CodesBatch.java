package org.quantrain.integer;

import java.util.Map;
import org.quantrain.tensor.HostTensor;

/**
 * Everything that a network computed for a batch, in memory order.
 *
 * @param codes by name of the tensor
 * @param logits F32 [B,classes]
 */
public record CodesBatch(Map<String, HostTensor> codes, HostTensor logits) {
  public CodesBatch {
    codes = Map.copyOf(codes);
  }
}
