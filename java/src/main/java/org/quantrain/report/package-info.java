/**
 * What a run leaves behind: its directory, the log of its epochs, TensorBoard events, and one
 * self-contained page that says how well it went.
 *
 * <p>The page is made from plain records ({@link org.quantrain.report.RunReport}); nothing here
 * trains, and nothing here needs a network, a script or a font.
 */
package org.quantrain.report;
