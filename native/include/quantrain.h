/* quantrain.h: the whole native API of Quantrain on one page.
 *
 * Shape of every kernel: qt_status qt_NAME(qt_context*, const qt_NAME_args*). The arguments are a plain
 * struct, so that a caller fills it once and a step only enqueues. Every pointer is caller-owned memory of
 * the kernel's device; outputs may alias inputs only where a comment says so. Nothing allocates but qt_alloc
 * and qt_context_create.
 *
 * Layout. Activations are NHWC, convolution weights KRSC (output channel outermost). Per-channel kernels see
 * a contiguous tensor as [outer, channels, inner]: NHWC activations are [N*H*W, C, 1], KRSC weights are
 * [1, K, R*S*C], a tensor with one scale is [1, 1, n]; so any axis works without a permuted copy.
 *
 * Types. A field called "real" below is QT_ELEMENT_F32 or QT_ELEMENT_BF16, as element_type says: bf16 is widened
 * exactly when it is read and rounded to nearest even, once, when it is written (a NaN becomes quiet); what lies between,
 * and every scale, statistic and parameter of a layer with its gradient, is float32. So activations and their gradients
 * are real, and a bf16 result is that of float32, rounded. Per group: a group of g consecutive elements of a weight's
 * inner dimension is a channel of its own, [1, channels * (inner / g), g].
 * float is IEEE binary32, codes are 8-bit containers (qt_code_type) but where 16 bits are named, accumulators int32. A mask holds
 * one bit per element: element i is bit (i % 8) of byte (i / 8); a mask buffer has (n + 7) / 8 bytes and its
 * unused bits are written as 0.
 *
 * Numerics. A quantized value is x = s * (q - z). Formulas, ties, NaN and overflow behaviour are derived in
 * NUMERICS.md; each formula has one body in native/math. Elementwise results, integers and min/max are the
 * same bits on every instruction set, thread count and backend. Float sums are reduced in a fixed order that
 * does not depend on the number of threads. NaN quantizes to qmin, +-Inf saturates.
 *
 * Errors. A kernel checks its arguments before it touches memory and returns QT_INVALID_ARGUMENT; the text,
 * "[kernel] field: expected ..., got ...", is in qt_last_error(ctx). On the CPU that includes values behind pointers: a
 * scale that is 0, negative, NaN or Inf, a zero-point outside its grid, a label, a count. (On a device: see
 * qt_context_create_cuda.) A tensor without elements is valid. No kernel throws or aborts.
 */
#ifndef QUANTRAIN_H_
#define QUANTRAIN_H_

#include <stdint.h>

#if defined(__GNUC__)
#define QT_API __attribute__((visibility("default")))
#else
#define QT_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

typedef enum qt_status {
  QT_OK = 0,
  QT_INVALID_ARGUMENT = 1, /* the text names the field, what was expected and what was given */
  QT_OUT_OF_MEMORY = 2,
  QT_UNAVAILABLE = 3, /* no such device, driver or instruction set here */
  QT_INTERNAL = 4
} qt_status;

/* 16 bits: of qt_quantize and qt_dequantize only. */
typedef enum qt_code_type { QT_U8 = 0, QT_S8 = 1, QT_U16 = 2, QT_S16 = 3 } qt_code_type;

/* What a tensor without a type in its pointer holds. */
typedef enum qt_element_type {
  QT_ELEMENT_F32 = 0,
  QT_ELEMENT_U8 = 1,
  QT_ELEMENT_S8 = 2,
  QT_ELEMENT_BF16 = 3
} qt_element_type;

/* ---- context, memory, diagnostics --------------------------------------------------------------------- */

typedef struct qt_context qt_context;

/* threads <= 0: the OpenMP default (OMP_NUM_THREADS or the number of cores); at most 1024. One context per calling thread. */
QT_API qt_status qt_context_create(qt_context** ctx, int32_t threads);
QT_API void qt_context_destroy(qt_context* ctx);
QT_API int32_t qt_context_threads(const qt_context* ctx);
/* Makes the calling thread's OpenMP setting that of the context, so that other libraries on the same OpenMP
 * runtime (oneDNN) use as many threads. Kernels here do not depend on it. */
QT_API void qt_context_enter(const qt_context* ctx);
/* "baseline", "avx2" or "avx512"; chosen once for the machine. Forcing one is for tests; returns
 * QT_UNAVAILABLE where the processor or the build lacks it. */
QT_API const char* qt_context_isa(const qt_context* ctx);
QT_API qt_status qt_context_force_isa(qt_context* ctx, const char* isa);
/* Text of the last failure on this context; empty if there was none. Valid until the next call. */
QT_API const char* qt_last_error(const qt_context* ctx);
QT_API const char* qt_version(void);
/* What this processor has of: avx2 fma avx512 avx512_vnni avx_vnni amx_int8 (space separated). */
QT_API const char* qt_cpu_features(void);

/* 64-byte aligned, zeroed, on transparent huge pages where the system has them. NULL when out of memory. */
QT_API void* qt_alloc(int64_t bytes);
QT_API void qt_free(void* memory, int64_t bytes);

/* ---- quantize ------------------------------------------------------------------------------------------ */

/* y = (clamp(rint(x / s) + z, qmin, qmax) - z) * s. mask bit: qmin <= rint(x / s) + z <= qmax (false for NaN).
 * Source: Jacob et al. 2018, arXiv:1712.05877 (quantizer); Bengio et al. 2013, arXiv:1308.3432 (straight-through). */
typedef struct qt_fake_quant_args {
  const void* x;              /* real, [outer, channels, inner] */
  const float* scale;         /* [channels], all > 0 */
  const int32_t* zero_point;  /* [channels], in [qmin, qmax] */
  void* y;                    /* real; may be x */
  uint8_t* mask;              /* one bit per element, or null */
  int64_t outer, channels, inner;
  int32_t qmin, qmax;         /* -32768 <= qmin <= 0 <= qmax <= 65535, qmin < qmax */
  int32_t element_type;       /* of x and y */
} qt_fake_quant_args;
QT_API qt_status qt_fake_quant(qt_context* ctx, const qt_fake_quant_args* args);

/* dx = dy where qmin <= rint(x / s) + z <= qmax, else 0: the gradient of qt_fake_quant and qt_quantize without a stored
 * mask. */
typedef struct qt_fake_quant_backward_args {
  const void* x;              /* real, [outer, channels, inner] */
  const void* dy;             /* real */
  const float* scale;         /* [channels], all > 0 */
  const int32_t* zero_point;  /* [channels], in [qmin, qmax] */
  void* dx;                   /* real; may be dy */
  int64_t outer, channels, inner;
  int32_t qmin, qmax;         /* as in the forward */
  int32_t element_type;       /* of x, dy and dx */
} qt_fake_quant_backward_args;
QT_API qt_status qt_fake_quant_backward(qt_context* ctx, const qt_fake_quant_backward_args* args);

/* q = clamp(rint(x / s) + z, qmin, qmax), the same q and mask as qt_fake_quant. */
typedef struct qt_quantize_args {
  const void* x;              /* real, [outer, channels, inner] */
  const float* scale;         /* [channels], all > 0 */
  const int32_t* zero_point;  /* [channels] */
  void* codes;                /* like x, qt_code_type */
  uint8_t* mask;              /* one bit per element, or null */
  int64_t outer, channels, inner;
  int32_t qmin, qmax;         /* within the code type */
  int32_t code_type;          /* qt_code_type, 8 or 16 bits */
  int32_t element_type;       /* of x */
} qt_quantize_args;
QT_API qt_status qt_quantize(qt_context* ctx, const qt_quantize_args* args);

/* y = s * float(q - z); scale null: y = float(q - z), the integer-valued operand of the simulated lowering. */
typedef struct qt_dequantize_args {
  const void* codes;          /* [outer, channels, inner] */
  const float* scale;         /* [channels] or null */
  const int32_t* zero_point;  /* [channels], or null for 0 */
  void* y;                    /* real */
  int64_t outer, channels, inner;
  int32_t code_type;          /* qt_code_type, 8 or 16 bits */
  int32_t element_type;       /* of y */
} qt_dequantize_args;
QT_API qt_status qt_dequantize(qt_context* ctx, const qt_dequantize_args* args);

/* y = factor[c] * x, factor null: the same number. From float32 to bf16, back, or within a type: what a product in bf16
 * takes of a float32 tensor, its channels' factor included before the one rounding. */
typedef struct qt_scale_channels_args {
  const void* x;              /* real, [outer, channels, inner] */
  const float* factor;        /* [channels] or null */
  void* y;                    /* real, like x; may be x where the types are equal */
  int64_t outer, channels, inner;
  int32_t element_type;       /* of x */
  int32_t y_type;             /* qt_element_type of y, real */
} qt_scale_channels_args;
QT_API qt_status qt_scale_channels(qt_context* ctx, const qt_scale_channels_args* args);

/* Codes on one grid to codes on another: q' = clamp(rint((s * float(q - z)) / s') + z', qmin, qmax). */
typedef struct qt_requantize_codes_args {
  const void* codes;
  const float* scale;          /* [1] */
  const int32_t* zero_point;   /* [1] */
  const float* out_scale;      /* [1] */
  const int32_t* out_zero_point;
  void* out_codes;
  uint8_t* mask;               /* or null: bit set where the clamp did not act */
  int64_t n;
  int32_t qmin, qmax;
  int32_t code_type, out_code_type;
} qt_requantize_codes_args;
QT_API qt_status qt_requantize_codes(qt_context* ctx, const qt_requantize_codes_args* args);

/* dx = mask ? dy : 0, bit by bit; mask null: dx = dy. */
typedef struct qt_ste_backward_args {
  const void* dy;       /* real */
  const uint8_t* mask;  /* one bit per element, or null */
  void* dx;             /* real; may be dy */
  int64_t n;
  int32_t element_type; /* of dy and dx */
} qt_ste_backward_args;
QT_API qt_status qt_ste_backward(qt_context* ctx, const qt_ste_backward_args* args);

/* Symmetric weight codes in one pass per channel: absmax -> s = absmax / qmax -> q = clamp(rint(sign * w / s)).
 * sign is -1 where gamma < 0, else +1 (gamma null: +1), so that batch norm with a negative gamma needs no
 * negative scale. Scale is never below FLT_MIN, which an all-zero channel gets. channels = 1 is per tensor.
 * power_of_two: s as in qt_range_to_qparams. */
typedef struct qt_quantize_weight_args {
  const float* w;        /* [channels, inner] */
  const float* gamma;    /* [channels] or null */
  int8_t* codes;         /* [channels, inner] */
  float* scale;          /* [channels] */
  int64_t channels, inner;
  int32_t qmin, qmax;    /* qmax = 2^(bits-1) - 1; qmin = -qmax (narrow) or -qmax - 1 (full) */
  int32_t power_of_two;  /* 0 or 1 */
} qt_quantize_weight_args;
QT_API qt_status qt_quantize_weight(qt_context* ctx, const qt_quantize_weight_args* args);

/* dw = sign(gamma) * dwq: gradient of the codes' real value carried to the weight (the absmax grid never clips). */
typedef struct qt_quantize_weight_backward_args {
  const float* dwq;
  const float* gamma; /* [channels] or null */
  float* dw;          /* may be dwq */
  int64_t channels, inner;
} qt_quantize_weight_backward_args;
QT_API qt_status qt_quantize_weight_backward(qt_context* ctx, const qt_quantize_weight_backward_args* args);

/* The binary scheme, the only one of 1 bit: y = sign(w) * s with s = mean |w| over the channel and sign(0) = +1; a code is
 * the sign. NaN counts as 0; s is kept in [FLT_MIN, FLT_MAX]. The sum is formed in double. Its gradient is
 * straight-through, qt_ste_backward without a mask. Source: Rastegari et al. 2016, arXiv:1603.05279, equation 6;
 * Zhou et al. 2016, arXiv:1606.06160, equation 7. */
typedef struct qt_binary_weight_args {
  const void* w;         /* real, [channels, inner]; channels = 1 is per tensor */
  void* y;               /* real; may be w; or null */
  int8_t* codes;         /* [channels, inner], -1 or 1; or null */
  float* scale;          /* [channels] */
  int64_t channels, inner;
  int32_t element_type;  /* of w and y */
} qt_binary_weight_args;
QT_API qt_status qt_binary_weight(qt_context* ctx, const qt_binary_weight_args* args);

/* ---- learned quantizers ---------------------------------------------------------------------------------
 * The forward of a uniform learned quantizer is qt_fake_quant or qt_quantize with the scale and zero-point that the
 * *_qparams kernel makes of the learned values; here are those kernels and the backward ones. The gradients of learned
 * values are sums over the channel's elements in a fixed order, inside the kernel. */

/* Learned values to what the forward uses and the exporter writes: scale = max(|learned_scale|, FLT_MIN) (NaN: FLT_MIN;
 * at most FLT_MAX) and zero_point = clamp(rint(learned_zero_point), qmin, qmax), or that of a learned real offset beta,
 * clamp(rint(-(learned_offset / scale)), qmin, qmax), or 0 where both are null (NaN: qmin). An offset moves by the size
 * of the values it stands for; a zero-point, which counts steps, moves by a step^2 less. */
typedef struct qt_lsq_qparams_args {
  const float* learned_scale;      /* [channels] */
  const float* learned_zero_point; /* [channels] or null */
  const float* learned_offset;     /* [channels] or null; not both */
  float* scale;                    /* [channels] */
  int32_t* zero_point;             /* [channels] */
  int64_t channels;
  int32_t qmin, qmax;
} qt_lsq_qparams_args;
QT_API qt_status qt_lsq_qparams(qt_context* ctx, const qt_lsq_qparams_args* args);

/* LSQ and LSQ+ with an integer zero-point. With v = x / s + z before rounding:
 *   dx = dy inside, else 0 (inside: qmin <= rint(x / s) + z <= qmax; NaN is outside)
 *   dscale = gradient_scale * sum dy * (rint(x / s) - x / s inside, qmin - z below, qmax - z above)
 *   dzero_point = gradient_scale * sum dy * (0 inside, -s outside)
 * Both are gradients of the values that qt_lsq_qparams made; where learned_scale is negative the caller's gradient
 * changes sign with it. Source: Esser et al. 2020, arXiv:1902.08153, equations 3 and 5; Bhalgat et al. 2020,
 * arXiv:2004.09576. */
typedef struct qt_lsq_backward_args {
  const void* x;              /* real, [outer, channels, inner] */
  const void* dy;             /* real */
  const float* scale;         /* [channels], all > 0 */
  const int32_t* zero_point;  /* [channels] */
  void* dx;                   /* real; may be dy; or null */
  float* dscale;              /* [channels], written */
  float* dzero_point;         /* [channels], written, or null */
  int64_t outer, channels, inner;
  int32_t qmin, qmax;
  float gradient_scale;       /* 1 / sqrt(elements * qmax), or 1 */
  int32_t element_type;       /* of x, dy and dx */
} qt_lsq_backward_args;
QT_API qt_status qt_lsq_backward(qt_context* ctx, const qt_lsq_backward_args* args);

