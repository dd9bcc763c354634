package org.quantrain.plan;

/**
 * Memory of one plan in bytes, without the parameter store it runs over.
 *
 * @param acts inputs and computed values as placed
 * @param naiveActs the same if each had memory of its own
 * @param workspace scratch memory of the most demanding kernel
 * @param transfer what inputs take on their way to a device that does not share the host's memory:
 *     two buffers each
 */
public record PlanMemory(long acts, long naiveActs, long workspace, long transfer) {}
