/**
 * The CPU backend: our own kernels for everything elementwise, statistical and integer, oneDNN for
 * convolutions and matrix products.
 */
package org.quantrain.backend.cpu;