/* qt_lsq_backward of one channel, float32, where integers tell x, in one pass and to the bits of the kernels that it
 * stands for (qt_dequantize_acc, qt_relu, qt_lsq_backward, qt_relu_backward):
 *   o = float(keep * acc + bias) * out_scale[c];  x = relu ? min(max(o, 0), upper) : o;  do = dx, with relu only where
 *   0 < x < upper */
typedef struct qt_lsq_acc_backward_args {
  const int32_t* acc;         /* [rows, channels] */
  const int32_t* bias;        /* [channels] or null */
  const int32_t* keep;        /* [channels] or null */
  const float* out_scale;     /* [channels], all > 0 */
  const float* dy;            /* [rows, channels] */
  const float* scale;         /* [1], > 0 */
  const int32_t* zero_point;  /* [1] */
  float* dx;                  /* do [rows, channels]; may be dy; or null */
  float* dscale;              /* [1], written */
  int64_t rows, channels;
  int32_t relu;
  float upper;                /* > 0, or infinity; unused without relu */
  int32_t qmin, qmax;
  float gradient_scale;       /* as in qt_lsq_backward */
} qt_lsq_acc_backward_args;
QT_API qt_status qt_lsq_acc_backward(qt_context* ctx, const qt_lsq_acc_backward_args* args);

/* The same of codes: o = (a - a_zero_point) * a_scale + (b - b_zero_point) * b_scale, or without b the first term. */
typedef struct qt_lsq_add_backward_args {
  const void* a;                /* codes [n] */
  const void* b;                /* codes [n]; or null, as its scale and zero-point */
  const float* a_scale;         /* [1], > 0 */
  const int32_t* a_zero_point;  /* [1] */
  const float* b_scale;         /* [1], > 0 */
  const int32_t* b_zero_point;  /* [1] */
  const float* dy;              /* [n] */
  const float* scale;           /* [1], > 0 */
  const int32_t* zero_point;    /* [1] */
  float* dx;                    /* do [n]; may be dy; or null */
  float* dscale;                /* [1], written */
  int64_t n;
  int32_t relu;
  float upper;                  /* > 0, or infinity; unused without relu */
  int32_t qmin, qmax;
  float gradient_scale;         /* as in qt_lsq_backward */
  int32_t code_type;            /* of a and b */
} qt_lsq_add_backward_args;
QT_API qt_status qt_lsq_add_backward(qt_context* ctx, const qt_lsq_add_backward_args* args);

/* LSQ+ with a real offset, forward: y = s * (clamp(rint((x - beta) / s), qmin, qmax)) + beta. For the simulated lowering
 * only: an integer kernel has no real offset. */
typedef struct qt_lsq_plus_args {
  const void* x;        /* real, [outer, channels, inner] */
  const float* scale;   /* [channels], all > 0 */
  const float* beta;    /* [channels] */
  void* y;              /* real; may be x */
  int64_t outer, channels, inner;
  int32_t qmin, qmax;
  int32_t element_type;
} qt_lsq_plus_args;
QT_API qt_status qt_lsq_plus(qt_context* ctx, const qt_lsq_plus_args* args);

/* Its gradient: dx = dy inside, else 0; dscale = g * sum dy * (rint(v) - v inside, qmin below, qmax above) with
 * v = (x - beta) / s; dbeta = g * sum dy * (0 inside, 1 outside). For codes whose zero-point z is an integer, give
 * beta = -z * s: the offset that the codes stand for, not the learned one that z was rounded from. */
typedef struct qt_lsq_plus_backward_args {
  const void* x;
  const void* dy;
  const float* scale;
  const float* beta;
  void* dx;       /* may be dy; or null */
  float* dscale;  /* [channels] */
  float* dbeta;   /* [channels] */
  int64_t outer, channels, inner;
  int32_t qmin, qmax;
  float gradient_scale;
  int32_t element_type;
} qt_lsq_plus_backward_args;
QT_API qt_status qt_lsq_plus_backward(qt_context* ctx, const qt_lsq_plus_backward_args* args);

/* PACT: the learned value is the clip alpha. On an unsigned grid scale = alpha / (qmax - qmin), zero_point = qmin and
 * x is clipped to [0, alpha]; on a symmetric grid (is_signed) scale = alpha / qmax, zero_point = 0 and x is clipped
 * to [-alpha, alpha], so it must be narrow (qmin = -qmax). scale is at least FLT_MIN, also where alpha <= 0 or NaN.
 * Source: Choi et al. 2018, arXiv:1805.06085, equations 1 to 3. */
typedef struct qt_pact_qparams_args {
  const float* alpha;   /* [channels] */
  float* scale;         /* [channels] */
  int32_t* zero_point;  /* [channels] */
  int64_t channels;
  int32_t qmin, qmax;
  int32_t is_signed;    /* 0 or 1 */
} qt_pact_qparams_args;
QT_API qt_status qt_pact_qparams(qt_context* ctx, const qt_pact_qparams_args* args);

/* dx = dy where 0 <= x < alpha (is_signed: |x| < alpha), else 0; dalpha = sum dy * [x >= alpha] (is_signed: minus
 * sum dy * [x <= -alpha]). alpha is taken as at least FLT_MIN. */
typedef struct qt_pact_backward_args {
  const void* x;       /* real, [outer, channels, inner] */
  const void* dy;
  const float* alpha;  /* [channels] */
  void* dx;            /* may be dy; or null */
  float* dalpha;       /* [channels], written */
  int64_t outer, channels, inner;
  int32_t is_signed;
  int32_t element_type;
} qt_pact_backward_args;
QT_API qt_status qt_pact_backward(qt_context* ctx, const qt_pact_backward_args* args);

/* TQT: the learned value is log2 t of the threshold t. scale = 2^ceil(log2 t) / 2^(bits - 1) and zero_point = 0 on a
 * signed grid (is_signed; 2^(bits - 1) = qmax + 1), 2^ceil(log2 t) / 2^bits and zero_point = qmin on an unsigned one
 * (2^bits = qmax - qmin + 1). The scale is an exact power of two in [2^-126, 2^127]; NaN gives 2^-126.
 * Source: Jain et al. 2019, arXiv:1903.08066, section 3. */
typedef struct qt_tqt_qparams_args {
  const float* log2_threshold; /* [channels] */
  float* scale;                /* [channels] */
  int32_t* zero_point;         /* [channels] */
  int64_t channels;
  int32_t qmin, qmax;
  int32_t is_signed;           /* 0 or 1 */
} qt_tqt_qparams_args;
QT_API qt_status qt_tqt_qparams(qt_context* ctx, const qt_tqt_qparams_args* args);

/* dx = dy inside, else 0; dlog2_threshold = s * ln 2 * sum dy * (rint(x / s) - x / s inside, qmin - z below, qmax - z
 * above): the ceiling has the gradient of the identity. Inside as in qt_lsq_backward. Source: as above. */
typedef struct qt_tqt_backward_args {
  const void* x;              /* real, [outer, channels, inner] */
  const void* dy;
  const float* scale;         /* [channels], all > 0 */
  const int32_t* zero_point;  /* [channels] */
  void* dx;                   /* may be dy; or null */
  float* dlog2_threshold;     /* [channels], written */
  int64_t outer, channels, inner;
  int32_t qmin, qmax;
  int32_t element_type;
} qt_tqt_backward_args;
QT_API qt_status qt_tqt_backward(qt_context* ctx, const qt_tqt_backward_args* args);

/* DSQ: the uniform grid of the learned range, nudged so that 0 is a code: scale = (upper - lower) / (qmax - qmin),
 * at least FLT_MIN (also where upper <= lower, or NaN), zero_point = clamp(qmin - rint(lower / scale)); the nudged ends
 * are lower = (qmin - zero_point) * scale and upper = (qmax - zero_point) * scale. */
typedef struct qt_dsq_qparams_args {
  const float* learned_lower; /* [channels] */
  const float* learned_upper;
  float* scale;               /* [channels] */
  int32_t* zero_point;        /* [channels] */
  float* lower;               /* [channels] */
  float* upper;
  int64_t channels;
  int32_t qmin, qmax;
} qt_dsq_qparams_args;
QT_API qt_status qt_dsq_qparams(qt_context* ctx, const qt_dsq_qparams_args* args);

/* The soft staircase between the nudged ends l and u, for the simulated soft phase. With Delta = (u - l) / levels,
 * i = clamp(floor((x - l) / Delta), 0, levels - 1), m = l + (i + 1/2) Delta, k = ln(2 / alpha - 1) / Delta,
 * S = 1 / (1 - alpha) and phi = S tanh(k (x - m)): y = l + Delta (i + (phi + 1) / 2) inside [l, u], u above, l below
 * and for NaN. alpha is taken within [2^-10, 1 - 2^-10], Delta as at least FLT_MIN.
 * Source: Gong et al. 2019, arXiv:1908.05033, equations 3 to 9. */
typedef struct qt_dsq_forward_args {
  const void* x;      /* real, [outer, channels, inner] */
  const float* lower; /* [channels], the nudged ends */
  const float* upper;
  const float* alpha; /* [channels] */
  void* y;            /* real; may be x */
  int64_t outer, channels, inner;
  int32_t levels;     /* qmax - qmin */
  int32_t element_type;
} qt_dsq_forward_args;
QT_API qt_status qt_dsq_forward(qt_context* ctx, const qt_dsq_forward_args* args);

/* Its gradient, also where the forward is the hard quantizer of the same ends: dx = dy * dy/dx inside, else 0; dlower,
 * dupper and dalpha are the derivatives of y by l, u and alpha (below: 1 for l, above: 1 for u), summed. */
typedef struct qt_dsq_backward_args {
  const void* x;      /* real, [outer, channels, inner] */
  const void* dy;
  const float* lower; /* [channels], the nudged ends */
  const float* upper;
  const float* alpha; /* [channels] */
  void* dx;           /* may be dy; or null */
  float* dlower;      /* [channels], written */
  float* dupper;
  float* dalpha;
  int64_t outer, channels, inner;
  int32_t levels;     /* qmax - qmin */
  int32_t element_type;
} qt_dsq_backward_args;
QT_API qt_status qt_dsq_backward(qt_context* ctx, const qt_dsq_backward_args* args);

/* The step of least squared error: over the candidates s_k = s_max * k / candidates, k = 1..candidates, with s_max
 * the scale of the range of x (absmax or min..max as in qt_range_to_qparams), the one whose quantization error
 * sum (x_hat - x)^2 is least, the largest of equals; zero_point is that of the range (a range that shrinks with its step
 * keeps it). Inf and NaN in x take no part. The initial value of learned scales. */
typedef struct qt_mse_scale_args {
  const void* x;        /* real, [outer, channels, inner] */
  float* scale;         /* [channels] */
  int32_t* zero_point;  /* [channels] */
  int64_t outer, channels, inner;
  int32_t qmin, qmax;
  int32_t symmetric;    /* 0 or 1 */
  int32_t candidates;   /* 1..1024 */
  int32_t element_type; /* of x */
} qt_mse_scale_args;
QT_API qt_status qt_mse_scale(qt_context* ctx, const qt_mse_scale_args* args);

/* ---- other quantizers: DoReFa, EWGS, APoT, N2UQ, stochastic rounding, oscillations ------------------------ */

/* Random numbers without state. Element i of a tensor has word i % 4 of Philox4x32-10 with the counter (i / 4, step,
 * stream), of 64, 32 and 32 bits, and the key seed: the same on every machine, and another one for every seed, step,
 * stream and element. u = (word >> 8) * 2^-24 is uniform in [0, 1). Source: Salmon et al. 2011,
 * doi:10.1145/2063384.2063405, section 3.3. */
typedef struct qt_draws {
  const int64_t* step;  /* [1]; its low 32 bits count */
  int64_t seed;
  int32_t stream;       /* another one for every tensor that is rounded in a step */
} qt_draws;

/* Stochastic rounding: q = clamp(r + z, qmin, qmax) with v = x / s and r = floor(v) + [u < v - floor(v)], so that the
 * mean of r over u is v, and a number on the grid stays. mask bit: qmin <= r + z <= qmax (false for NaN).
 * Source: Gupta et al. 2015, arXiv:1502.02551, section 3.1. */
typedef struct qt_stochastic_quantize_args {
  const void* x;              /* real, [outer, channels, inner] */
  const float* scale;         /* [channels], all > 0 */
  const int32_t* zero_point;  /* [channels] */
  void* codes;                /* like x, qt_code_type */
  uint8_t* mask;              /* one bit per element, or null */
  int64_t outer, channels, inner;
  qt_draws draws;
  int32_t qmin, qmax;         /* within the code type */
  int32_t code_type;
  int32_t element_type;       /* of x */
} qt_stochastic_quantize_args;
QT_API qt_status qt_stochastic_quantize(qt_context* ctx, const qt_stochastic_quantize_args* args);

/* y = (q - z) * s of the same q and mask. The gradient is qt_ste_backward's. */
typedef struct qt_stochastic_fake_quant_args {
  const void* x;              /* real, [outer, channels, inner] */
  const float* scale;
  const int32_t* zero_point;
  void* y;                    /* real; may be x */
  uint8_t* mask;              /* or null */
  int64_t outer, channels, inner;
  qt_draws draws;
  int32_t qmin, qmax;         /* as in qt_fake_quant */
  int32_t element_type;       /* of x and y */
} qt_stochastic_fake_quant_args;
QT_API qt_status qt_stochastic_fake_quant(qt_context* ctx, const qt_stochastic_fake_quant_args* args);

/* EWGS, the gradient of a uniform quantizer scaled element by element. With v = x / s, inside as in qt_lsq_backward and
 *   g = dy * (1 + delta * sign(dy) * (v - rint(v)) / levels)
 *   dx = g inside, else 0
 *   dscale = gradient_scale * sum (dy * rint(v) - g * v inside, dy * (qmin - z) below, dy * (qmax - z) above)
 * The paper normalizes its input to [0, 1], so that its delta goes with levels = qmax - qmin; with levels = 1 the error
 * is in steps. The forward is qt_fake_quant. Source: Lee et al. 2021, arXiv:2104.00903, section 3.2. */
typedef struct qt_ewgs_backward_args {
  const void* x;              /* real, [outer, channels, inner] */
  const void* dy;             /* real */
  const float* scale;         /* [channels], all > 0 */
  const int32_t* zero_point;  /* [channels] */
  const float* delta;         /* [1], >= 0 */
  void* dx;                   /* real; may be dy; or null */
  float* dscale;              /* [channels], written, or null */
  int64_t outer, channels, inner;
  int32_t qmin, qmax, levels;
  float gradient_scale;       /* of dscale */
  int32_t element_type;
} qt_ewgs_backward_args;
QT_API qt_status qt_ewgs_backward(qt_context* ctx, const qt_ewgs_backward_args* args);

/* DoReFa, with q_k(r) = rint((2^k - 1) * r) / (2^k - 1), k = bits. Source: Zhou et al. 2016, arXiv:1606.06160.
 * Activations, section 2.4: y = q_k(min(max(x, 0), 1)); NaN gives 0. */
typedef struct qt_dorefa_activation_args {
  const void* x; /* real */
  void* y;       /* may be x */
  int64_t n;
  int32_t bits;  /* 1..16 */
  int32_t element_type;
} qt_dorefa_activation_args;
QT_API qt_status qt_dorefa_activation(qt_context* ctx, const qt_dorefa_activation_args* args);

