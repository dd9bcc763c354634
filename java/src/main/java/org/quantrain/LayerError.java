package org.quantrain;

/**
 * How far a layer of the quantized network is from the same layer of the float network, both fed
 * with the same images. The signal-to-noise ratio is 10 log10(sum x^2 / sum (x - y)^2), in
 * decibels, with x the float value and y what the codes stand for: infinite if they are equal, NaN
 * where there is nothing to compare.
 *
 * @param kind as in "conv"
 * @param weightBits 0 for a layer without weights
 * @param weightSqnr of the weights, batch norm folded in; NaN for a layer without weights
 * @param bits of the result; 32 for the logits
 * @param scale of the result; NaN for the logits
 * @param zeroPoint of the result
 * @param sqnr of the result, with the error of all layers before it
 */
public record LayerError(
    String name,
    String kind,
    int weightBits,
    double weightSqnr,
    int bits,
    float scale,
    int zeroPoint,
    double sqnr) {}
