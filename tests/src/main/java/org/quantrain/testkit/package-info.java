/**
 * What the tests and the benchmarks share: one {@link org.quantrain.testkit.OpCase} for each
 * operation with its examples, the plain-Java oracles that say what must come out, and the runner
 * that puts an example on a backend.
 */
package org.quantrain.testkit;
