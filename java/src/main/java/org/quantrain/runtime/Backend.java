package org.quantrain.runtime;

import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import org.quantrain.graph.Node;
import org.quantrain.tensor.TensorSpec;

/**
 * A device that runs plans. A backend and everything made from it belong to the thread that opened
 * it.
 */
public interface Backend extends AutoCloseable {
  /** Short name: "cpu". */
  String name();

  /**
   * Device, instruction sets, libraries with versions, threads, and how integer products are
   * computed.
   */
  String description();

  /**
   * Zeroed memory.
   *
   * @throws QuantrainException if there is not enough
   */
  Memory allocate(long bytes);

  /** Why this backend cannot run a node with values of these specs; empty if it can. */
  Optional<String> unsupported(Node node, List<TensorSpec> inputs, List<TensorSpec> outputs);

  /** Whether the backend gains by this node in place of the several that it stands for. */
  boolean prefers(Node fused);

  /**
   * Makes the kernel of a node.
   *
   * @throws QuantrainException naming node and shapes if the node cannot run
   */
  Kernel prepare(Binding binding);

  /**
   * To be called before kernels run where another backend of the same thread may have been used
   * since. {@code prepare} includes it.
   */
  void enter();

  /**
   * Kernels that are always run one after another, as one that a device may record and replay. It
   * does not own them; closing it frees what it recorded.
   */
  Kernel sequence(List<Kernel> kernels);

  /** Waits until everything that was run is done. */
  void finish();

  /** How many steps the host may be ahead of the device, whose results it then reads later. */
  int stepsAhead();

  /** Memory that {@link #allocate} still can give; empty if that is not known. */
  OptionalLong freeBytes();

  /** The processes that this one trains with; {@link Collective#ALONE} until it meets them. */
  default Collective collective() {
    return Collective.ALONE;
  }

  /**
   * Waits for the other processes; plans that are compiled from now on can reduce over them. Once
   * at most; they part when this backend is closed.
   *
   * @throws CollectiveException if they do not come, or this backend or build has no way to talk to
   *     them
   */
  default void meet(Meeting meeting) {
    throw new CollectiveException(name() + ": this backend trains in one process only");
  }

  /** Makes the kernel of an optimizer step. */
  Kernel prepare(Sgd.Launch launch);

  /** Makes the kernel that takes the gradients of a part of a step. */
  Kernel prepare(GradientMean.Launch launch);

  @Override
  void close();
}
