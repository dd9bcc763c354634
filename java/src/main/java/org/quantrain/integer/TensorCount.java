package org.quantrain.integer;

/** How much of one tensor was compared, and how much of it differs. */
public record TensorCount(String tensor, long compared, long differing) {}
