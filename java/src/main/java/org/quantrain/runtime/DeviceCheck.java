package org.quantrain.runtime;

/**
 * Something that a device needs, and whether it is there.
 *
 * @param name in a word or two
 * @param detail what was found, or what is wrong
 * @param remedy what to do; null if nothing is to be done
 */
public record DeviceCheck(String name, boolean ok, String detail, String remedy) {}
