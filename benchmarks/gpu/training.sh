#!/bin/sh
# A training run on a GPU: proven (V2, V3), twice to the same bits, and to the accuracy of the CPU's
# within 0.3 points.
#
#   benchmarks/gpu/training.sh QUANTRAIN OUT [DEVICE]
#
# QUANTRAIN  the program: ./quantrain, or that of a bundle
# OUT        gets three runs and their logs
# DEVICE     default: cuda
set -eu
program=$1 out=$2 device=${3:-cuda}
mkdir -p "$out"

train() { # NAME DEVICE
  "$program" train --device "$2" --data digits --model lenet --out "$out/$1" > "$out/$1.log" 2>&1 \
    || { tail -n 20 "$out/$1.log" && exit 1; }
  grep -E '^(device|float|integer|V2|V3)' "$out/$1.log"
}

accuracy() { # of the integers, in hundredths of a percent
  sed -n 's/^integer *\([0-9]*\)\.\([0-9][0-9]\).*/\1\2/p' "$out/$1.log"
}

train cpu cpu
train first "$device"
train second "$device"
for model in "$out"/first/*.onnx; do
  cmp "$model" "$out/second/${model##*/}"
done
away=$(($(accuracy first) - $(accuracy cpu)))
[ "${away#-}" -le 30 ] || { echo "accuracy: $away hundredths of a point from the CPU's" && exit 1; }
echo "the same bits twice on $device, accuracy $away hundredths of a point from the CPU's"