/* dx = dy where 0 <= x <= 1, else 0. */
typedef struct qt_dorefa_activation_backward_args {
  const void* x;
  const void* dy;
  void* dx; /* may be dy */
  int64_t n;
  int32_t element_type;
} qt_dorefa_activation_backward_args;
QT_API qt_status qt_dorefa_activation_backward(qt_context* ctx, const qt_dorefa_activation_backward_args* args);

/* Weights, section 2.3: y = 2 * q_k(tanh(w) / (2 * m) + 1/2) - 1, m = the maximum of |tanh(w)| in the channel, at least
 * FLT_MIN. tanh grows with |w|, so m is the tanh of the largest |w|. channels = 1 is the paper's, per tensor. NaN gives
 * -1 and is not counted in m. One bit is qt_binary_weight. */
typedef struct qt_dorefa_weight_args {
  const void* w;   /* real, [channels, inner] */
  void* y;         /* may be w */
  float* max_tanh; /* [channels], m; written */
  int64_t channels, inner;
  int32_t bits;    /* 2..16 */
  int32_t element_type;
} qt_dorefa_weight_args;
QT_API qt_status qt_dorefa_weight(qt_context* ctx, const qt_dorefa_weight_args* args);

/* dw = dy * (1 - tanh(w)^2) / m: straight through the rounding, m a constant. 0 where w is NaN. */
typedef struct qt_dorefa_weight_backward_args {
  const void* w;
  const void* dy;
  const float* max_tanh; /* [channels], of the forward */
  void* dw;              /* may be dy */
  int64_t channels, inner;
  int32_t element_type;
} qt_dorefa_weight_backward_args;
QT_API qt_status qt_dorefa_weight_backward(qt_context* ctx, const qt_dorefa_weight_backward_args* args);

/* Gradients, section 2.5, equation 12: y = 2 * m * (q_k(dy / (2 * m) + 1/2 + N) - 1/2), m = the maximum of |dy| in the sample and
 * N = (u - 1/2) / (2^k - 1). Adding N before rounding is stochastic rounding, as in qt_stochastic_quantize. NaN stays
 * NaN and is not counted in m; with an Inf every number becomes +-Inf. */
typedef struct qt_dorefa_gradient_args {
  const void* dy;  /* real, [samples, inner] */
  void* y;         /* may be dy */
  float* max;      /* [samples], m; written */
  int64_t samples, inner;
  qt_draws draws;
  int32_t bits;    /* 1..16 */
  int32_t element_type;
} qt_dorefa_gradient_args;
QT_API qt_status qt_dorefa_gradient(qt_context* ctx, const qt_dorefa_gradient_args* args);

/* Weights that oscillate between two integers, and the freezing of those that do it too often. After an update of w, with
 * q = clamp(rint(w / s), qmin, qmax), m = momentum:
 *   moved = q - integer ; o = [moved != 0 and its sign is opposite to direction] ; direction = the sign of moved, if any
 *   frequency = m * o + (1 - m) * frequency ; mean = m * q + (1 - m) * mean ; integer = q
 *   frequency > threshold: frozen, integer = clamp(rint(mean)) from now on
 * and a frozen weight becomes s * integer, whatever the optimizer did to it. All state 0 is a weight not seen yet, which
 * starts with integer = mean = q. Source: Nagel et al. 2022, arXiv:2203.11086, section 4 and algorithm 1. */
typedef struct qt_track_oscillations_args {
  float* w;                /* [channels, inner], in and out */
  const float* scale;      /* [channels], all > 0 */
  int8_t* integer;         /* like w, in and out, as are the next four */
  int8_t* direction;       /* -1, 0 or 1 */
  uint8_t* phase;          /* 0 not seen, 1 tracked, 2 frozen */
  float* frequency;
  float* mean;
  const float* momentum;   /* [1], m */
  const float* threshold;  /* [1]; >= 1 freezes nothing */
  int64_t channels, inner;
  int32_t qmin, qmax;      /* within int8 */
} qt_track_oscillations_args;
QT_API qt_status qt_track_oscillations(qt_context* ctx, const qt_track_oscillations_args* args);

/* Dampening: loss[c] = lambda * sum (Q(w) - clip(w, s * qmin, s * qmax))^2 over the channel, the loss being the sum of
 * them, and dw = dy + its gradient to w with Q(w) constant, 2 * lambda * (clip(w) - Q(w)); 0 where w is clipped or NaN.
 * No gradient goes to s. Source: Nagel et al. 2022, arXiv:2203.11086, section 4. */
typedef struct qt_dampening_args {
  const void* x;        /* real, [outer, channels, inner]: the weights */
  const void* dy;       /* the gradient to add to */
  const float* scale;   /* [channels], all > 0 */
  const float* lambda;  /* [1] */
  void* dx;             /* may be dy */
  float* loss;          /* [channels] */
  int64_t outer, channels, inner;
  int32_t qmin, qmax;
  int32_t element_type;
} qt_dampening_args;
QT_API qt_status qt_dampening(qt_context* ctx, const qt_dampening_args* args);

/* Additive powers of two. With v = clip(x / alpha, is_signed ? -1 : 0, 1): y = alpha * (the level nearest to v; in the
 * middle the one nearer to 0). A magnitude of b bits (bits, less one for the sign) has the 2^b sums of an entry of each set
 * over the largest sum; the sets are
 *   1 bit   {0, 1}
 *   2 bits  {0, 1/2, 1/4, 1/8}
 *   3 bits  {0, 1/2, 1/4, 1/16} {0, 1/8}
 *   4 bits  {0, 1/2, 1/8, 1/32} {0, 1/4, 1/16, 1/64}
 *   5 bits  {0, 1/2, 1/8, 1/64} {0, 1/4, 1/16, 1/128} {0, 1/32}
 *   6 bits  {0, 1/2, 1/16, 1/128} {0, 1/4, 1/32, 1/256} {0, 1/8, 1/64, 1/512}
 * NaN gives the lower end. The paper's weight normalization, (w - mean) / std, is qt_batch_norm_stats and qt_batch_norm
 * with channels = 1. Source: Li et al. 2020, arXiv:1909.13144, sections 2.2 to 2.4. */
typedef struct qt_apot_args {
  const void* x;       /* real, [outer, channels, inner] */
  const float* alpha;  /* [channels], taken as at least FLT_MIN */
  void* y;             /* real; may be x */
  int64_t outer, channels, inner;
  int32_t bits;        /* 2..6 */
  int32_t is_signed;   /* 0 or 1 */
  int32_t element_type;
} qt_apot_args;
QT_API qt_status qt_apot(qt_context* ctx, const qt_apot_args* args);

/* dx = dy where v is not clipped (pass_through: everywhere), else 0; dalpha = gradient_scale * sum dy * (y / alpha - v
 * inside, 1 above, -1 below, 0 below where not is_signed). NaN is outside and adds nothing. */
typedef struct qt_apot_backward_args {
  const void* x;
  const void* dy;
  const float* alpha;    /* [channels] */
  void* dx;              /* may be dy; or null */
  float* dalpha;         /* [channels], written */
  int64_t outer, channels, inner;
  int32_t bits, is_signed;
  int32_t pass_through;  /* 0 or 1; the paper's 2-bit weights */
  float gradient_scale;
  int32_t element_type;
} qt_apot_backward_args;
QT_API qt_status qt_apot_backward(qt_context* ctx, const qt_apot_backward_args* args);

/* N2UQ: learned thresholds, equally spaced outputs. With N = 2^bits - 1, a_i = max(intervals[i], 1e-3), B_0 = start,
 * B_(i+1) = B_i + a_i and thresholds T_i = B_i + a_i / 2, in float and in this order:
 *   u = in_scale * x ; code = the number of T_i < u ; y = out_scale * (2 / N) * code. NaN gives code 0.
 * Source: Liu et al. 2022, arXiv:2111.14826, section 3.2. */
typedef struct qt_n2uq_args {
  const void* x;           /* real */
  const float* start;      /* [1] */
  const float* intervals;  /* [N] */
  const float* in_scale;   /* [1] */
  const float* out_scale;  /* [1] */
  void* y;                 /* real; may be x */
  int64_t n;
  int32_t bits;            /* 2..8 */
  int32_t element_type;
} qt_n2uq_args;
QT_API qt_status qt_n2uq(qt_context* ctx, const qt_n2uq_args* args);

/* The generalized straight-through estimator, which is the gradient of the piecewise linear
 *   y = out_scale * (2 / N) * (i + (u - B_i) / a_i) for B_i < u <= B_(i+1), constant outside,
 * to x and to what was learned; but dout_scale = sum dy * (2 / N) * code. An interval below its least value has
 * gradient 0. NaN is below, +-Inf outside. */
typedef struct qt_n2uq_backward_args {
  const void* x;
  const void* dy;
  const float* start;
  const float* intervals;
  const float* in_scale;
  const float* out_scale;
  void* dx;           /* real; may be dy */
  float* dstart;      /* [1], written, as are the next three */
  float* dintervals;  /* [N] */
  float* din_scale;   /* [1] */
  float* dout_scale;  /* [1] */
  int64_t n;
  int32_t bits;
  int32_t element_type;
} qt_n2uq_backward_args;
QT_API qt_status qt_n2uq_backward(qt_context* ctx, const qt_n2uq_backward_args* args);

/* N2UQ's weights: y = s * (2 * rint((clip(w / s, -1, 1) + 1) * N / 2) - N) / N with s = mean|w| * N / 2^(bits - 1), at
 * least FLT_MIN, per channel; mean|w| from qt_moments. s is a constant and the gradient is dw = dy. NaN gives -s. */
typedef struct qt_n2uq_weight_args {
  const void* x;                /* real, [outer, channels, inner]: the weights */
  const float* mean_magnitude;  /* [channels] */
  void* y;                      /* may be x */
  int64_t outer, channels, inner;
  int32_t bits;                 /* 2..8 */
  int32_t element_type;
} qt_n2uq_weight_args;
QT_API qt_status qt_n2uq_weight(qt_context* ctx, const qt_n2uq_weight_args* args);

/* ---- observe ---------------------------------------------------------------------------------------------
 * Every observer has a state in caller's memory, begun with zeros unless a comment says otherwise, and a merge kernel
 * that adds the state of another device to it. State is float32 or integer, whatever the element type. Minima, maxima,
 * counts, histograms and top-K values are functions of the set of values seen: the same bits however the values are
 * cut into batches, devices and threads. -0 counts as +0. */

/* Minimum and maximum per channel in one pass; -0 becomes +0; NaN is skipped and counted. A channel without
 * any number gets min = max = 0. */
typedef struct qt_min_max_args {
  const void* x;  /* real, [outer, channels, inner] */
  float* min;     /* [channels] */
  float* max;     /* [channels] */
  int64_t* nans;  /* [1] */
  int64_t outer, channels, inner;
  int32_t element_type;
} qt_min_max_args;
QT_API qt_status qt_min_max(qt_context* ctx, const qt_min_max_args* args);

/* How a range follows its batches. With b the batch's end and m the momentum, in float32, this association:
 *   EMA           the first batch is copied (count = 0), later r += m * (b - r)
 *   MIN_MAX       the first batch is copied, later the range only grows
 *   MEAN          the first batch is copied, later r += (b - r) / n, n the batches seen, this one too: the mean of the
 *                 ends, in which every batch weighs the same, the first and the last; the momentum is not used
 *   EMA_DEBIASED  r += m * (b - r) from r = 0 on, weight += m * (1 - weight); the range is r / weight. weight is the
 *                 sum of the batches' weights, 1 - (1 - m)^count for a constant m, and stays right when m changes.
 * Source of debiasing: Kingma and Ba 2015, arXiv:1412.6980, section 3. */
typedef enum qt_range_rule {
  QT_RANGE_EMA = 0,
  QT_RANGE_MIN_MAX = 1,
  QT_RANGE_MEAN = 2,
  QT_RANGE_EMA_DEBIASED = 3
} qt_range_rule;

typedef struct qt_update_range_args {
  const float* batch_min;  /* [channels] */
  const float* batch_max;
  float* range_min;        /* [channels], state */
  float* range_max;
  int32_t* count;          /* [1], batches seen; state */
  const float* momentum;   /* [1], weight of the new batch, in (0, 1] */
  int64_t channels;
  int32_t rule;            /* qt_range_rule */
  float* weight;           /* [1], state of EMA_DEBIASED; null for the other rules */
  float* debiased_min;     /* [channels], where EMA_DEBIASED leaves the range; null for the other rules, whose range is */
  float* debiased_max;     /* the state itself */
} qt_update_range_args;
QT_API qt_status qt_update_range(qt_context* ctx, const qt_update_range_args* args);

/* Adds the range state of another device. MIN_MAX: the wider end. MEAN: the mean of all batches. Both EMA: an EMA is
 * linear in its batches, so devices that took equally many steps have, averaged, the EMA of the averaged ends. All but
 * MIN_MAX by one formula, with n = count:
 * r = (n * r + n' * r') / (n + n'), weight likewise, computed in double and rounded once. count = n + n'. A state with
 * count 0 changes nothing. */
typedef struct qt_merge_ranges_args {
  const float* other_min;      /* [channels] */
  const float* other_max;
  const int32_t* other_count;  /* [1] */
  const float* other_weight;   /* [1], or null as in qt_update_range */
  float* range_min;            /* [channels], in and out */
  float* range_max;
  int32_t* count;
  float* weight;
  int64_t channels;
  int32_t rule;
} qt_merge_ranges_args;
QT_API qt_status qt_merge_ranges(qt_context* ctx, const qt_merge_ranges_args* args);

/* Range to scale and zero-point (NUMERICS.md, "Range to qparams"); the range is widened to contain 0.
 * symmetric: s = max(|min|, |max|) / qmax, z = 0. affine: s = (max - min) / (qmax - qmin),
 * z = clamp(qmin - rint(min / s)). An all-zero range has s = 1 and z = clamp(0); s is never below FLT_MIN.
 * power_of_two: s is the smallest power of two that is no less, at most 2^127. */
typedef struct qt_range_to_qparams_args {
  const float* range_min; /* [channels] */
  const float* range_max;
  float* scale;           /* [channels] */
  int32_t* zero_point;    /* [channels] */
  int64_t channels;
  int32_t qmin, qmax;
  int32_t symmetric;      /* 0 or 1 */
  int32_t power_of_two;   /* 0 or 1 */
} qt_range_to_qparams_args;
QT_API qt_status qt_range_to_qparams(qt_context* ctx, const qt_range_to_qparams_args* args);

/* Mean, deviation and mean magnitude per channel, over the finite values, in one pass over the batch; the batch is merged
 * into the state by the formula of Chan, Golub and LeVeque 1983 (doi:10.1080/00031305.1983.10483115, equation 2.1):
 * with d = mean' - mean and n'' = n + n', mean += d * n' / n'', m2 += m2' + d^2 * n * n' / n''. Sums of a batch are in
 * double, in a fixed order; the state is rounded to float32 once per batch. std = sqrt(m2 / count). */
typedef struct qt_moments_args {
  const void* x;       /* real, [outer, channels, inner] */
  int64_t* count;      /* [channels], finite values seen; state */
  float* mean;         /* [channels], state */
  float* m2;           /* [channels], sum of (x - mean)^2; state */
  float* mean_abs;     /* [channels], state */
  float* std;          /* [channels], written; or null */
  int64_t outer, channels, inner;
  int32_t element_type;
} qt_moments_args;
QT_API qt_status qt_moments(qt_context* ctx, const qt_moments_args* args);

