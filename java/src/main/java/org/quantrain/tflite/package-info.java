/** Integer models as TensorFlow Lite files: written, and read without trust. */
package org.quantrain.tflite;
