/**
 * A program that is carried to another machine: a trimmed Java runtime, the class path, native
 * libraries and what they need, in one archive. Made from a source tree that was built.
 */
package org.quantrain.bundle;