typedef struct qt_merge_moments_args {
  const int64_t* other_count;  /* [channels] */
  const float* other_mean;
  const float* other_m2;
  const float* other_mean_abs;
  int64_t* count;              /* [channels], in and out */
  float* mean;
  float* m2;
  float* mean_abs;
  float* std;                  /* [channels], written; or null */
  int64_t channels;
} qt_merge_moments_args;
QT_API qt_status qt_merge_moments(qt_context* ctx, const qt_merge_moments_args* args);

/* The observed range cut to k deviations around the mean, in float32 and in this order:
 *   min = max(range_min, mean - k * std),  max = min(range_max, mean + k * std)
 * Never wider than the observed range: an end stays where the other side of the formula is beyond it or is NaN, and a
 * mean outside of the range leaves the nearer end alone. Nothing seen (count = 0): 0 and 0. Moments do not know Inf, so
 * an observed Inf is cut like any other outlier. */
typedef struct qt_std_range_args {
  const float* range_min; /* [channels], of qt_update_range or qt_min_max */
  const float* range_max;
  const int64_t* count;   /* [channels], of qt_moments */
  const float* mean;
  const float* std;
  float* min;             /* [channels], may be range_min */
  float* max;             /* [channels], may be range_max */
  int64_t channels;
  float k;                /* finite, > 0 */
} qt_std_range_args;
QT_API qt_status qt_std_range(qt_context* ctx, const qt_std_range_args* args);

/* Histogram per channel whose range grows. Bins are 2^exponent wide; exponent is the smallest, from -126 on, with
 * max|x| < m * 2^exponent over the finite values, m = bins (magnitude) or bins / 2 (signed):
 *   magnitude  bin = floor(|x| / 2^exponent)
 *   signed     x >= 0: bin = m + floor(x / 2^exponent); x < 0: bin = m - 1 - floor(|x| / 2^exponent)
 * A wider batch doubles the width as often as needed and adds neighbouring bins, which is exact: floor(floor(v) / 2) =
 * floor(v / 2). So counts and exponent are a function of the set of values, whatever the batches. Begin with counts 0
 * and exponent -126. Inf and NaN are counted apart. */
typedef struct qt_histogram_args {
  const void* x;      /* real, [outer, channels, inner] */
  int64_t* counts;    /* [channels, bins], state */
  int32_t* exponent;  /* [channels], state */
  int64_t* nans;      /* [channels], state */
  int64_t* infs;      /* [channels], state */
  int64_t outer, channels, inner;
  int32_t bins;       /* even, 2..65536 */
  int32_t is_signed;  /* 0: magnitude */
  int32_t element_type;
} qt_histogram_args;
QT_API qt_status qt_histogram(qt_context* ctx, const qt_histogram_args* args);

typedef struct qt_merge_histograms_args {
  const int64_t* other_counts;    /* [channels, bins] */
  const int32_t* other_exponent;  /* [channels] */
  const int64_t* other_nans;
  const int64_t* other_infs;
  int64_t* counts;                /* [channels, bins], in and out */
  int32_t* exponent;
  int64_t* nans;
  int64_t* infs;
  int64_t channels;
  int32_t bins;
  int32_t is_signed;
} qt_merge_histograms_args;
QT_API qt_status qt_merge_histograms(qt_context* ctx, const qt_merge_histograms_args* args);

/* The k largest and the k smallest values of everything seen, exactly. NaN is skipped and counted; Inf is a value. While
 * fewer than k values were seen, the rest of largest is -Inf and of smallest +Inf; begin like that, with count 0. */
typedef struct qt_top_k_args {
  const void* x;    /* real, [n] */
  float* largest;   /* [k], descending; state */
  float* smallest;  /* [k], ascending; state */
  int64_t* count;   /* [1], numbers seen; state */
  int64_t* nans;    /* [1], state */
  int64_t n;        /* < 2^31 */
  int32_t k;        /* 1..16384 */
  int32_t element_type;
} qt_top_k_args;
QT_API qt_status qt_top_k(qt_context* ctx, const qt_top_k_args* args);

typedef struct qt_merge_top_k_args {
  const float* other_largest;   /* [k] */
  const float* other_smallest;
  const int64_t* other_count;   /* [1] */
  const int64_t* other_nans;
  float* largest;               /* [k], in and out */
  float* smallest;
  int64_t* count;
  int64_t* nans;
  int32_t k;
} qt_merge_top_k_args;
QT_API qt_status qt_merge_top_k(qt_context* ctx, const qt_merge_top_k_args* args);

/* The range between two percentiles by index: with j = max(1, rint(count * (1 - max_percentile))), the upper end is the
 * j-th largest value; the lower end likewise the max(1, rint(count * (1 - min_percentile)))-th smallest. (A million
 * values and 0.99999: the 10th.) exact = 0 where the index is beyond k: the end is then that of index k. Nothing seen:
 * 0 and 0. */
typedef struct qt_percentile_range_args {
  const float* largest;   /* [k], of qt_top_k */
  const float* smallest;
  const int64_t* count;   /* [1] */
  float* min;             /* [1] */
  float* max;             /* [1] */
  int32_t* exact;         /* [1], 0 or 1 */
  int32_t k;
  double max_percentile;  /* in [0.5, 1] */
  double min_percentile;
} qt_percentile_range_args;
QT_API qt_status qt_percentile_range(qt_context* ctx, const qt_percentile_range_args* args);

/* Observe, range to qparams and fake-quantize in one call. scale and zero_point are those that quantized this batch.
 *   EXACT    this batch's range goes into the state first, and the new range quantizes the batch: two passes over x.
 *   DELAYED  the range of the batches before quantizes this one while its own is observed: one pass. The first batch
 *            (count = 0) has no range before it and is EXACT.
 * Results are those of qt_min_max, qt_update_range (not EMA_DEBIASED), qt_range_to_qparams and qt_fake_quant or
 * qt_quantize after one another, bit by bit. */
typedef enum qt_observe_mode { QT_OBSERVE_EXACT = 0, QT_OBSERVE_DELAYED = 1 } qt_observe_mode;

typedef struct qt_observe_fake_quant_args {
  const void* x;          /* real, [outer, channels, inner] */
  void* y;                /* real, like x, may be x; or null */
  void* codes;            /* like x, code_type; or null. One of y and codes is given */
  uint8_t* mask;          /* one bit per element, or null */
  float* range_min;       /* [channels], state */
  float* range_max;
  int32_t* count;         /* [1], state */
  const float* momentum;  /* [1] */
  float* scale;           /* [channels], written */
  int32_t* zero_point;    /* [channels], written */
  int64_t* nans;          /* [1], written */
  int64_t outer, channels, inner; /* channels <= 2^20 */
  int32_t qmin, qmax;     /* as in qt_fake_quant; with codes, within the code type */
  int32_t symmetric;      /* 0 or 1 */
  int32_t mode;           /* qt_observe_mode */
  int32_t rule;           /* qt_range_rule, but not EMA_DEBIASED */
  int32_t code_type;
  int32_t element_type;
} qt_observe_fake_quant_args;
QT_API qt_status qt_observe_fake_quant(qt_context* ctx, const qt_observe_fake_quant_args* args);

/* ---- accumulators: statistics, batch norm absorbed into the channel's scale, requantize ------------------ */

/* Exact integer statistics of an accumulator: S1 = sum(acc), S2 = sum(acc^2) in 128 bits, min, max. */
typedef struct qt_acc_stats_args {
  const int32_t* acc;   /* [rows, channels] */
  int64_t* sum;         /* [channels] */
  int64_t* sum_squares; /* [channels, 2]: low 64 bits (as unsigned), high 64 bits */
  int32_t* min;         /* [channels] */
  int32_t* max;
  int64_t rows, channels; /* rows: real rows only, padding excluded by the caller */
} qt_acc_stats_args;
QT_API qt_status qt_acc_stats(qt_context* ctx, const qt_acc_stats_args* args);

/* Batch norm over the batch, absorbed. The accumulator's real value is u = sx * sw[c] * acc, computed on the
 * codes of sign(gamma) * W, so y = |gamma| * (u - mean) * inv_std + beta = out_scale * (acc + bias).
 *   mean, var    from the integers: var = (rows * S2 - S1^2) / rows^2 * (sx * sw)^2, one conversion to double
 *   out_scale    sx * (sw * (|gamma| * inv_std))        [float32]
 *   bias         rint((beta - |gamma| * mean * inv_std) / out_scale), int32
 * Where |gamma| is so small that out_scale would underflow or |bias| pass 2^30, out_scale is the smallest that
 * fits and keep = 0: the accumulator's contribution is below its resolution and is dropped.
 * running_mean and running_var are in the sign convention of conv(x, W); r += momentum * (batch - r), with
 * var unbiased (rows / (rows - 1)). running pointers may be null. conv_bias, which batch statistics take off again, is
 * added to the running mean only.
 * With fold_var, the one-convolution fold: acc is that of the codes of W * g, g = gamma / sqrt(fold_var + epsilon), and
 * batch norm is that of u = sx * sw[c] * acc / g. Nothing divides by g: y = |gamma| * (o - mean) * inv_std + beta with
 * o = sx * sw[c] * acc, mean its mean and inv_std = 1 / sqrt(var(o) + epsilon * g^2). Where the deviation of o is below
 * FLT_MIN (gamma = 0, or weights that quantize to nothing) inv_std is 0, the gain 1, y = beta, and the running
 * statistics, which are those of u, stay as they are. */
typedef struct qt_batch_norm_absorb_args {
  const int64_t* sum;          /* [channels] */
  const int64_t* sum_squares;  /* [channels, 2] */
  const float* gamma;          /* [channels] */
  const float* beta;
  const float* x_scale;        /* [1] */
  const float* w_scale;        /* [channels] */
  float* running_mean;         /* [channels], in and out */
  float* running_var;
  float* mean;                 /* [channels], of u */
  float* inv_std;              /* [channels], 1 / sqrt(var + epsilon) */
  float* out_scale;            /* [channels] */
  int32_t* bias;               /* [channels] */
  int32_t* keep;               /* [channels], 0 or 1 */
  int64_t rows, channels;
  float epsilon, momentum;
  const float* fold_var;       /* [channels], the variance of the fold, or null: weights are not folded */
  const float* conv_bias;      /* [channels] or null */
} qt_batch_norm_absorb_args;
QT_API qt_status qt_batch_norm_absorb(qt_context* ctx, const qt_batch_norm_absorb_args* args);

/* Gradient of the above with d = mask ? dy : 0 (real gradient of y):
 *   dbeta = sum d ; dgamma = sign * sum d * xhat ; du = |gamma| * inv_std * (d - dbeta / rows - xhat * sum(d xhat) / rows)
 * with xhat = (sx * sw[c] * acc - mean) * inv_std. With fold_var, dgamma is times 1 - epsilon * g^2 * inv_std^2 (gamma is
 * in g as well; what goes through the weights is qt_conv_bn_fold_backward's), and the gain is 1 where inv_std is 0.
 * times_w_scale: du is times w_scale[c], the operand of a product whose other operand is integers. */
typedef struct qt_batch_norm_absorb_backward_args {
  const void* dy;        /* real, [rows, channels] */
  const uint8_t* mask;   /* or null: all ones */
  const int32_t* acc;    /* [rows, channels] */
  const float* gamma;    /* [channels] */
  const float* x_scale;  /* [1] */
  const float* w_scale;  /* [channels] */
  const float* mean;     /* [channels] */
  const float* inv_std;
  void* du;              /* real, [rows, channels]; may be dy where the types are equal */
  float* dgamma;         /* [channels] */
  float* dbeta;
  int64_t rows, channels;
  int64_t sum_rows;      /* 0: dgamma and dbeta are written, sums over rows; du may be null then. Else they are read: sums
                          * over so many rows, of which these are a part, and fold_var is null */
  const float* fold_var; /* [channels] or null, as in the forward */
  float epsilon;         /* with fold_var */
  int32_t element_type;  /* of dy */
  int32_t du_type;       /* qt_element_type of du, real */
  int32_t times_w_scale; /* 0 or 1 */
} qt_batch_norm_absorb_backward_args;
QT_API qt_status qt_batch_norm_absorb_backward(qt_context* ctx, const qt_batch_norm_absorb_backward_args* args);

/* The deployed form of a convolution or linear layer, per channel, by one formula for EVAL, TRAIN_FROZEN and
 * export. With batch norm (gamma..var given): g = |gamma| / sqrt(var + epsilon), b = beta - gamma * mean /
 * sqrt(var + epsilon) (+ conv_bias folded in); without (all four null): g = 1, b = conv_bias or 0.
 *   codes      rint(sign(gamma) * w / sw), sw = absmax / qmax: the codes that training used
 *   w_scale    sw * g ; out_scale = sx * w_scale ; bias = rint(b / out_scale)
 * Where w_scale or out_scale would fall below FLT_MIN or |bias| would pass 2^30, w_scale is raised to the smallest
 * scale that fits and the channel's codes are re-quantized to it: rint(sign * w * g / w_scale).
 * learned_scale given: sw is that instead of absmax / qmax, and codes saturate.
 * Per tensor (per_tensor = 1): the real weights w * gamma / sqrt(var + epsilon) share one scale, absmax / qmax of
 * them all (raised likewise); w_scale holds it in every channel and the sign of gamma stays in the codes.
 * power_of_two, per tensor only: that scale, once raised, goes up to the next power of two. */
typedef struct qt_fold_weight_args {
  const float* w;            /* [channels, inner] */
  const float* conv_bias;    /* [channels] or null */
  const float* gamma;        /* [channels] or null */
  const float* beta;
  const float* mean;
  const float* var;
  const float* x_scale;      /* [1] */
  const float* learned_scale; /* [channels], all > 0, or null; not per tensor */
  int8_t* codes;             /* [channels, inner] */
  float* w_scale;            /* [channels], the scale to export */
  float* out_scale;          /* [channels], sx * w_scale */
  int32_t* bias;             /* [channels] */
  int64_t channels, inner;
  int32_t qmin, qmax;
  int32_t per_tensor;        /* 0 or 1 */
  int32_t power_of_two;      /* 0 or 1 */
  float epsilon;
} qt_fold_weight_args;
QT_API qt_status qt_fold_weight(qt_context* ctx, const qt_fold_weight_args* args);

/* Gradient of the deployed form. dw_folded is the gradient of the real folded weights w_scale * codes, dbias of the
 * real bias b. Rounding is straight-through:
 *   dw = dw_folded * gamma * inv_std ; dbeta = dbias
 *   dgamma = inv_std * (sum_k(dw_folded[k] * w_hat[k]) + dbias * (conv_bias - mean)), w_hat the de-quantized
 *   unfolded weight sign * sw * code (per tensor: w itself); nothing divides by gamma.
 *   dconv_bias = dbias * gamma * inv_std
 * Without batch norm: dw = dw_folded, dconv_bias = dbias. Null outputs are skipped. With learned_scale, dw is the
 * gradient of w_hat, which a *_backward kernel carries to the weight and the scale. */
