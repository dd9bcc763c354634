package org.quantrain.plan;

/**
 * Memory of one plan in bytes, without the parameter store it runs over.
 *
 * @param acts inputs and computed values as placed
 * @param naiveActs the same if each had memory of its own
 * @param workspace scratch memory of the most demanding kernel
 */
public record PlanMemory(long acts, long naiveActs, long workspace) {}
