#!/bin/sh
# Checks what arrived on this machine, then what this machine has.
#
#   verify.sh [--quick] [--only PART[,PART]] [--seconds N] [OUT]
#
# --quick    fewer sizes of each kernel
# --only     these parts alone, by the start of their names: --only cpu, --only gpu-steps,torch
# --seconds  what all of it may take (540), and each part in proportion; what comes too late is
#            skipped
# OUT        gets the logs; default: a new folder among the temporary ones
#
# The parts, in this order; each has a time limit and a log of its own, so that none takes another
# with it. What is skipped says why. Exit code 1 if anything failed.
#
# doctor          what there is
# cpu-kernels     every kernel on every instruction set against each other
# cpu-training    a training run whose exported model is proven against ONNX Runtime and against
#                 training (V2, V3)
# gpu-codes       whole training steps, integers on the GPU against the CPU's (V1)
# gpu-kernels     every kernel on the GPU against the CPU (V1)
# gpu-training    the training run there: V2, V3, the same bits twice, the accuracy of the CPU's
#                 within 0.3 points
# gpu-sanitizers  compute-sanitizer's four tools on every kernel
# gpu-steps       training steps of ResNet-50 and ResNet-20: time and memory
# torch-steps     PyTorch's, and a table of both
# gpu-times       the time of every kernel, beside PyTorch's operators
set -u
here=$(dirname "$(readlink -f "$0")")
parts="doctor cpu-kernels cpu-training gpu-codes gpu-kernels gpu-training gpu-sanitizers gpu-steps \
torch-steps gpu-times"

usage() {
  echo "usage: verify.sh [--quick] [--only PART[,PART]] [--seconds N] [OUT]; parts: $parts" >&2
  exit 2
}

quick='' only='' seconds=540
while [ $# -gt 0 ] && [ "${1#-}" != "$1" ]; do
  case $1 in
    --quick) quick=--quick ;;
    --only) shift && only=${1-} ;;
    --seconds) shift && seconds=${1-} ;;
    *) usage ;;
  esac
  [ $# -gt 0 ] && shift || usage
done
[ $# -le 1 ] || usage
case $seconds in '' | *[!0-9]*) usage ;; esac

# asked NAME: whether a part is to run.
asked() {
  [ -n "$only" ] || return 0
  IFS=,
  for prefix in $only; do
    case $1 in "$prefix"*) unset IFS && return 0 ;; esac
  done
  unset IFS
  return 1
}

known=
for name in $parts; do if asked "$name"; then known=yes; fi; done
[ -n "$known" ] || usage
out=${1:-$(mktemp -d)} && mkdir -p "$out" && out=$(readlink -f "$out") || exit 1
passed=0 failed=0 skipped=0
end=$(($(date +%s) + seconds))

for checks in "$here"/native/org/quantrain/internal/bind/*; do :; done

skip() { # NAME WHY
  skipped=$((skipped + 1))
  printf '%-16s skipped: %s\n' "$1" "$2"
}

# check NAME WHY LIMIT COMMAND...: skipped for the reason WHY, if there is one. Otherwise the last
# words are shown, all of them are in OUT/NAME.log. LIMIT is in seconds of 540.
check() {
  name=$1 why=$2 limit=$(($3 * seconds / 540))
  shift 3
  asked "$name" || return 0
  left=$((end - $(date +%s)))
  if [ -z "$why" ] && [ "$left" -lt 5 ]; then why="no time is left of $seconds s"; fi
  if [ -n "$why" ]; then
    skip "$name" "$why"
    return
  fi
  [ "$limit" -le "$left" ] || limit=$left
  printf '%-16s ' "$name"
  timeout -k 5 "$limit" "$@" > "$out/$name.log" 2>&1
  code=$?
  if [ $code -eq 0 ]; then
    passed=$((passed + 1))
    echo "passed: $(tail -n 1 "$out/$name.log")"
    return
  fi
  case $code in 124 | 137) echo "not done within $limit s" >> "$out/$name.log" ;; esac
  echo "FAILED, exit code $code: $out/$name.log"
  failed=$((failed + 1))
  tail -n 20 "$out/$name.log"
}

if [ ! -e /proc/driver/nvidia/version ]; then
  gpu="there is no NVIDIA driver on this machine"
elif [ ! -e "$checks/libquantrain_cuda.so" ]; then
  gpu="the CUDA kernels were not built: $here/build-cuda.sh builds them where nvcc is"
else
  gpu=
fi
sanitizer=$gpu torch=$gpu
if [ -z "$gpu" ] && ! type compute-sanitizer > /dev/null 2>&1; then
  sanitizer="there is no compute-sanitizer on the PATH"
fi
if [ -z "$gpu" ]; then
  packages=$(python3 -c 'import os, torch; print(os.path.dirname(os.path.dirname(torch.__file__)))' \
    2> /dev/null) || torch="python3 has no torch"
  # PyTorch's libraries of CUDA will do; the system's are looked for in any case.
  [ -n "$torch" ] || export QUANTRAIN_CUDA_LIBRARIES="${QUANTRAIN_CUDA_LIBRARIES:-$packages}"
fi

check doctor "" 60 "$here/quantrain" doctor
check cpu-kernels "" 240 env \
  LD_LIBRARY_PATH="$checks:${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$here/system" \
  "$checks/check_kernels" --brief $quick
check cpu-training "" 120 "$here/quantrain" train --data digits --model lenet --out "$out/cpu"
check gpu-codes "$gpu" 120 "$here/quantrain" doctor --device cuda
check gpu-kernels "$gpu" 90 bash "$here/benchmarks/gpu/run.sh" "$checks" "$out/gpu" check
check gpu-training "$gpu" 120 sh "$here/benchmarks/gpu/training.sh" "$here/quantrain" "$out/runs"
check gpu-sanitizers "$sanitizer" 100 env SANITIZER_SECONDS=90 \
  bash "$here/benchmarks/gpu/run.sh" "$checks" "$out/gpu" sanitizers
check gpu-steps "$gpu" 190 env SECONDS_A_SIDE=180 \
  sh "$here/benchmarks/gpu/steps.sh" "$here/quantrain" "$out/gpu" ours
check torch-steps "$torch" 160 env SECONDS_A_SIDE=150 \
  sh "$here/benchmarks/gpu/steps.sh" "$here/quantrain" "$out/gpu" torch
check gpu-times "$gpu" 120 bash "$here/benchmarks/gpu/run.sh" "$checks" "$out/gpu" times

echo "$passed passed, $failed failed, $skipped skipped; logs and runs are in $out"
[ "$failed" -eq 0 ]