typedef struct qt_fold_weight_backward_args {
  const float* w;          /* [channels, inner] */
  const float* dw_folded;  /* [channels, inner] */
  const float* dbias;      /* [channels] */
  const float* conv_bias;  /* [channels] or null */
  const float* gamma;      /* [channels] or null */
  const float* mean;
  const float* var;
  const float* learned_scale; /* [channels] or null, as in the forward */
  float* dw;
  float* dconv_bias;
  float* dgamma;
  float* dbeta;
  int64_t channels, inner;
  int32_t qmin, qmax;
  int32_t per_tensor;
  float epsilon;
} qt_fold_weight_backward_args;
QT_API qt_status qt_fold_weight_backward(qt_context* ctx, const qt_fold_weight_backward_args* args);

/* Range of y = out_scale * (keep * acc + bias) over all channels, from the accumulator's extrema: y is monotone
 * per channel, so this is the exact range of the batch. relu: lower end 0; upper: clamp from above (inf: none). */
typedef struct qt_acc_range_args {
  const int32_t* acc_min;  /* [channels] */
  const int32_t* acc_max;
  const float* out_scale;
  const int32_t* bias;     /* or null */
  const int32_t* keep;     /* or null */
  float* min;              /* [1] */
  float* max;              /* [1] */
  int64_t channels;
  int32_t relu;
  float upper;
} qt_acc_range_args;
QT_API qt_status qt_acc_range(qt_context* ctx, const qt_acc_range_args* args);

/* FP32_RNE multiplier of the ort target: m[c] = out_scale[c] / y_scale, out_scale being sx * sw[c] in float32.
 * pool_count > 0: m = x_scale / (y_scale * float(pool_count)), the global average pool's association, in every channel. */
typedef struct qt_multiplier_args {
  const float* out_scale;  /* [channels]; for a pool [1]: the input's scale */
  const float* y_scale;    /* [1] */
  float* multiplier;       /* [channels] */
  int64_t channels;
  int64_t pool_count;
} qt_multiplier_args;
QT_API qt_status qt_multiplier(qt_context* ctx, const qt_multiplier_args* args);

/* Contract FP32_RNE: q = rint(clamp(float(keep * acc + bias) * m, qmin - z, qmax - z)) + z.
 * mask bit: the clamp did not act and (relu: acc + bias > 0). */
typedef struct qt_requantize_args {
  const int32_t* acc;        /* [rows, channels] */
  const int32_t* bias;       /* [channels] or null */
  const int32_t* keep;       /* [channels] or null */
  const float* multiplier;   /* [channels] */
  const int32_t* zero_point; /* [1] */
  void* codes;               /* [rows, channels] */
  uint8_t* mask;             /* or null */
  int64_t rows, channels;
  int32_t qmin, qmax;
  int32_t relu;              /* only the mask and codes >= z depend on it */
  int32_t code_type;
} qt_requantize_args;
QT_API qt_status qt_requantize(qt_context* ctx, const qt_requantize_args* args);

/* y = float(keep * acc + bias) * out_scale[c]: logits, and the real value behind an accumulator. */
typedef struct qt_dequantize_acc_args {
  const int32_t* acc;
  const int32_t* bias;     /* or null */
  const int32_t* keep;     /* or null */
  const float* out_scale;  /* [channels] */
  void* y;                 /* real */
  int64_t rows, channels;
  int32_t element_type;    /* of y */
} qt_dequantize_acc_args;
QT_API qt_status qt_dequantize_acc(qt_context* ctx, const qt_dequantize_acc_args* args);

/* acc = int32(x) (accumulate = 0) or acc += int32(x), x integer-valued with |x| < 2^24. Other values
 * saturate at +-2^24 and lose their fraction; NaN counts as -2^24. */
typedef struct qt_float_to_acc_args {
  const void* x; /* real */
  int32_t* acc;
  int64_t n;
  int32_t accumulate;
  int32_t element_type; /* of x */
} qt_float_to_acc_args;
QT_API qt_status qt_float_to_acc(qt_context* ctx, const qt_float_to_acc_args* args);

/* The fused epilogue of an integer convolution, one pass: correction, bias, clip, observe, requantize, mask.
 *   y     = min(max(out_scale[c] * (keep * acc + bias), lower), upper)
 *   codes = those of qt_multiplier and qt_requantize with the clip's ends on the grid:
 *           rint(clamp(float(keep * acc + bias) * (out_scale / y_scale), lo, hi)) + z, lo and hi the grid's ends and
 *           rint(lower / y_scale), rint(upper / y_scale), whichever is tighter, relative to z
 *   mask  the clamp did not act and lower < out_scale * (keep * acc + bias) < upper
 *   min, max: range of y over the tensor, as qt_acc_range; before the clamp, for the delayed observer (y_scale is what
 *   earlier batches gave).
 * lower, upper: 0, inf is ReLU; 0, 6 ReLU6; -inf, inf nothing. The correction of a fold (sigma_r / sigma_B) is a factor
 * of out_scale, as qt_conv_bn_correct makes it. */
typedef struct qt_epilogue_args {
  const int32_t* acc;          /* [rows, channels] */
  const int32_t* bias;         /* [channels] or null */
  const int32_t* keep;         /* [channels] or null */
  const float* out_scale;      /* [channels], all > 0 */
  const float* y_scale;        /* [1], > 0 */
  const int32_t* y_zero_point; /* [1] */
  void* codes;                 /* [rows, channels] */
  uint8_t* mask;               /* or null */
  float* min;                  /* [1]; min and max, or both null */
  float* max;                  /* [1] */
  int64_t rows, channels;
  float lower, upper;          /* lower <= 0 <= upper */
  int32_t qmin, qmax;          /* within the code type */
  int32_t code_type;
} qt_epilogue_args;
QT_API qt_status qt_epilogue(qt_context* ctx, const qt_epilogue_args* args);

/* Gradient with d = mask ? dy : 0 and o = unit[c] * acc, the real value of the convolution before its correction:
 *   dx = d * correction ; dbias = sum d ; dcorrection = sum d * o */
typedef struct qt_epilogue_backward_args {
  const void* dy;           /* real, [rows, channels] */
  const uint8_t* mask;      /* or null: all ones */
  const int32_t* acc;       /* [rows, channels], or null without dcorrection */
  const float* unit;        /* [channels], sx * sw, or null without dcorrection */
  const float* correction;  /* [channels], or null for 1 */
  void* dx;                 /* real, gradient of o; may be dy; or null */
  float* dbias;             /* [channels], written */
  float* dcorrection;       /* [channels], written, or null */
  int64_t rows, channels;
  int32_t element_type;     /* of dy and dx */
} qt_epilogue_backward_args;
QT_API qt_status qt_epilogue_backward(qt_context* ctx, const qt_epilogue_backward_args* args);

/* The same on the output of a float convolution: v = x * correction[c] + bias[c] (two roundings, float32 in between),
 * y = min(max(v, lower), upper), then the codes of y and their real value on the grid.
 *   codes  clamp(rint(y / y_scale) + z, qmin, qmax), as qt_quantize
 *   y      (codes - z) * y_scale, as qt_fake_quant; NaN goes to qmin
 *   mask   lower < v < upper and qmin <= rint(y / y_scale) + z <= qmax
 *   min, max, nans: of y before it is quantized, as qt_min_max. */
typedef struct qt_epilogue_f32_args {
  const void* x;               /* real, [rows, channels] */
  const float* correction;     /* [channels], or null for 1 */
  const float* bias;           /* [channels], or null for 0 */
  const float* y_scale;        /* [1], > 0 */
  const int32_t* y_zero_point; /* [1] */
  void* codes;                 /* [rows, channels], or null */
  void* y;                     /* real; may be x; or null (not both) */
  uint8_t* mask;               /* or null */
  float* min;                  /* [1]; min, max and nans, or all null */
  float* max;                  /* [1] */
  int64_t* nans;               /* [1] */
  int64_t rows, channels;
  float lower, upper;          /* lower <= 0 <= upper */
  int32_t qmin, qmax;          /* within the code type */
  int32_t code_type;
  int32_t element_type;        /* of x and y */
} qt_epilogue_f32_args;
QT_API qt_status qt_epilogue_f32(qt_context* ctx, const qt_epilogue_f32_args* args);

/* dx = d * correction ; dbias = sum d ; dcorrection = sum d * x, with d = mask ? dy : 0. */
typedef struct qt_epilogue_f32_backward_args {
  const void* dy;           /* real, [rows, channels] */
  const uint8_t* mask;      /* or null: all ones */
  const void* x;            /* real, or null without dcorrection */
  const float* correction;  /* [channels], or null for 1 */
  void* dx;                 /* real; may be dy; or null */
  float* dbias;             /* [channels], written */
  float* dcorrection;       /* [channels], written, or null */
  int64_t rows, channels;
  int32_t element_type;     /* of dy, x and dx */
} qt_epilogue_f32_backward_args;
QT_API qt_status qt_epilogue_f32_backward(qt_context* ctx, const qt_epilogue_f32_backward_args* args);

/* ---- conv-BN fold with correction and freeze, for per-tensor weights --------------------------------------
 * Source: Krishnamoorthi 2018, arXiv:1806.08342, section 3.2.2; two convolutions: y0 = conv(x, W) gives the batch
 * statistics, o = conv(x, Q(W * gamma / sigma_r)) the output. Safe at gamma = 0: nothing divides by gamma.
 * A convolution's bias is in neither convolution: batch norm takes it off again. It is added to the running mean only.
 *
 * What makes each of the ways to train through a fold (F: each step, B: its gradients, in reverse):
 *   0 fold and delete batch norm    once: qt_conv_bn_fold with the running variance, bias = beta + (conv_bias - mean) *
 *                                   gamma / sigma; then weights and bias train as without batch norm
 *   1 fold running statistics       F and B: qt_fold_weight, qt_fold_weight_backward (the frozen form of 2, 3 and 4)
 *   2 two convolutions, batch       F: batch_norm_stats(y0), conv_bn_fold with the batch's variance, quantize, conv,
 *     statistics in the weights     conv_bn_correct with running_var = batch_var (ratio 1), requantize. No correction:
 *                                   the weights' scale moves with every batch. Source: Jacob et al. 2018,
 *                                   arXiv:1712.05877, section 3.2
 *   3 two convolutions, correction  F: batch_norm_stats(y0), conv_bn_statistics, conv_bn_fold, quantize, conv,
 *                                   conv_bn_correct, epilogue. B: conv_bn_correct_backward, the convolution's,
 *                                   conv_bn_fold_backward, batch_norm_stats_backward. Frozen: no y0; the running
 *                                   statistics stand for the batch's
 *   4 one convolution               F: conv_bn_fold with the running variance, quantize, conv, acc_stats,
 *                                   batch_norm_absorb with fold_var, epilogue. B: batch_norm_absorb_backward, the
 *                                   convolution's, conv_bn_fold_backward. Frozen: as 1 */

/* Which running variance a step folds with. */
typedef enum qt_statistics_order {
  QT_STATISTICS_PREVIOUS = 0, /* of the steps before this one */
  QT_STATISTICS_UPDATED = 1   /* this step's batch included */
} qt_statistics_order;

/* Running statistics from those of the batch: r += momentum * (batch - r), the mean that of conv(x, W) + conv_bias, the
 * variance unbiased (rows / (rows - 1)); and the variance that the step folds with, for every kernel below that takes
 * running_var. It is a constant for the gradient. After freezing this kernel is not called. */
typedef struct qt_conv_bn_statistics_args {
  const float* batch_mean;  /* [channels], of y0 */
  const float* batch_var;   /* biased */
  const float* conv_bias;   /* [channels] or null */
  float* running_mean;      /* [channels], in and out */
  float* running_var;
  float* fold_var;          /* [channels] */
  int64_t rows, channels;
  float momentum;
  int32_t order;            /* qt_statistics_order */
} qt_conv_bn_statistics_args;
QT_API qt_status qt_conv_bn_statistics(qt_context* ctx, const qt_conv_bn_statistics_args* args);

/* w_folded = w * gamma / sqrt(running_var + epsilon). */
typedef struct qt_conv_bn_fold_args {
  const float* w;            /* [channels, inner] */
  const float* gamma;        /* [channels] */
  const float* running_var;
  float* w_folded;
  int64_t channels, inner;
  float epsilon;
} qt_conv_bn_fold_args;
QT_API qt_status qt_conv_bn_fold(qt_context* ctx, const qt_conv_bn_fold_args* args);

/* dw = dw_folded * gamma / sigma_r ; dgamma += sum(dw_folded * w) / sigma_r. */
typedef struct qt_conv_bn_fold_backward_args {
  const float* w;
  const float* dw_folded;
  const float* gamma;
  const float* running_var;  /* the values the forward used */
  float* dw;                 /* [channels, inner] */
  float* dgamma;             /* [channels], added to */
  int64_t channels, inner;
  float epsilon;
} qt_conv_bn_fold_backward_args;
QT_API qt_status qt_conv_bn_fold_backward(qt_context* ctx, const qt_conv_bn_fold_backward_args* args);

/* y = o * sigma_r / sigma_B + beta - gamma * mu_B / sigma_B as out_scale * (acc + bias) with o = sx * sw * acc:
 *   out_scale = (sx * sw) * (sigma_r / sigma_B) ; bias = rint((beta - gamma * mu_B / sigma_B) / out_scale).
 * Frozen: the running mean and variance are given as the batch's too (the ratio is 1), and mu_B - conv_bias takes the
 * place of mu_B. */
typedef struct qt_conv_bn_correct_args {
  const float* batch_mean;   /* [channels], of y0 */
  const float* batch_var;    /* biased */
  const float* running_var;  /* the values the fold used */
  const float* gamma;
  const float* beta;
  const float* x_scale;      /* [1] */
  const float* w_scale;      /* [1] */
  float* out_scale;          /* [channels] */
  int32_t* bias;             /* [channels] */
  int64_t channels;
  float epsilon;
  const float* conv_bias;    /* [channels]; frozen only, or null */
} qt_conv_bn_correct_args;
QT_API qt_status qt_conv_bn_correct(qt_context* ctx, const qt_conv_bn_correct_args* args);

/* With d = mask ? dy : 0 and o = sx * sw * acc:
 *   dbeta = sum d ; do = d * sigma_r / sigma_B ; dgamma = -dbeta * mu_B / sigma_B ; dmean = -dbeta * gamma / sigma_B
 *   dsigma = (dbeta * gamma * mu_B - sigma_r * sum(d * o)) / sigma_B^2.
 * Frozen (arguments as in the forward): dmean = dsigma = 0, mu_B - conv_bias for mu_B, and
 *   dconv_bias = dbeta * gamma / sigma_r. */
typedef struct qt_conv_bn_correct_backward_args {
  const void* dy;            /* real, [rows, channels] */
  const uint8_t* mask;       /* or null */
  const int32_t* acc;        /* [rows, channels] */
  const float* batch_mean;
  const float* batch_var;
  const float* running_var;
  const float* gamma;
  const float* x_scale;
  const float* w_scale;      /* [1] */
  void* d_out;               /* real, [rows, channels], gradient of o */
  float* dgamma;             /* [channels], written */
  float* dbeta;
  float* dmean;              /* [channels] */
  float* dsigma;             /* [channels] */
  int64_t rows, channels;
  float epsilon;
  int32_t frozen;            /* 0 or 1 */
  const float* conv_bias;    /* [channels]; frozen only, or null */
  float* dconv_bias;         /* [channels], written; frozen only, or null */
  int32_t element_type;      /* of dy and d_out */
} qt_conv_bn_correct_backward_args;
QT_API qt_status qt_conv_bn_correct_backward(qt_context* ctx, const qt_conv_bn_correct_backward_args* args);

