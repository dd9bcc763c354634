/** The command line: one class for each verb, and nothing that a verb does not need is loaded. */
package org.quantrain.cli;
