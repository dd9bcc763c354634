/* The timed cases of native/check as a C API, for benchmarks in other languages: every kernel with its data, by
 * index. One case is open at a time. Not thread-safe. */
#ifndef QUANTRAIN_CHECK_CASES_H_
#define QUANTRAIN_CHECK_CASES_H_

#include "quantrain.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Number of timed cases; kernel and variant of one (empty if there is no such case). */
QT_API int32_t qt_cases_count(void);
QT_API const char* qt_cases_kernel(int32_t index);
QT_API const char* qt_cases_variant(int32_t index);

/* Makes the data of a case of about `elements` elements and places it in memory of the CPU; threads as in
 * qt_context_create. Returns its kernel's status on these arguments. */
QT_API qt_status qt_cases_open(int32_t index, int64_t elements, int32_t threads);
QT_API qt_status qt_cases_run(void);
/* Of the open case: elements, and the bytes that one call must move. */
QT_API int64_t qt_cases_elements(void);
QT_API int64_t qt_cases_bytes(void);
QT_API void qt_cases_close(void);

/* Copies of `bytes` bytes by that many threads, to be timed beside the cases: the number of ways to do it (0 without
 * memory), and one of them, below that number. Closing frees the memory. */
QT_API int32_t qt_cases_copies_open(int64_t bytes, int32_t threads);
QT_API void qt_cases_copy(int32_t way);
QT_API void qt_cases_copies_close(void);

#ifdef __cplusplus
}
#endif
#endif /* QUANTRAIN_CHECK_CASES_H_ */