/* dx = dmean / rows + dsigma * (x - mean) / (sigma * rows), sigma = sqrt(var + epsilon), var biased. */
typedef struct qt_batch_norm_stats_backward_args {
  const void* x; /* real, [rows, channels] */
  const float* mean;
  const float* var;
  const float* dmean;
  const float* dsigma;
  void* dx;      /* real, [rows, channels] */
  int64_t rows, channels;
  float epsilon;
  int32_t element_type; /* of x and dx */
} qt_batch_norm_stats_backward_args;
QT_API qt_status qt_batch_norm_stats_backward(qt_context* ctx, const qt_batch_norm_stats_backward_args* args);

/* ---- fixed-point contracts, packing ---------------------------------------------------------------------- */

/* How an integer runtime scales an accumulator x by a factor m * 2^(shift - 31), m in [2^30, 2^31) or 0, or by 2^shift.
 * All in int32 modulo 2^32 with 64-bit products: the exporter's bound keeps x * 2^max(shift, 0) below 2^31. */
typedef enum qt_requantize_contract {
  /* TFLite's reference kernels and gemmlowp: t = (x << max(shift, 0)) * m / 2^31 rounded half up, then t / 2^max(-shift, 0)
   * rounded half away from 0. Source: Jacob et al. 2018, arXiv:1712.05877, section 2.2. */
  QT_FIXED_DOUBLE = 0,
  QT_FIXED_SINGLE = 1, /* TFLite with single rounding: x * m * 2^(shift - 31) rounded once, half up */
  QT_FIXED_RUY = 2,    /* TFLite's convolution through ruy on x86: like QT_FIXED_DOUBLE, but both roundings half up */
  QT_POWER_OF_TWO_EVEN = 3, /* x * 2^shift, a right shift rounds halves to even */
  QT_POWER_OF_TWO_AWAY = 4, /* halves away from 0 */
  QT_POWER_OF_TWO_UP = 5    /* halves up */
} qt_requantize_contract;

/* How the real multiplier (sx * sw) / sy is formed before it becomes an integer. */
typedef enum qt_multiplier_form {
  QT_MULTIPLIER_DOUBLE = 0,       /* in double: TFLite's convolutions, per channel */
  QT_MULTIPLIER_FLOAT_PRODUCT = 1, /* sx * sw rounded to float, then in double: TFLite's fully connected layer */
  /* scales are powers of two, and the multiplier is 2^shift with shift cut to [-31, 30]; m = 1, which the
   * QT_POWER_OF_TWO contracts do not read */
  QT_MULTIPLIER_POWER_OF_TWO = 2
} qt_multiplier_form;

/* m * 2^(shift - 31) of the real multiplier, m rounded half up to 31 bits (32 bits: m = 2^30 and shift + 1). shift < -31
 * gives m = shift = 0; shift > 30 gives the largest, m = 2^31 - 1 and shift = 30. */
typedef struct qt_fixed_multiplier_args {
  const float* x_scale;  /* [1] */
  const float* w_scale;  /* [channels] */
  const float* y_scale;  /* [1] */
  int32_t* multiplier;   /* [channels] */
  int32_t* shift;        /* [channels] */
  int64_t channels;
  int32_t form;          /* qt_multiplier_form */
} qt_fixed_multiplier_args;
QT_API qt_status qt_fixed_multiplier(qt_context* ctx, const qt_fixed_multiplier_args* args);

/* With v = acc + bias scaled by the contract: q = clamp(v, qmin - z, qmax - z) + z. FP32_RNE is qt_requantize.
 * relu: codes >= z. mask bit: the clamp did not act and (relu: v > 0). */
typedef struct qt_requantize_fixed_args {
  const int32_t* acc;        /* [rows, channels] */
  const int32_t* bias;       /* [channels] or null */
  const int32_t* multiplier; /* [channels], >= 0; null for the QT_POWER_OF_TWO contracts */
  const int32_t* shift;      /* [channels], in [-31, 30]; positive is to the left */
  const int32_t* zero_point; /* [1] */
  void* codes;               /* [rows, channels] */
  uint8_t* mask;             /* or null */
  int64_t rows, channels;
  int32_t qmin, qmax;
  int32_t contract;          /* qt_requantize_contract */
  int32_t relu;
  int32_t code_type;
} qt_requantize_fixed_args;
QT_API qt_status qt_requantize_fixed(qt_context* ctx, const qt_requantize_fixed_args* args);

/* Codes of 1..8 bits without gaps, little-endian: bit j of code i is bit (i * bits + j) % 8 of byte (i * bits + j) / 8;
 * so 4 bits are ONNX's int4 and uint4, the first of a pair in the low nibble. Signed codes are two's complement; the
 * upper bits of a code are dropped. Unused bits of the last byte are written as 0. */
typedef struct qt_pack_codes_args {
  const void* codes; /* [n], one byte each, signed or not */
  uint8_t* packed;   /* (n * bits + 7) / 8 bytes */
  int64_t n;
  int32_t bits;      /* 1..8 */
} qt_pack_codes_args;
QT_API qt_status qt_pack_codes(qt_context* ctx, const qt_pack_codes_args* args);

/* The inverse: QT_U8 reads unsigned codes, QT_S8 two's complement of `bits` bits. */
typedef struct qt_unpack_codes_args {
  const uint8_t* packed; /* (n * bits + 7) / 8 bytes */
  void* codes;           /* [n] */
  int64_t n;
  int32_t bits;          /* 1..8 */
  int32_t code_type;
} qt_unpack_codes_args;
QT_API qt_status qt_unpack_codes(qt_context* ctx, const qt_unpack_codes_args* args);

/* ---- float layers ---------------------------------------------------------------------------------------- */

/* Mean and biased variance per channel (one pass, sums in double); updates running statistics where given:
 * r += momentum * (batch - r), var unbiased. */
typedef struct qt_batch_norm_stats_args {
  const void* x;        /* real, [rows, channels] */
  float* mean;          /* [channels] */
  float* var;
  float* running_mean;  /* [channels] or null, in and out */
  float* running_var;
  int64_t rows, channels;
  float momentum;
  int32_t element_type; /* of x */
} qt_batch_norm_stats_args;
QT_API qt_status qt_batch_norm_stats(qt_context* ctx, const qt_batch_norm_stats_args* args);

/* y = (x - mean) / sqrt(var + epsilon) * gamma + beta. */
typedef struct qt_batch_norm_args {
  const void* x; /* real, [rows, channels] */
  const float* mean;
  const float* var;
  const float* gamma;
  const float* beta;
  void* y; /* real; may be x */
  int64_t rows, channels;
  float epsilon;
  int32_t element_type; /* of x and y */
} qt_batch_norm_args;
QT_API qt_status qt_batch_norm(qt_context* ctx, const qt_batch_norm_args* args);

/* frozen = 0: mean and var are this batch's and carry gradient; 1: they are constants, dx = dy * gamma * inv_std. */
typedef struct qt_batch_norm_backward_args {
  const void* x; /* real, [rows, channels] */
  const void* dy; /* real */
  const float* mean;
  const float* var;
  const float* gamma;
  void* dx; /* real; may be dy */
  float* dgamma;
  float* dbeta;
  int64_t rows, channels;
  int64_t sum_rows; /* 0: dgamma and dbeta are written, sums over rows; dx may be null then. Else they are read: sums over
                     * so many rows, of which these are a part */
  float epsilon;
  int32_t frozen;
  int32_t element_type; /* of x, dy and dx */
} qt_batch_norm_backward_args;
QT_API qt_status qt_batch_norm_backward(qt_context* ctx, const qt_batch_norm_backward_args* args);

/* y = min(max(x, 0), upper); upper = inf for ReLU, 6 for ReLU6. NaN stays NaN. */
typedef struct qt_relu_args {
  const void* x; /* real */
  void* y;       /* real; may be x */
  int64_t n;
  float upper;
  int32_t element_type; /* of x and y */
} qt_relu_args;
QT_API qt_status qt_relu(qt_context* ctx, const qt_relu_args* args);

/* dx = 0 < y < upper ? dy : 0. */
typedef struct qt_relu_backward_args {
  const void* y;  /* real */
  const void* dy; /* real */
  void* dx;       /* real; may be dy */
  int64_t n;
  float upper;
  int32_t element_type; /* of y, dy and dx */
} qt_relu_backward_args;
QT_API qt_status qt_relu_backward(qt_context* ctx, const qt_relu_backward_args* args);

/* y = x where x > 0, else slope * x. NaN stays NaN. Source: Maas et al. 2013, "Rectifier Nonlinearities Improve Neural
 * Network Acoustic Models", equation 2. */
typedef struct qt_leaky_relu_args {
  const void* x; /* real */
  void* y;       /* real; may be x */
  int64_t n;
  float slope; /* finite, >= 0 */
  int32_t element_type; /* of x and y */
} qt_leaky_relu_args;
QT_API qt_status qt_leaky_relu(qt_context* ctx, const qt_leaky_relu_args* args);

/* dx = dy where x > 0, else slope * dy. */
typedef struct qt_leaky_relu_backward_args {
  const void* x;  /* real */
  const void* dy; /* real */
  void* dx;       /* real; may be x or dy */
  int64_t n;
  float slope;
  int32_t element_type; /* of x, dy and dx */
} qt_leaky_relu_backward_args;
QT_API qt_status qt_leaky_relu_backward(qt_context* ctx, const qt_leaky_relu_backward_args* args);

/* y = a + b. */
typedef struct qt_add_args {
  const void* a; /* real */
  const void* b; /* real */
  void* y;       /* real; may be a or b */
  int64_t n;
  int32_t element_type; /* of a, b and y */
} qt_add_args;
QT_API qt_status qt_add(qt_context* ctx, const qt_add_args* args);

/* y[row, c] = x[row, c] + bias[c]. */
typedef struct qt_add_bias_args {
  const void* x; /* real */
  const float* bias;
  void* y; /* real; may be x */
  int64_t rows, channels;
  int32_t element_type; /* of x and y */
} qt_add_bias_args;
QT_API qt_status qt_add_bias(qt_context* ctx, const qt_add_bias_args* args);

/* sum[c] = sum over rows of (mask ? x : 0), in a fixed order. */
typedef struct qt_channel_sum_args {
  const void* x;        /* real, [rows, channels] */
  const uint8_t* mask;  /* or null */
  float* sum;           /* [channels] */
  int64_t rows, channels;
  int32_t element_type; /* of x */
} qt_channel_sum_args;
QT_API qt_status qt_channel_sum(qt_context* ctx, const qt_channel_sum_args* args);

/* Geometry of a 2-D window op on NHWC. */
typedef struct qt_window {
  int64_t n, h, w, c;        /* input */
  int64_t p, q;              /* output height and width */
  int32_t kernel_h, kernel_w, stride_h, stride_w, pad_top, pad_left; /* bottom and right follow from p and q */
} qt_window;

/* Maximum over the window, padding never wins; works on real numbers and on codes. argmax is the row-major index in the
 * window of the first maximum (kernel_h * kernel_w <= 256), null when no gradient is needed. */
typedef struct qt_max_pool_args {
  const void* x;
  void* y;
  uint8_t* argmax; /* [n, p, q, c] or null */
  qt_window window;
  int32_t element_type; /* qt_element_type */
} qt_max_pool_args;
QT_API qt_status qt_max_pool(qt_context* ctx, const qt_max_pool_args* args);

typedef struct qt_max_pool_backward_args {
  const void* dy; /* real */
  const uint8_t* argmax;
  void* dx; /* real, written in full */
  qt_window window;
  int32_t element_type; /* of dy and dx */
} qt_max_pool_backward_args;
QT_API qt_status qt_max_pool_backward(qt_context* ctx, const qt_max_pool_backward_args* args);

/* Mean over the window, row-major order of summation; count_padding = 0 divides by the cells inside the input. */
typedef struct qt_average_pool_args {
  const void* x; /* real */
  void* y; /* real */
  qt_window window;
  int32_t count_padding;
  int32_t element_type; /* of x and y */
} qt_average_pool_args;
QT_API qt_status qt_average_pool(qt_context* ctx, const qt_average_pool_args* args);

typedef struct qt_average_pool_backward_args {
  const void* dy; /* real */
  void* dx; /* real, written in full */
  qt_window window;
  int32_t count_padding;
  int32_t element_type; /* of dy and dx */
} qt_average_pool_backward_args;
QT_API qt_status qt_average_pool_backward(qt_context* ctx, const qt_average_pool_backward_args* args);

/* NHWC to NCHW order (to_nchw = 1) or back, elements of 1, 2 or 4 bytes: what Flatten needs before a linear layer. */
typedef struct qt_transpose_args {
  const void* x;
  void* y;
  int64_t n, h, w, c;
  int32_t element_bytes;
  int32_t to_nchw;
} qt_transpose_args;
QT_API qt_status qt_transpose(qt_context* ctx, const qt_transpose_args* args);

/* ---- tensors: elementwise, broadcast, copies, rows -------------------------------------------------------
 *
 * What imported float networks need beside the layers above. Where results are numbers, a NaN operand (the first of
 * them) is the result with its bits, and a NaN that an operation makes itself has the bits 0x7fc00000, before it is
 * narrowed: so elementwise results are the same bits everywhere, NaN included. Formulas and gradients: NUMERICS.md,
 * "Tensors".
 *
 * Strides. size is 6 dimensions, outermost first; dimensions that a tensor lacks are 1 and stand in front. Strides count
 * elements, and a stride of 0 repeats what lies along the dimension: that is broadcasting. */

typedef enum qt_unary_kind {
  QT_UNARY_AFFINE = 0,        /* alpha * x + beta */
  QT_UNARY_ABS = 1,
  QT_UNARY_EXP = 2,
  QT_UNARY_LOG = 3,
  QT_UNARY_SQRT = 4,
  QT_UNARY_RECIPROCAL = 5,
  QT_UNARY_SQUARE = 6,
  QT_UNARY_POW = 7,           /* x^alpha; NaN for a finite x < 0 and an alpha that is no integer; x^0 = 1 */
  QT_UNARY_SIGMOID = 8,
  QT_UNARY_TANH = 9,
  QT_UNARY_ERF = 10,
  QT_UNARY_GELU = 11,         /* x / 2 * (1 + erf(x / sqrt(2))) */
  QT_UNARY_GELU_TANH = 12,    /* x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3))) */
  QT_UNARY_HARD_SIGMOID = 13, /* min(max(alpha * x + beta, 0), 1) */
  QT_UNARY_HARD_SWISH = 14,   /* x * min(max(x / 6 + 1 / 2, 0), 1) */
  QT_UNARY_SILU = 15,         /* x * sigmoid(x) */
  QT_UNARY_SOFTPLUS = 16,     /* log(1 + e^x) */
  QT_UNARY_LEAKY_RELU = 17,   /* x where x > 0, else alpha * x */
  QT_UNARY_ELU = 18,          /* x where x > 0, else alpha * (e^x - 1) */
  QT_UNARY_CLIP = 19          /* min(max(x, alpha), beta) */
} qt_unary_kind;

