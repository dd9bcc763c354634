/* Processes that compute together: every one calls the same functions in the same order, with its own memory of the host.
 * An implementation is a library of its own, opened only when it is asked for: libquantrain_gloo.so, which talks over TCP
 * on this host. A handle belongs to one thread at a time. */
#ifndef QUANTRAIN_COLLECTIVE_H_
#define QUANTRAIN_COLLECTIVE_H_

#include "quantrain.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct qt_collective qt_collective;

/* What a reduction is over. */
typedef enum qt_number {
  QT_NUMBER_F32 = 0,
  QT_NUMBER_F64 = 1,
  QT_NUMBER_S32 = 2,
  QT_NUMBER_S64 = 3,
  QT_NUMBER_U128 = 4 /* two int64, low half first, as qt_acc_stats writes its sum_squares */
} qt_number;

/* Waits until `size` processes have opened with the same folder and a rank each.
 *   library     path of the implementation; null: libquantrain_gloo.so, as the system's loader finds it
 *   folder      a folder that they share and nothing else uses; it may be deleted afterwards
 *   rank        0..size - 1
 *   timeout_ms  > 0: how long this and every later call waits for the others
 * QT_UNAVAILABLE where the library cannot be opened, QT_INTERNAL where the others do not come; message says why. */
QT_API qt_status qt_collective_open(qt_collective** collective, const char* library, const char* folder, int32_t rank,
                                    int32_t size, int32_t timeout_ms, char* message, int64_t message_bytes);

/* data[i] of every process becomes the reduction of all of theirs, the same bits in each. Integers are exact (sums modulo
 * 2^bits); floats are summed in the order of the ranks, and their mean is the sum times 1 / size. Integers have no mean,
 * U128 no extremes.
 * QT_INTERNAL where a process is gone, or did not come in time: the handle can then only be closed. */
QT_API qt_status qt_collective_all_reduce(qt_collective* collective, void* data, int64_t n, int32_t number,
                                          int32_t kind /* qt_reduce_kind */);

/* Text of the last failure. */
QT_API const char* qt_collective_last_error(const qt_collective* collective);

QT_API void qt_collective_close(qt_collective* collective);

#ifdef __cplusplus
}
#endif

#endif /* QUANTRAIN_COLLECTIVE_H_ */
