package org.quantrain.integer;

/**
 * How much of one tensor was compared, and how much of it differs.
 *
 * @param claimed false where floats made the codes: measured, and no part of the claim
 */
public record TensorCount(String tensor, long compared, long differing, boolean claimed) {}
