#!/bin/sh
# no-spills.sh LOG: fails if ptxas -v reports a spilling kernel, or if LOG has no report at all.
awk '
  /Compiling entry function/ { kernel = $0 }
  /bytes spill stores/ {
    reports++
    if ($0 !~ / 0 bytes spill stores, 0 bytes spill loads/) { print kernel "\n" $0; spills++ }
  }
  /Used [0-9]+ registers/ {
    match($0, /Used [0-9]+/)
    registers = substr($0, RSTART + 5, RLENGTH - 5) + 0
    if (registers > most) most = registers
  }
  END {
    printf "%d kernels (each architecture counted), %d spill, at most %d registers\n",
        reports, spills, most
    exit !(reports > 0 && spills == 0)
  }' "$1" || { echo "$1: kernels spill registers, or no register report" >&2; exit 1; }
