/**
 * What the backends have in common: our native kernels, which take the same arguments on every
 * device, and the way from a node to them.
 */
package org.quantrain.backend.shared;
