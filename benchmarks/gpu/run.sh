#!/usr/bin/env bash
# Everything that is measured on a GPU, in one go: correctness (V1), the sanitizers, the time of every
# kernel, and PyTorch's operators in the same run. Needs a driver; what needs python3 with torch, or
# compute-sanitizer, is skipped where that is missing. No Java.
#
#   benchmarks/gpu/run.sh BUILD OUT [ELEMENTS]
#
# BUILD  a CMake build folder of native/, or one that holds check_kernels, libquantrain.so and
#        libquantrain_cuda.so
# OUT    gets check.log, sanitizer-*.log, kernels.json, torch.json, table.md
set -uo pipefail

fail() {
  echo "run.sh: $*" >&2
  exit 1
}

[ $# -ge 2 ] && [ $# -le 3 ] || fail "usage: benchmarks/gpu/run.sh BUILD OUT [ELEMENTS]"
here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
build=$(readlink -f "$1") out=$2 elements=${3:-33554432}
check=$build/check/check_kernels
[ -x "$check" ] || check=$build/check_kernels
[ -x "$check" ] || fail "no check_kernels in $1: cmake -S native -B $1 && cmake --build $1"
theirs=${LD_LIBRARY_PATH-} # PyTorch runs with the machine's own libraries
export LD_LIBRARY_PATH=$build:${theirs:+$theirs:}$here/../../system # the last is there in a bundle
reason=$("$check" --cuda --brief --kernel add 2>&1) || fail "$reason"
mkdir -p "$out" || fail "cannot write to $out"
status=0

echo "== V1: every kernel, CUDA against CPU"
timeout 120 "$check" --cuda > "$out/check.log" 2>&1 || status=1
grep -v '  0$' "$out/check.log" | tail -n 40

echo "== time, $elements elements"
timeout 180 "$check" --cuda --time --elements "$elements" --json > "$out/kernels.json" || status=1
if LD_LIBRARY_PATH=$theirs python3 -c 'import torch' 2> /dev/null; then
  LD_LIBRARY_PATH=$theirs timeout 150 python3 "$here/torch_kernels.py" --elements "$elements" \
    --kernels "$out/kernels.json" --json "$out/torch.json" > "$out/table.md" || status=1
  cat "$out/table.md"
else
  echo "PyTorch: skipped, python3 has no torch; our times are in $out/kernels.json"
fi

if ! type -P compute-sanitizer > /dev/null; then
  echo "== sanitizers: skipped, there is no compute-sanitizer on the PATH"
  exit $status
fi
echo "== sanitizers" # at once: each is bound by its own processor
pids=()
for tool in memcheck racecheck initcheck synccheck; do
  timeout 170 compute-sanitizer --tool $tool --error-exitcode 9 "$check" --cuda --brief \
    > "$out/sanitizer-$tool.log" 2>&1 &
  pids+=($!)
done
for i in 0 1 2 3; do wait "${pids[$i]}" || status=1; done
for tool in memcheck racecheck initcheck synccheck; do
  summary=$(grep -E 'ERROR SUMMARY|RACECHECK SUMMARY' "$out/sanitizer-$tool.log" | tail -n 1)
  echo "$tool: ${summary:-did not finish} $(grep -E '^[0-9]+ passed' "$out/sanitizer-$tool.log")"
done
exit $status
