package org.quantrain.backend.cuda;

import static org.bytedeco.cuda.global.cublas.CUBLASLT_MATMUL_DESC_TRANSA;
import static org.bytedeco.cuda.global.cublas.CUBLASLT_MATMUL_DESC_TRANSB;
import static org.bytedeco.cuda.global.cublas.CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES;
import static org.bytedeco.cuda.global.cublas.CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES;
import static org.bytedeco.cuda.global.cublas.CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES;
import static org.bytedeco.cuda.global.cublas.CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES;
import static org.bytedeco.cuda.global.cublas.CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES;
import static org.bytedeco.cuda.global.cublas.CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT;
import static org.bytedeco.cuda.global.cublas.CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET;
import static org.bytedeco.cuda.global.cublas.CUBLAS_COMPUTE_32F;
import static org.bytedeco.cuda.global.cublas.CUBLAS_COMPUTE_32F_FAST_TF32;
import static org.bytedeco.cuda.global.cublas.CUBLAS_OP_N;
import static org.bytedeco.cuda.global.cublas.CUBLAS_OP_T;
import static org.bytedeco.cuda.global.cublas.CUBLAS_STATUS_INVALID_VALUE;
import static org.bytedeco.cuda.global.cublas.CUBLAS_STATUS_NOT_SUPPORTED;
import static org.bytedeco.cuda.global.cublas.CUBLAS_STATUS_SUCCESS;
import static org.bytedeco.cuda.global.cublas.cublasLtCreate;
import static org.bytedeco.cuda.global.cublas.cublasLtDestroy;
import static org.bytedeco.cuda.global.cublas.cublasLtGetStatusString;
import static org.bytedeco.cuda.global.cublas.cublasLtMatmul;
import static org.bytedeco.cuda.global.cublas.cublasLtMatmulAlgoGetHeuristic;
import static org.bytedeco.cuda.global.cublas.cublasLtMatmulDescInit;
import static org.bytedeco.cuda.global.cublas.cublasLtMatmulDescSetAttribute;
import static org.bytedeco.cuda.global.cublas.cublasLtMatmulPreferenceInit;
import static org.bytedeco.cuda.global.cublas.cublasLtMatmulPreferenceSetAttribute;
import static org.bytedeco.cuda.global.cublas.cublasLtMatrixLayoutInit;
import static org.bytedeco.cuda.global.cublas.cublasLtMatrixLayoutSetAttribute;
import static org.bytedeco.cuda.global.cudart.CUDA_R_16BF;
import static org.bytedeco.cuda.global.cudart.CUDA_R_32F;
import static org.bytedeco.cuda.global.cudart.cudaGetLastError;

import org.bytedeco.cuda.cublas.cublasLtContext;
import org.bytedeco.cuda.cublas.cublasLtMatmulAlgo_t;
import org.bytedeco.cuda.cublas.cublasLtMatmulDescOpaque_t;
import org.bytedeco.cuda.cublas.cublasLtMatmulHeuristicResult_t;
import org.bytedeco.cuda.cublas.cublasLtMatmulPreferenceOpaque_t;
import org.bytedeco.cuda.cublas.cublasLtMatrixLayoutOpaque_t;
import org.bytedeco.cuda.cudart.CUstream_st;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.IntPointer;
import org.bytedeco.javacpp.LongPointer;
import org.bytedeco.javacpp.Pointer;
import org.quantrain.backend.shared.At;
import org.quantrain.backend.shared.Scratch;
import org.quantrain.backend.shared.Steps;

/**
 * Matrix products by cuBLASLt, which enqueues on a given stream with a workspace that it is given.
 * An algorithm is chosen when a kernel is prepared. On one device and with one version of the
 * library its results have the same bits in every run.
 */
final class CublasLt implements AutoCloseable {
  /** What NVIDIA advises for its newest devices; more is not faster. */
  private static final long MOST_WORKSPACE = 32L << 20;

  private final cublasLtContext handle = new cublasLtContext();
  private final CUstream_st stream;
  private final FloatPointer one = new FloatPointer(1f);
  private final FloatPointer zero = new FloatPointer(0f);

  /**
   * @param stream a cudaStream_t of the current device
   */
  CublasLt(Pointer stream) {
    this.stream = new CUstream_st(stream);
    check(cublasLtCreate(handle), "cublasLtCreate");
  }

  @Override
  public void close() {
    cublasLtDestroy(handle);
    one.close();
    zero.close();
  }

  /**
   * Adds y = left right, sums and y in float32.
   *
   * @param bf16 type of left and right, else float32
   * @param tf32 operands of float32 may be seen as TF32
   * @param left where the first left matrix of them begins, with its memory before it; likewise
   *     the others
   * @return how it is executed
   * @throws Unsupported before a step is added, if there is no algorithm
   */
  String add(
      Steps steps,
      MatrixProduct.Placed placed,
      boolean bf16,
      boolean tf32,
      Scratch.Region left,
      Scratch.Region right,
      Scratch.Region y) {
    long bytes = bf16 ? 2 : Float.BYTES;
    Product step = new Product(placed.product(), bf16, tf32);
    long workspace;
    try {
      workspace =
          step.choose(
              Alignment.behind(bytes * placed.right()),
              Alignment.behind(bytes * placed.left()),
              Alignment.behind(Float.BYTES * placed.output()));
    } catch (RuntimeException e) {
      step.close();
      throw e;
    }
    right.whenKnown(address -> step.first = At.any(address + bytes * placed.right()));
    left.whenKnown(address -> step.second = At.any(address + bytes * placed.left()));
    y.whenKnown(address -> step.result = At.any(address + Float.BYTES * placed.output()));
    if (workspace > 0) {
      Alignment.region(steps.scratch(), workspace)
          .whenKnown(address -> step.workspace = At.any(address));
    }
    steps.add(step);
    return "cuBLASLt" + (bf16 ? " bf16" : tf32 ? " TF32" : "");
  }

