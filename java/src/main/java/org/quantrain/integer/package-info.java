/**
 * The exported integer model: read back from its file, executed by the plainest integer loops, and
 * compared to the bit with the runtime it is meant for and with the network that was trained.
 */
package org.quantrain.integer;
