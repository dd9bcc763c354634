/**
 * Training steps on a batch that stays where it is: how long one takes on a device, and whether it
 * has the codes of another device.
 */
package org.quantrain.bench;
