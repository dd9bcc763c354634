/**
 * What a compiled plan runs on: the backend's small service interface, memory, the parameters of a
 * model in one arena, and the optimizer over it. No type of a native library appears in a
 * signature.
 */
package org.quantrain.runtime;