/* y = f(x). Source of GELU: Hendrycks and Gimpel 2016, arXiv:1606.08415; of hard swish: Howard et al. 2019,
 * arXiv:1905.02244, section 5.2; of ELU: Clevert et al. 2016, arXiv:1511.07289, equation 16. */
typedef struct qt_unary_args {
  const void* x; /* real */
  void* y;       /* real; may be x */
  int64_t n;
  int32_t kind;      /* qt_unary_kind */
  float alpha, beta; /* no NaN; clip: alpha <= beta */
  int32_t element_type; /* of x and y */
} qt_unary_args;
QT_API qt_status qt_unary(qt_context* ctx, const qt_unary_args* args);

/* dx = dy * f'(x). At kinks: 0 for |x|, hard sigmoid and both ends of clip; hard swish 0 at -3 and 1 at 3; leaky ReLU and
 * ELU take the side of x < 0. */
typedef struct qt_unary_backward_args {
  const void* x;  /* real */
  const void* dy; /* real */
  void* dx;       /* real; may be x or dy */
  int64_t n;
  int32_t kind;
  float alpha, beta;
  int32_t element_type; /* of x, dy and dx */
} qt_unary_backward_args;
QT_API qt_status qt_unary_backward(qt_context* ctx, const qt_unary_backward_args* args);

typedef enum qt_binary_kind {
  QT_BINARY_ADD = 0,
  QT_BINARY_SUB = 1,
  QT_BINARY_MUL = 2,
  QT_BINARY_DIV = 3,
  QT_BINARY_MIN = 4,   /* of equals b */
  QT_BINARY_MAX = 5,   /* of equals b */
  QT_BINARY_SLOPE = 6, /* 1 where a > 0, else b: of a ReLU with a learned slope */
  QT_BINARY_EQUAL = 7, /* comparisons: 1 or 0; 0 where an operand is NaN */
  QT_BINARY_LESS = 8
} qt_binary_kind;

/* y = f(a, b), either operand broadcast. */
typedef struct qt_binary_args {
  const void* a; /* real */
  const void* b; /* real */
  void* y;       /* real, dense in size; may be a or b where that is dense */
  int64_t size[6], a_stride[6], b_stride[6]; /* strides >= 0 */
  int32_t kind;         /* qt_binary_kind */
  int32_t element_type; /* of a, b and y */
} qt_binary_args;
QT_API qt_status qt_binary(qt_context* ctx, const qt_binary_args* args);

/* y = condition != 0 ? a : b, bit by bit, each of the three broadcast; a NaN is not 0. */
typedef struct qt_where_args {
  const float* condition;
  const void* a; /* real */
  const void* b; /* real */
  void* y;       /* real, dense in size; may be a or b where that is dense */
  int64_t size[6], condition_stride[6], a_stride[6], b_stride[6]; /* strides >= 0 */
  int32_t element_type; /* of a, b and y */
} qt_where_args;
QT_API qt_status qt_where(qt_context* ctx, const qt_where_args* args);

/* Copies a tensor from one order in memory to another: transposition, slice (x points to its first element, a step is a
 * larger or negative stride), concatenation and padding (y points to where the part begins), expansion (stride 0), and
 * with x null the element of fill_bits everywhere. */
typedef struct qt_strided_copy_args {
  const void* x; /* the element at index 0 of every dimension, or null */
  void* y;       /* likewise; only these elements are written */
  int64_t size[6], x_stride[6], y_stride[6]; /* y's: >= 0, and no element twice */
  int32_t element_bytes; /* 1, 2 or 4 */
  uint32_t fill_bits;    /* an element, in the lowest element_bytes bytes */
} qt_strided_copy_args;
QT_API qt_status qt_strided_copy(qt_context* ctx, const qt_strided_copy_args* args);

typedef enum qt_reduce_kind { QT_REDUCE_SUM = 0, QT_REDUCE_MEAN = 1, QT_REDUCE_MAX = 2, QT_REDUCE_MIN = 3 } qt_reduce_kind;

/* y[o, i] of x[o, 0 .. n - 1, i]: sum and mean in double and rounded once; max and min are NaN where an element is, and +0
 * where they are -0. */
typedef struct qt_reduce_args {
  const void* x; /* real, [outer, n, inner] */
  void* y;       /* real, [outer, inner] */
  int64_t outer, n, inner; /* n >= 1 */
  int32_t kind;            /* qt_reduce_kind */
  int32_t element_type;    /* of x and y */
} qt_reduce_args;
QT_API qt_status qt_reduce(qt_context* ctx, const qt_reduce_args* args);

/* y[r, i] = e^(x[r, i] - m) / sum over the row of e^(x - m), m = max of the row. A row with a NaN or +Inf, or with -Inf
 * only, is NaN throughout. */
typedef struct qt_softmax_args {
  const void* x; /* real, [rows, n] */
  void* y;       /* real; may be x */
  int64_t rows, n;
  int32_t element_type; /* of x and y */
} qt_softmax_args;
QT_API qt_status qt_softmax(qt_context* ctx, const qt_softmax_args* args);

/* dx = y * (dy - sum over the row of dy * y). */
typedef struct qt_softmax_backward_args {
  const void* y;  /* real, [rows, n], of qt_softmax */
  const void* dy; /* real */
  void* dx;       /* real; may be dy */
  int64_t rows, n;
  int32_t element_type; /* of y, dy and dx */
} qt_softmax_backward_args;
QT_API qt_status qt_softmax_backward(qt_context* ctx, const qt_softmax_backward_args* args);

/* y = (x - mean) * rstd * gamma + beta, mean and rstd = 1 / sqrt(var + epsilon) of each row, var biased.
 * Source: Ba et al. 2016, arXiv:1607.06450, equation 4. */
typedef struct qt_layer_norm_args {
  const void* x;      /* real, [rows, n], n >= 1 */
  const float* gamma; /* [n] */
  const float* beta;  /* [n] */
  void* y;            /* real; may be x */
  float* mean;        /* [rows], or null */
  float* rstd;        /* [rows], or null */
  int64_t rows, n;
  float epsilon;
  int32_t element_type; /* of x and y */
} qt_layer_norm_args;
QT_API qt_status qt_layer_norm(qt_context* ctx, const qt_layer_norm_args* args);

/* With g = dy * gamma and x_hat = (x - mean) * rstd: dx = rstd * (g - mean(g) - x_hat * mean(g * x_hat)), means over a row;
 * dgamma = sum of dy * x_hat and dbeta = sum of dy, over the rows. */
typedef struct qt_layer_norm_backward_args {
  const void* x;     /* real */
  const void* dy;    /* real */
  const float* gamma;
  const float* mean; /* of qt_layer_norm */
  const float* rstd;
  void* dx;          /* real; may be dy */
  float* dgamma;     /* [n] */
  float* dbeta;      /* [n] */
  int64_t rows, n;
  int32_t element_type; /* of x, dy and dx */
} qt_layer_norm_backward_args;
QT_API qt_status qt_layer_norm_backward(qt_context* ctx, const qt_layer_norm_backward_args* args);

/* y[o, j, i] = x[o, indices[j], i]. On a device an index beyond the axis gives 0. */
typedef struct qt_gather_args {
  const void* x;          /* [outer, axis, inner] */
  const int32_t* indices; /* [count], in [0, axis) */
  void* y;                /* [outer, count, inner] */
  int64_t outer, axis, inner, count;
  int32_t element_bytes;  /* 1, 2 or 4 */
} qt_gather_args;
QT_API qt_status qt_gather(qt_context* ctx, const qt_gather_args* args);

/* dx[o, k, i] = sum of dy[o, j, i] over the j whose index is k, from the first to the last, in float: the same bits
 * everywhere. */
typedef struct qt_gather_backward_args {
  const void* dy;         /* real, [outer, count, inner] */
  const int32_t* indices;
  float* dx;              /* [outer, axis, inner], written in full */
  int64_t outer, axis, inner, count;
  int32_t element_type;   /* of dy */
} qt_gather_backward_args;
QT_API qt_status qt_gather_backward(qt_context* ctx, const qt_gather_backward_args* args);

/* ---- loss and optimizers ---------------------------------------------------------------------------------- */

/* Mean cross-entropy of softmax(logits) against (1 - smoothing) * onehot + smoothing / classes, over the rows with
 * label >= 0 (padded rows carry -1). correct counts rows whose first maximum is the label. Gradient in the same pass.
 * exp and log are the polynomials of math/ (same bits everywhere).
 * teacher given: distillation. With p = softmax(logits / T) and t = softmax(teacher / T), T = temperature,
 *   loss = (1 - soft_weight) * the loss above - soft_weight * T^2 * sum t log p
 * and its gradient, whose soft part is soft_weight * T * (p - t). A logit of the teacher that is NaN or Inf makes the
 * loss NaN. Source: Hinton et al. 2015, arXiv:1503.02531, section 2. */
typedef struct qt_softmax_cross_entropy_args {
  const void* logits;     /* real, [rows, classes] */
  const int32_t* labels;  /* [rows]; on a device, labels outside [0, classes) count as -1 */
  float* loss;            /* [1] */
  int32_t* correct;       /* [1] */
  void* dlogits;          /* real, [rows, classes] or null */
  int64_t rows, classes;  /* on a device rows <= 2^21 */
  float smoothing;        /* [0, 1) */
  const void* teacher;    /* real, [rows, classes] logits, or null */
  float temperature;      /* > 0; read with teacher only */
  float soft_weight;      /* [0, 1] */
  int32_t element_type;   /* of logits, dlogits and teacher */
} qt_softmax_cross_entropy_args;
QT_API qt_status qt_softmax_cross_entropy(qt_context* ctx, const qt_softmax_cross_entropy_args* args);

/* SGD with momentum over a whole arena in one launch: g += decay * p ; v = momentum * v + g ; p -= lr * (nesterov ?
 * g + momentum * v : v). Weight decay is per segment: segment i covers elements below segment_end[i]. */
typedef struct qt_sgd_args {
  float* param;
  const float* grad;
  float* velocity;
  const float* learning_rate;    /* [1] */
  const int64_t* segment_end;    /* [segments], ascending, last = n */
  const float* segment_decay;    /* [segments] */
  int64_t n, segments;
  float momentum;
  int32_t nesterov;
  const int64_t* nonfinite;      /* [1] or null: nothing is updated where it is not 0 */
} qt_sgd_args;
QT_API qt_status qt_sgd(qt_context* ctx, const qt_sgd_args* args);

/* AdamW over a whole arena in one launch, weight decay per segment as in qt_sgd:
 *   m = beta1 * m + (1 - beta1) * g ; v = beta2 * v + (1 - beta2) * g^2
 *   p = (p - lr * decay * p) - lr * ((m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + epsilon))
 * with t = *step, so that a captured launch counts on. The powers are formed in double, by squaring.
 * Source: Loshchilov and Hutter 2019, arXiv:1711.05101, algorithm 2. */
typedef struct qt_adamw_args {
  float* param;
  const float* grad;
  float* mean;                   /* m */
  float* square;                 /* v */
  const float* learning_rate;    /* [1] */
  const int64_t* step;           /* [1], 1 in the first update; less counts as 1 */
  const int64_t* nonfinite;      /* [1] or null: nothing is updated where it is not 0 */
  const int64_t* segment_end;    /* [segments], ascending, last = n */
  const float* segment_decay;    /* [segments] */
  int64_t n, segments;
  float beta1, beta2;            /* [0, 1) */
  float epsilon;                 /* > 0 */
} qt_adamw_args;
QT_API qt_status qt_adamw(qt_context* ctx, const qt_adamw_args* args);

/* norm = sqrt(sum x^2) over the finite elements, nonfinite = number of the others (NaN, Inf), in one pass. The sum is
 * in double, so that no square overflows or vanishes. */
typedef struct qt_grad_norm_args {
  const float* grad;
  float* norm;        /* [1] */
  int64_t* nonfinite; /* [1] */
  int64_t n;
} qt_grad_norm_args;
QT_API qt_status qt_grad_norm(qt_context* ctx, const qt_grad_norm_args* args);

/* grad *= min(1, max_norm / norm), with the norm and the limit in memory: no host reads them. Where nonfinite is not
 * 0 the gradient becomes 0. Source: Pascanu et al. 2013, arXiv:1211.5063, algorithm 1. */
typedef struct qt_clip_grad_args {
  float* grad;               /* in and out */
  const float* norm;         /* [1], of qt_grad_norm */
  const float* max_norm;     /* [1], > 0 */
  const int64_t* nonfinite;  /* [1] or null */
  int64_t n;
} qt_clip_grad_args;
QT_API qt_status qt_clip_grad(qt_context* ctx, const qt_clip_grad_args* args);

/* count = number of NaN and Inf in x. */
typedef struct qt_count_nonfinite_args {
  const float* x;
  int64_t* count; /* [1] */
  int64_t n;
} qt_count_nonfinite_args;
QT_API qt_status qt_count_nonfinite(qt_context* ctx, const qt_count_nonfinite_args* args);

/* ---- codes: add, multiply, concatenate, pool ------------------------------------------------------------- */

/* Contract of ONNX Runtime's QLinearAdd on x86 with FMA: rA = sa / sy, rB = sb / sy,
 * fix = float(zy) - fma(rA, float(za), rB * float(zb)), q = sat(rint(fma(a, rA, fma(b, rB, fix)))), the clamp to
 * [qmin, qmax] in float before rounding. The zero-point is inside the rounding, unlike FP32_RNE.
 * relu: codes >= zy. mask bit: the clamp did not act (relu: and the value before rounding is above zy). */
typedef struct qt_add_codes_args {
  const void* a;
  const void* b;
  const float* a_scale;
  const int32_t* a_zero_point;
  const float* b_scale;
  const int32_t* b_zero_point;
  const float* y_scale;
  const int32_t* y_zero_point;
  void* y;
  uint8_t* mask; /* or null */
  int64_t n;
  int32_t qmin, qmax;
  int32_t relu;
  int32_t code_type; /* of a, b and y */
} qt_add_codes_args;
QT_API qt_status qt_add_codes(qt_context* ctx, const qt_add_codes_args* args);

/* Exact range of sa * (a - za) + sb * (b - zb), relu and upper applied. */
typedef struct qt_add_codes_range_args {
  const void* a;
  const void* b;
  const float* a_scale;
  const int32_t* a_zero_point;
  const float* b_scale;
  const int32_t* b_zero_point;
  float* min; /* [1] */
  float* max; /* [1] */
  int64_t n;
  int32_t relu;
  float upper;
  int32_t code_type;
} qt_add_codes_range_args;
QT_API qt_status qt_add_codes_range(qt_context* ctx, const qt_add_codes_range_args* args);

/* acc[n, c] = sum over h, w of (x - z): the integer half of a global average pool. */
typedef struct qt_global_pool_sum_args {
  const void* x;              /* [n, hw, c] */
  const int32_t* zero_point;  /* [1] */
  int32_t* acc;               /* [n, c] */
  int64_t n, hw, c;
  int32_t code_type;
} qt_global_pool_sum_args;
QT_API qt_status qt_global_pool_sum(qt_context* ctx, const qt_global_pool_sum_args* args);

