// What an implementation of quantrain_collective.h is, seen from the library that opens it.
#ifndef QUANTRAIN_COLLECTIVE_INTERFACE_H_
#define QUANTRAIN_COLLECTIVE_INTERFACE_H_

#include <stdio.h>

#include "include/quantrain_collective.h"

// Its arguments have been checked. Nothing throws.
struct qt_collective {
  virtual ~qt_collective() = default;
  // False where the others could not be reached, with the reason in `error`.
  virtual bool AllReduce(void* data, int64_t n, qt_number number, qt_reduce_kind kind) = 0;

  char error[512] = {0};
};

// The function that libquantrain_gloo.so exports: null with the reason in message.
using qt_gloo_open_function = qt_collective*(const char* folder, int32_t rank, int32_t size,
                                             int32_t timeout_ms, char* message,
                                             int64_t message_bytes);

#endif  // QUANTRAIN_COLLECTIVE_INTERFACE_H_
