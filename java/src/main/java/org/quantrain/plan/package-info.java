/**
 * Graphs compiled for one batch size and backend: every value at a fixed address, every kernel
 * prepared, so that a run allocates nothing.
 */
package org.quantrain.plan;
