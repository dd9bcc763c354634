package org.quantrain.train;

import org.quantrain.pass.Phase;

/**
 * What an epoch brought.
 *
 * @param phase phase of its last step
 * @param epoch from 1
 * @param learningRate of its last step
 * @param trainTop1 percent; while the weights moved, on augmented images
 * @param validationTop1 percent, of the deployed arithmetic where the stage is quantized; NaN
 *     without a validation part
 * @param imagesPerSecond training only
 */
public record EpochResult(
    Stage stage,
    Phase phase,
    int epoch,
    int epochs,
    double learningRate,
    double trainLoss,
    double trainTop1,
    double validationLoss,
    double validationTop1,
    double seconds,
    double imagesPerSecond) {}
