package org.quantrain.integer;

import java.util.List;
import java.util.Map;
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

  /**
   * Likewise of a network with any inputs.
   *
   * @param inputs as {@link ImageBatch} has them
   */
  default CodesBatch run(List<HostTensor> inputs) {
    return run(inputs.get(0));
  }

  /**
   * As above, but what follows a float island reads these codes instead of the source's own, which
   * are still among the results.
   *
   * @param islands by the name of the codes that end an island, as {@link IntegerModel#islands} has
   *     them; of B images, in memory order
   */
  default CodesBatch run(List<HostTensor> inputs, Map<String, HostTensor> islands) {
    return run(inputs);
  }

  /**
   * Codes of the weights by the name of their layer, S8 in memory order; empty where they are not
   * known apart from the file.
   */
  default Map<String, HostTensor> weights() {
    return Map.of();
  }

  /**
   * The largest absolute sum of products in all runs so far, before or behind the bias, by the name
   * of the tensor that it becomes; empty where that is not known.
   */
  default Map<String, Long> largestSums() {
    return Map.of();
  }

  @Override
  void close();
}
