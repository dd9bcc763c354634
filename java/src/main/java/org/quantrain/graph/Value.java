package org.quantrain.graph;

import org.quantrain.tensor.TensorSpec;

/**
 * A tensor in a graph; identity is what tells values apart. PARAM and STATE values are shared by
 * every graph made from one model (their name is the key of their contents), INPUT and COMPUTED
 * values belong to one graph.
 */
public final class Value {
  /** Where a value's contents come from and how long they live. */
  public enum Role {
    /** Fed by the caller before each run. */
    INPUT,
    /** Trained by the optimizer; float32. */
    PARAM,
    /** Kept between steps and checkpointed, not trained: running statistics, ranges, scales. */
    STATE,
    /** Output of a node. */
    COMPUTED
  }

  private final String name;
  private final TensorSpec spec;
  private final Role role;

  public Value(String name, TensorSpec spec, Role role) {
    this.name = name;
    this.spec = spec;
    this.role = role;
  }

  public String name() {
    return name;
  }

  public TensorSpec spec() {
    return spec;
  }

  public Role role() {
    return role;
  }

  /** True for values that outlive a run. */
  public boolean isPersistent() {
    return role == Role.PARAM || role == Role.STATE;
  }

  @Override
  public String toString() {
    return name + " " + spec;
  }
}