/* Contract of ONNX Runtime's QLinearAveragePool: sum of s * (q - z) in float, row-major over the window, divided by
 * the count, then rint(y / sy + zy) clamped. */
typedef struct qt_average_pool_codes_args {
  const void* x;
  const float* x_scale;
  const int32_t* x_zero_point;
  const float* y_scale;
  const int32_t* y_zero_point;
  void* y;
  uint8_t* mask; /* or null */
  qt_window window;
  int32_t qmin, qmax;
  int32_t count_padding;
  int32_t code_type;
} qt_average_pool_codes_args;
QT_API qt_status qt_average_pool_codes(qt_context* ctx, const qt_average_pool_codes_args* args);

/* Residual add of the runtimes that have integers only. */
typedef enum qt_add_contract {
  /* TFLite's reference ADD: ((q - z) << 20) of each input times s / (2 max(sa, sb)), their sum times
   * 2 max(sa, sb) / (2^20 sy), each by QT_FIXED_DOUBLE, then + zy. */
  QT_ADD_TFLITE = 0,
  /* XNNPACK: h = 20 - exponent of max(sa / sy, sb / sy), m = rint((s / sy) * 2^h) per input (ratios in float32), then
   * ((2^(h-1) + ma (a - za) + mb (b - zb)) >> h) + zy. Ratios in [2^-10, 2^8). */
  QT_ADD_XNNPACK = 1
} qt_add_contract;

/* q = clamp(the contract's value, qmin, qmax). relu: codes >= zy. mask bit: the clamp did not act (relu: and the value
 * is above zy). */
typedef struct qt_add_codes_fixed_args {
  const void* a;
  const void* b;
  const float* a_scale;
  const int32_t* a_zero_point;
  const float* b_scale;
  const int32_t* b_zero_point;
  const float* y_scale;
  const int32_t* y_zero_point;
  void* y;
  uint8_t* mask; /* or null */
  int64_t n;
  int32_t qmin, qmax;
  int32_t contract; /* qt_add_contract */
  int32_t relu;
  int32_t code_type; /* of a, b and y */
} qt_add_codes_fixed_args;
QT_API qt_status qt_add_codes_fixed(qt_context* ctx, const qt_add_codes_fixed_args* args);

/* Contract of ONNX Runtime's QLinearMul on x86: m = (sa * sb) / sy in float32, left to right,
 * q = rint(clamp(float((a - za) * (b - zb)) * m + float(zy), qmin, qmax)), product and sum rounded apart, the
 * zero-point inside the rounding. mask bit: the clamp did not act. (The runtime converts before it saturates, so a
 * value from 2^31 on becomes its lowest code; here it is qmax.) */
typedef struct qt_mul_codes_args {
  const void* a;
  const void* b;
  const float* a_scale;
  const int32_t* a_zero_point;
  const float* b_scale;
  const int32_t* b_zero_point;
  const float* y_scale;
  const int32_t* y_zero_point;
  void* y;
  uint8_t* mask; /* or null */
  int64_t n;
  int32_t qmin, qmax;
  int32_t code_type; /* of a, b and y */
} qt_mul_codes_args;
QT_API qt_status qt_mul_codes(qt_context* ctx, const qt_mul_codes_args* args);

/* One input of a concatenation goes to its place on the output's grid, by the formula of qt_requantize_codes:
 * y[o, offset + i] = clamp(rint((sx * float(x[o, i] - zx)) / sy) + zy, qmin, qmax). One call per input. */
typedef struct qt_concat_codes_args {
  const void* x;               /* [outer, width] */
  const float* x_scale;        /* [1] */
  const int32_t* x_zero_point;
  const float* y_scale;
  const int32_t* y_zero_point;
  void* y;                     /* [outer, y_width]; only these columns are written */
  uint8_t* mask;               /* one bit per element of x, or null: the clamp did not act */
  int64_t outer, width, y_width, offset;
  int32_t qmin, qmax;
  int32_t code_type, y_code_type;
} qt_concat_codes_args;
QT_API qt_status qt_concat_codes(qt_context* ctx, const qt_concat_codes_args* args);

/* TFLite's integer AVERAGE_POOL_2D: input and output share a grid, the sum of the codes inside the input divided by
 * their number, halves away from 0, then clamped to [qmin, qmax]. mask bit: the clamp did not act. */
typedef struct qt_average_pool_codes_fixed_args {
  const void* x;
  void* y;
  uint8_t* mask; /* or null */
  qt_window window; /* kernel_h * kernel_w <= 65536 */
  int32_t qmin, qmax;
  int32_t code_type;
} qt_average_pool_codes_fixed_args;
QT_API qt_status qt_average_pool_codes_fixed(qt_context* ctx, const qt_average_pool_codes_fixed_args* args);

/* ---- products of codes, for processors whose int8 units are not exact ------------------------------------
 *
 * 16-bit units are exact: they multiply codes two by two, and a sum of two products fits 32 bits. Sums are those of the
 * reference loops below, modulo 2^32. Bounds: NUMERICS.md, "Accumulators". */

/* Weights in the order in which products read them: 16 output channels beside each other, and of each two values of a run.
 *   pairs[k / 16][run][i / 2][k % 16][i % 2] = w[k][run][i], 0 where w has no such k or i */
typedef struct qt_pair_weights_args {
  const int8_t* w; /* [k, runs, length] */
  int8_t* pairs;   /* [(k + 15) / 16, runs, (length + 1) / 2, 16, 2] */
  int64_t k, runs, length;
} qt_pair_weights_args;
QT_API qt_status qt_pair_weights(qt_context* ctx, const qt_pair_weights_args* args);

/* acc of qt_conv2d_codes, or the codes that qt_requantize makes of it, without acc in memory: dilation 1, one group or
 * one for each channel (groups = c = k), pads less than the kernel, windows that begin inside the input. A linear layer
 * is a window of one pixel. */
typedef struct qt_conv2d_pairs_args {
  const void* x;               /* [n, h, w, c] codes */
  const int32_t* x_zero_point; /* [1] */
  const int8_t* pairs;         /* of w [k, kernel_h, kernel_w * c / groups] */
  int32_t* acc;                /* [n, p, q, k], or null: codes */
  void* codes;                 /* [n, p, q, k], or null: acc. What follows belongs to codes */
  const int32_t* bias;         /* [k] or null */
  const float* multiplier;     /* [k] */
  const int32_t* zero_point;   /* [1], of codes */
  qt_window window;
  int64_t k, groups;
  int32_t x_type;              /* of x; qt_code_type */
  int32_t code_type;           /* of codes */
  int32_t qmin, qmax;
  int32_t relu;                /* codes >= z */
} qt_conv2d_pairs_args;
QT_API qt_status qt_conv2d_pairs(qt_context* ctx, const qt_conv2d_pairs_args* args);

/* ---- gradients of convolutions ------------------------------------------------------------------------------ */

/* dw[k, r, s, c] = sum over the pixels [i, p, q] of the output of dy[i, p, q, k] * x[i, p * stride_h - pad_top + r *
 * dilation_h, q * stride_w - pad_left + s * dilation_w, c], in float32; padding counts as zeros. Pads are smaller than
 * the kernel with its dilation, and windows begin inside the input. Codes count as what qt_dequantize makes of them,
 * and give the same bits. Order of the sum and its bound: NUMERICS.md, "Order of float sums". */
typedef struct qt_conv2d_backward_weights_args {
  const void* x;               /* [n, h, w, c] of x_type */
  const float* x_scale;        /* [1], > 0; of codes, as the next */
  const int32_t* x_zero_point; /* [1] */
  const float* dy;             /* [n, p, q, k] */
  float* dw;                   /* [k, kernel_h, kernel_w, c] */
  qt_window window;
  int64_t k;
  int32_t dilation_h, dilation_w;
  int32_t x_type;              /* QT_ELEMENT_F32, QT_ELEMENT_U8 or QT_ELEMENT_S8 */
} qt_conv2d_backward_weights_args;
QT_API qt_status qt_conv2d_backward_weights(qt_context* ctx, const qt_conv2d_backward_weights_args* args);

/* ---- products of codes -----------------------------------------------------------------------------------
 *
 * On the CPU simple loops, never tuned: what other roads to the same sums are compared with. */

/* acc = sum (x - zx) * w over the window and the channels of the group; padding contributes 0 (it is zx). Up to 65,793
 * products are exact, longer sums are modulo 2^32. */
typedef struct qt_conv2d_codes_args {
  const void* x;               /* [n, h, w, c] codes */
  const int32_t* x_zero_point; /* [1] */
  const int8_t* w;             /* [k, kernel_h, kernel_w, c / groups] */
  int32_t* acc;                /* [n, p, q, k] */
  qt_window window;
  int64_t k, groups;
  int32_t dilation_h, dilation_w;
  int32_t code_type;
} qt_conv2d_codes_args;
QT_API qt_status qt_conv2d_codes(qt_context* ctx, const qt_conv2d_codes_args* args);

/* acc[row, o] = sum_k (x[row, k] - zx) * w[o, k]. */
typedef struct qt_gemm_codes_args {
  const void* x;
  const int32_t* x_zero_point;
  const int8_t* w;  /* [out, in] */
  int32_t* acc;
  int64_t rows, in, out;
  int32_t code_type;
} qt_gemm_codes_args;
QT_API qt_status qt_gemm_codes(qt_context* ctx, const qt_gemm_codes_args* args);

/* Products of two matrices of codes, pair after pair: acc[i, m, n] = sum_k (a[i, m, k] - za) * (b[i, k, n] - zb). */
typedef struct qt_matmul_codes_args {
  const void* a;               /* [pairs, rows, in] codes */
  const int32_t* a_zero_point; /* [1] */
  const void* b;               /* [pairs, in, out] codes of the same type */
  const int32_t* b_zero_point; /* [1] */
  int32_t* acc;                /* [pairs, rows, out] */
  int64_t pairs, rows, in, out;
  int32_t code_type;
} qt_matmul_codes_args;
QT_API qt_status qt_matmul_codes(qt_context* ctx, const qt_matmul_codes_args* args);

/* ---- CUDA: a separate library, opened only where a driver and a device are ------------------------------- */

/* A context whose kernels run on a CUDA device: the same functions and arguments with device pointers, scales,
 * zero-points and other small arrays included, enqueued on stream (a cudaStream_t; null: one of the context's own). No
 * kernel synchronizes or allocates, so every one can be captured into a CUDA graph. Values behind pointers (scales, zero-points,
 * labels, states of observers) are not checked, which would wait for the device. Whatever they are, a kernel ends, gives
 * the same result every time and touches its buffers only; formulas apply as they stand, so with a scale of 0 codes
 * saturate, with NaN they are qmin, and none leaves [qmin, qmax]. path as in qt_cuda_probe.
 * Returns QT_UNAVAILABLE where there is no such library, driver or device. */
QT_API qt_status qt_context_create_cuda(qt_context** ctx, const char* path, int32_t device, void* stream);

/* Memory of a context's device, for callers without a CUDA runtime of their own; on a CPU context it is that of
 * qt_alloc. write and read wait until the copy is done; copy and zero (on the device) and kernels are only enqueued, and
 * synchronize waits for them. */
QT_API qt_status qt_memory_alloc(qt_context* ctx, void** memory, int64_t bytes);
QT_API qt_status qt_memory_free(qt_context* ctx, void* memory, int64_t bytes);
QT_API qt_status qt_memory_write(qt_context* ctx, void* memory, const void* host, int64_t bytes);
QT_API qt_status qt_memory_read(qt_context* ctx, void* host, const void* memory, int64_t bytes);
QT_API qt_status qt_memory_copy(qt_context* ctx, void* to, const void* from, int64_t bytes);
QT_API qt_status qt_memory_zero(qt_context* ctx, void* memory, int64_t bytes);
QT_API qt_status qt_synchronize(qt_context* ctx);

/* A tensor that the host fills again and again. push enqueues the transfer of what was filled last, for everything
 * enqueued behind it; on a device it goes beside kernels that still run, through two page-locked buffers and two on the
 * device. next is the buffer to fill, and waits only where its last transfer but one still runs; null after a failure
 * (qt_last_error). On a CPU context that is the tensor itself. A feed is destroyed before its context. */
typedef struct qt_feed qt_feed;
QT_API qt_status qt_feed_create(qt_context* ctx, qt_feed** feed, void* tensor, int64_t bytes);
QT_API void* qt_feed_next(qt_feed* feed);
QT_API qt_status qt_feed_push(qt_feed* feed);
QT_API void qt_feed_destroy(qt_feed* feed);

/* A tensor that the host reads while later work runs. pull enqueues a copy of it as it will be then; take gives the
 * oldest copy not taken yet, valid until the next pull but one, and waits for that copy alone; null if there is none or
 * after a failure. At most two copies wait to be taken. A fetch is destroyed before its context. */
typedef struct qt_fetch qt_fetch;
QT_API qt_status qt_fetch_create(qt_context* ctx, qt_fetch** fetch, const void* tensor, int64_t bytes);
QT_API qt_status qt_fetch_pull(qt_fetch* fetch);
QT_API const void* qt_fetch_take(qt_fetch* fetch);
QT_API void qt_fetch_destroy(qt_fetch* fetch);

/* A CUDA graph: what is enqueued between begin and end is not run but recorded, with its addresses, and run enqueues
 * all of it in one launch. QT_UNAVAILABLE on a CPU context. A recording is destroyed before its context. */
typedef struct qt_recording qt_recording;
QT_API qt_status qt_record_begin(qt_context* ctx);
QT_API qt_status qt_record_end(qt_context* ctx, qt_recording** recording);
QT_API qt_status qt_recording_run(qt_recording* recording);
QT_API void qt_recording_destroy(qt_recording* recording);

/* The stream (a cudaStream_t) that a context enqueues on, for other libraries; null on a CPU context. */
QT_API void* qt_context_stream(qt_context* ctx);

/* What a CUDA context did so far; zeros on a CPU context. */
typedef struct qt_counters {
  int64_t allocations; /* of memory, on the device or page-locked */
  int64_t waits;       /* of the host for the device */
  int64_t launches;    /* of kernels, copies and recordings */
} qt_counters;
QT_API void qt_context_counters(const qt_context* ctx, qt_counters* counters);

typedef struct qt_device_info {
  char name[256];
  int64_t memory_bytes, free_bytes;
  int32_t major, minor;    /* compute capability */
  int32_t multiprocessors;
  int32_t driver, runtime; /* CUDA versions, 13000 for 13.0 */
} qt_device_info;
/* path, message and QT_UNAVAILABLE as in qt_cuda_probe. */
QT_API qt_status qt_cuda_device_info(const char* path, int32_t device, qt_device_info* info, char* message,
                                     int64_t message_bytes);

/* Opens libquantrain_cuda from the folder of this library (path null) or from path. QT_UNAVAILABLE with the reason in
 * message (library missing, driver missing or too old, no device). */
QT_API qt_status qt_cuda_probe(const char* path, int32_t* devices, char* message, int64_t message_bytes);

#ifdef __cplusplus
}
#endif
#endif /* QUANTRAIN_H_ */
