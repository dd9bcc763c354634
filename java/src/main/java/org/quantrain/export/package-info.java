/** Integer models in the forms that other tools read. */
package org.quantrain.export;
