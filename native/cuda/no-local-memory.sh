#!/bin/sh
# no-local-memory.sh LOG: fails if ptxas -v reports a kernel that spills registers or has a stack
# frame (an array that could not stay in registers), or if LOG has no report at all.
awk '
  /Compiling entry function/ { kernel = $0 }
  /bytes stack frame/ {
    reports++
    if ($0 !~ /(^|[^0-9])0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads/) {
      print kernel "\n" $0
      wrong++
    }
  }
  /Used [0-9]+ registers/ {
    match($0, /Used [0-9]+/)
    registers = substr($0, RSTART + 5, RLENGTH - 5) + 0
    if (registers > most) most = registers
  }
  END {
    printf "%d kernels (each architecture counted), %d use local memory, at most %d registers\n",
        reports, wrong, most
    exit !(reports > 0 && wrong == 0)
  }' "$1" || { echo "$1: kernels use local memory, or no register report" >&2; exit 1; }
