package org.quantrain.backend.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.quantrain.runtime.QuantrainException;

class CudaOptionsTest {
  @AfterEach
  void forget() {
    System.clearProperty("quantrain.tf32");
    System.clearProperty("quantrain.algorithms");
  }

  @Test
  void productsAreExactAndDeterministicUnlessAskedOtherwise() {
    assertEquals(CudaOptions.EXACT, CudaOptions.ofProcess());
    assertEquals("float32 products, deterministic algorithms", CudaOptions.EXACT.toString());
  }

  @Test
  void bothCanBeAskedForAndAreNamed() {
    System.setProperty("quantrain.tf32", "on");
    System.setProperty("quantrain.algorithms", "fastest");
    assertEquals(new CudaOptions(true, true), CudaOptions.ofProcess());
    assertEquals("TF32 products, fastest algorithms", CudaOptions.ofProcess().toString());
  }

  @Test
  void anotherWordIsRefusedWithThoseThereAre() {
    System.setProperty("quantrain.algorithms", "fast");
    QuantrainException e = assertThrows(QuantrainException.class, CudaOptions::ofProcess);
    assertEquals(
        "-Dquantrain.algorithms: expected deterministic or fastest, got 'fast'", e.getMessage());
  }
}
