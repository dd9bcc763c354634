/**
 * Where images and labels come from: the interface for own data, the named datasets, and the order
 * in which an epoch visits them.
 *
 * <p>Images are float32, normalized, channels last (H, W, C; a batch is N, H, W, C). Everything is
 * deterministic: the same spec, seed and epoch give the same bits in the same order, on any number
 * of threads. Files are untrusted: what is wrong with one is a {@link
 * org.quantrain.data.DataException} that names the file, and no file makes a reader allocate much
 * more than the file itself decompresses to.
 */
package org.quantrain.data;
