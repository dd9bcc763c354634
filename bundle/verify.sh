#!/bin/sh
# Checks what arrived on this machine, then what this machine has.
#
#   verify.sh [--quick] [OUT]
#
# --quick  fewer sizes of each kernel
# OUT      gets the logs; default: a new folder among the temporary ones
#
# On the CPU: every kernel on every instruction set against each other, and a training run whose
# exported model is proven against ONNX Runtime and against training (V2, V3). Where there is a
# driver: every kernel on the GPU against the CPU (V1), the sanitizers, times beside PyTorch's, and
# a training run there. What is skipped says why. Exit code 1 if anything failed.
set -u
here=$(dirname "$(readlink -f "$0")")
quick=
if [ "${1:-}" = --quick ]; then
  quick=--quick
  shift
fi
if [ $# -gt 1 ] || [ "${1#-}" != "${1-}" ]; then
  echo "usage: verify.sh [--quick] [OUT]" >&2
  exit 2
fi
out=${1:-$(mktemp -d)} && mkdir -p "$out" && out=$(readlink -f "$out") || exit 1
passed=0 failed=0 skipped=0

for checks in "$here"/native/org/quantrain/internal/bind/*; do :; done

# check NAME COMMAND...: its last words are shown, all of them are in OUT/NAME.log.
check() {
  name=$1
  shift
  printf '%-24s ' "$name"
  if "$@" > "$out/$name.log" 2>&1; then
    passed=$((passed + 1))
    echo "passed: $(tail -n 1 "$out/$name.log")"
  else
    echo "FAILED, exit code $?: $out/$name.log"
    failed=$((failed + 1))
    tail -n 20 "$out/$name.log"
  fi
}

skip() { # NAME WHY
  skipped=$((skipped + 1))
  printf '%-24s skipped: %s\n' "$1" "$2"
}

if [ ! -e /proc/driver/nvidia/version ]; then
  why="there is no NVIDIA driver on this machine"
elif [ ! -e "$checks/libquantrain_cuda.so" ]; then
  why="the CUDA kernels were not built: $here/build-cuda.sh builds them where nvcc is"
else
  why=
fi

check doctor "$here/quantrain" doctor
check cpu-kernels env \
  LD_LIBRARY_PATH="$checks:${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$here/system" \
  "$checks/check_kernels" --brief $quick
check cpu-training "$here/quantrain" train --data digits --model lenet --out "$out/cpu"
if [ -z "$why" ]; then
  check gpu-kernels bash "$here/benchmarks/gpu/run.sh" "$checks" "$out/gpu"
  cat "$out/gpu-kernels.log"
  check gpu-training \
    "$here/quantrain" train --device cuda --data digits --model lenet --out "$out/cuda"
else
  for part in gpu-kernels gpu-training; do skip $part "$why"; done
fi

echo "$passed passed, $failed failed, $skipped skipped; logs and runs are in $out"
[ "$failed" -eq 0 ]
