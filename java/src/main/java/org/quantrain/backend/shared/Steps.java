package org.quantrain.backend.shared;

import java.util.ArrayList;
import java.util.List;
import java.util.function.LongFunction;
import org.quantrain.runtime.Binding;
import org.quantrain.runtime.Kernel;
import org.quantrain.runtime.Memory;
import org.quantrain.runtime.QuantrainException;

/** A kernel made of native calls one after another, with the workspace they share. */
public final class Steps implements Kernel {
  /** One native call with everything bound. */
  public interface Step extends AutoCloseable {
    void run();

    /** Calls of native code in a {@link #run}. */
    default int nativeCalls() {
      return 1;
    }

    @Override
    default void close() {}
  }

  private final Binding binding;
  private final Scratch scratch;

  /** What is done once; null in such steps themselves. Branches have it in common. */
  private final Steps constants;

  private final boolean isBranch;

  private final List<Step> building = new ArrayList<>();
  private final List<Memory> owned = new ArrayList<>();
  private Step[] steps = new Step[0];
  private Memory constantMemory;
  private String lowering = "";

  /**
   * @param binding the node, for messages; null where there is none
   */
  public Steps(Binding binding) {
    this(binding, new Scratch(), new Steps(binding, new Scratch(), null, false), false);
  }

  private Steps(Binding binding, Scratch scratch, Steps constants, boolean isBranch) {
    this.binding = binding;
    this.scratch = scratch;
    this.constants = constants;
    this.isBranch = isBranch;
  }

  /** Steps apart, to be run never, once or several times, in the same workspace. */
  public Steps branch() {
    return new Steps(binding, scratch, constants, true);
  }

  /**
   * Where to put the steps that bring an operand into the form in which it is worked on: these, or
   * where the operand is constant, some that run once and whose results stay.
   */
  public Steps readying(Binding.Operand operand) {
    return operand.constant() ? constants : this;
  }

  public Steps add(Step step) {
    building.add(step);
    steps = building.toArray(Step[]::new);
    return this;
  }

  /** Memory that the steps read, closed with them. */
  <M extends Memory> M owning(M memory) {
    owned.add(memory);
    return memory;
  }

  /** Says how the node is executed. */
  public Steps lowered(String how) {
    lowering = how;
    return this;
  }

  public Scratch scratch() {
    return scratch;
  }

  @Override
  public void run() {
    try {
      for (Step step : steps) {
        step.run();
      }
    } catch (LibraryFailure e) {
      throw failure(e);
    }
  }

  /** The failure of a library as one of this node. */
  public QuantrainException failure(LibraryFailure e) {
    return binding == null
        ? new QuantrainException(e.getMessage(), e)
        : binding.failure(e.getMessage());
  }

  @Override
  public int nativeCalls() {
    return building.stream().mapToInt(Step::nativeCalls).sum();
  }

  @Override
  public long workspaceBytes() {
    return scratch.bytes();
  }

  @Override
  public void attach(long workspace) {
    try {
      scratch.attach(workspace);
    } catch (LibraryFailure e) {
      throw failure(e);
    }
  }

  @Override
  public void readyConstants(LongFunction<Memory> allocate) {
    if (constants.steps.length > 0) {
      constantMemory = allocate.apply(Math.max(constants.workspaceBytes(), 1));
      constants.attach(constantMemory.address());
      constants.run();
    }
  }

  @Override
  public String lowering() {
    return lowering;
  }

  @Override
  public void close() {
    building.forEach(Step::close);
    owned.forEach(Memory::close);
    if (constants != null && !isBranch) {
      constants.close();
    }
    if (constantMemory != null) {
      constantMemory.close();
    }
  }
}
