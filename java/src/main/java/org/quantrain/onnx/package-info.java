/**
 * Reading and writing ONNX files: float models for training, quantized models in QDQ form. Files
 * are untrusted: whatever one says is checked before it is used.
 */
package org.quantrain.onnx;
