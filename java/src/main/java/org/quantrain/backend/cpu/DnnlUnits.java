package org.quantrain.backend.cpu;

import static org.bytedeco.dnnl.global.dnnl.dnnl_cpu_isa_avx2_vnni;
import static org.bytedeco.dnnl.global.dnnl.dnnl_cpu_isa_avx512_core_amx;
import static org.bytedeco.dnnl.global.dnnl.dnnl_cpu_isa_avx512_core_bf16;
import static org.bytedeco.dnnl.global.dnnl.dnnl_cpu_isa_avx512_core_vnni;
import static org.bytedeco.dnnl.global.dnnl.dnnl_get_effective_cpu_isa;

/**
 * What oneDNN multiplies with: the processor's units, or less where the environment's
 * ONEDNN_MAX_CPU_ISA says so.
 *
 * @param isa oneDNN's number, a bit for each extension
 */
record DnnlUnits(int isa) {
  static DnnlUnits here() {
    return new DnnlUnits(dnnl_get_effective_cpu_isa());
  }

  private boolean has(int extensions) {
    return (isa & extensions) == extensions;
  }

  /** The units for products of codes; whether they are exact is tried elsewhere. */
  String int8() {
    return has(dnnl_cpu_isa_avx512_core_amx)
        ? "AMX"
        : has(dnnl_cpu_isa_avx512_core_vnni)
            ? "AVX-512 VNNI"
            : has(dnnl_cpu_isa_avx2_vnni) ? "AVX VNNI" : "other units";
  }

  /** The units for products of bf16 numbers; empty where they are emulated. */
  String bf16() {
    return has(dnnl_cpu_isa_avx512_core_amx)
        ? "AMX"
        : has(dnnl_cpu_isa_avx512_core_bf16) ? "AVX-512 bf16" : "";
  }
}