  private static void check(int status, String what) {
    if (status == CUBLAS_STATUS_SUCCESS) {
      return;
    }
    String text = "cuBLASLt: %s: %s".formatted(what, cublasLtGetStatusString(status).getString());
    if (status == CUBLAS_STATUS_NOT_SUPPORTED || status == CUBLAS_STATUS_INVALID_VALUE) {
      throw new Unsupported(text);
    }
    throw CudaFailure.ofCublas(status, cudaGetLastError()).of(text);
  }

  /** A product with its algorithm and, once it is known, its memory. */
  private final class Product implements Steps.Step {
    private final cublasLtMatmulDescOpaque_t desc = new cublasLtMatmulDescOpaque_t();
    private final cublasLtMatrixLayoutOpaque_t firstLayout = new cublasLtMatrixLayoutOpaque_t();
    private final cublasLtMatrixLayoutOpaque_t secondLayout = new cublasLtMatrixLayoutOpaque_t();
    private final cublasLtMatrixLayoutOpaque_t resultLayout = new cublasLtMatrixLayoutOpaque_t();
    private final cublasLtMatmulHeuristicResult_t chosen = new cublasLtMatmulHeuristicResult_t(1);
    private final MatrixProduct product;
    private final boolean bf16;
    private final boolean tf32;

    private cublasLtMatmulAlgo_t algorithm;
    private long workspaceBytes;
    private Pointer first;
    private Pointer second;
    private Pointer result;
    private Pointer workspace;

    Product(MatrixProduct product, boolean bf16, boolean tf32) {
      this.product = product;
      this.bf16 = bf16;
      this.tf32 = tf32;
    }

    /**
     * Chooses the algorithm that is fastest by the library's model.
     *
     * @param ofFirst alignment of the first factor, in bytes; likewise the others
     * @return bytes of workspace
     */
    long choose(long ofFirst, long ofSecond, long ofResult) {
      int type = bf16 ? CUDA_R_16BF : CUDA_R_32F;
      int compute = tf32 && !bf16 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F;
      check(cublasLtMatmulDescInit(desc, compute, CUDA_R_32F), "descriptor");
      transpose(CUBLASLT_MATMUL_DESC_TRANSA, product.transRight());
      transpose(CUBLASLT_MATMUL_DESC_TRANSB, product.transLeft());
      layout(firstLayout, type, product.first());
      layout(secondLayout, type, product.second());
      layout(resultLayout, CUDA_R_32F, product.result());
      int[] found = new int[1];
      try (cublasLtMatmulPreferenceOpaque_t preference = new cublasLtMatmulPreferenceOpaque_t();
          LongPointer most = new LongPointer(1).put(MOST_WORKSPACE)) {
        check(cublasLtMatmulPreferenceInit(preference), "preference");
        check(
            cublasLtMatmulPreferenceSetAttribute(
                preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, most, Long.BYTES),
            "workspace");
        aligned(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, ofFirst);
        aligned(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, ofSecond);
        aligned(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, ofResult);
        aligned(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, ofResult);
        check(
            cublasLtMatmulAlgoGetHeuristic(
                handle,
                desc,
                firstLayout,
                secondLayout,
                resultLayout,
                resultLayout,
                preference,
                1,
                chosen,
                found),
            "no algorithm for " + product);
      }
      if (found[0] == 0) {
        throw new Unsupported("cuBLASLt has no algorithm for " + product);
      }
      check(chosen.state(), "algorithm for " + product);
      algorithm = chosen.algo();
      workspaceBytes = chosen.workspaceSize();
      return workspaceBytes;
    }

    private void transpose(int attribute, boolean transposed) {
      try (IntPointer value = new IntPointer(1).put(transposed ? CUBLAS_OP_T : CUBLAS_OP_N)) {
        check(cublasLtMatmulDescSetAttribute(desc, attribute, value, Integer.BYTES), "operation");
      }
    }

    private void layout(
        cublasLtMatrixLayoutOpaque_t target, int type, MatrixProduct.Layout layout) {
      check(
          cublasLtMatrixLayoutInit(target, type, layout.rows(), layout.columns(), layout.ld()),
          "layout");
      try (IntPointer count = new IntPointer(1).put(product.batch());
          LongPointer stride = new LongPointer(1).put(layout.batchStride())) {
        check(
            cublasLtMatrixLayoutSetAttribute(
                target, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, count, Integer.BYTES),
            "batch");
        check(
            cublasLtMatrixLayoutSetAttribute(
                target, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, stride, Long.BYTES),
            "batch");
      }
    }

    private void aligned(cublasLtMatmulPreferenceOpaque_t preference, int attribute, long bytes) {
      try (IntPointer value = new IntPointer(1).put((int) bytes)) {
        check(
            cublasLtMatmulPreferenceSetAttribute(preference, attribute, value, Integer.BYTES),
            "alignment");
      }
    }

    @Override
    public void run() {
      check(
          cublasLtMatmul(
              handle,
              desc,
              one,
              first,
              firstLayout,
              second,
              secondLayout,
              zero,
              result,
              resultLayout,
              result,
              resultLayout,
              algorithm,
              workspace,
              workspaceBytes,
              stream),
          "product");
    }

    @Override
    public void close() {
      desc.close();
      firstLayout.close();
      secondLayout.close();
      resultLayout.close();
      chosen.close();
    }
  }
}
