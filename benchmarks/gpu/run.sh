#!/usr/bin/env bash
# All kernels on a GPU, in one go: correctness (V1), the time of every kernel, PyTorch's operators in
# the same run, and the sanitizers. Needs a driver; what needs python3 with torch, or compute-sanitizer,
# is skipped where that is missing. No Java.
#
#   benchmarks/gpu/run.sh BUILD OUT [check|times|sanitizers]
#
# BUILD  a CMake build folder of native/, or one that holds check_kernels, libquantrain.so and
#        libquantrain_cuda.so
# OUT    gets check.log, kernels.json, torch.json, table.md, sanitizer-*.log
# the last word: that part alone
#
# ELEMENTS of the timed tensors: 33554432, or what that variable says.
set -uo pipefail

fail() {
  echo "run.sh: $*" >&2
  exit 1
}

[ $# -ge 2 ] && [ $# -le 3 ] \
  || fail "usage: benchmarks/gpu/run.sh BUILD OUT [check|times|sanitizers]"
here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
build=$(readlink -f "$1") out=$2 part=${3:-} elements=${ELEMENTS:-33554432}
check=$build/check/check_kernels
[ -x "$check" ] || check=$build/check_kernels
[ -x "$check" ] || fail "no check_kernels in $1: cmake -S native -B $1 && cmake --build $1"
theirs=${LD_LIBRARY_PATH-} # PyTorch runs with the machine's own libraries
export LD_LIBRARY_PATH=$build:${theirs:+$theirs:}$here/../../system # the last is there in a bundle
reason=$("$check" --cuda --brief --kernel add 2>&1) || fail "$reason"
mkdir -p "$out" || fail "cannot write to $out"
status=0

correctness() {
  echo "== V1: every kernel, CUDA against CPU"
  timeout --foreground 120 "$check" --cuda > "$out/check.log" 2>&1 || status=1
  grep -v '  0$' "$out/check.log" | tail -n 40
}

times() {
  echo "== time, $elements elements"
  timeout --foreground 180 "$check" --cuda --time --elements "$elements" --json > "$out/kernels.json" || status=1
  if ! LD_LIBRARY_PATH=$theirs python3 -c 'import torch' 2> /dev/null; then
    echo "PyTorch: skipped, python3 has no torch; our times are in $out/kernels.json"
    return
  fi
  LD_LIBRARY_PATH=$theirs timeout --foreground 150 python3 "$here/torch_kernels.py" --elements "$elements" \
    --kernels "$out/kernels.json" --json "$out/torch.json" > "$out/table.md" || status=1
  cat "$out/table.md"
}

sanitizers() {
  if ! type -P compute-sanitizer > /dev/null; then
    echo "== sanitizers: skipped, there is no compute-sanitizer on the PATH"
    return
  fi
  echo "== sanitizers" # at once: each is bound by its own processor
  local tool pid pids=()
  for tool in memcheck racecheck initcheck synccheck; do
    timeout --foreground "${SANITIZER_SECONDS:-170}" compute-sanitizer --tool $tool --error-exitcode 9 "$check" --cuda --brief \
      > "$out/sanitizer-$tool.log" 2>&1 &
    pids+=($!)
  done
  for pid in "${pids[@]}"; do wait "$pid" || status=1; done
  for tool in memcheck racecheck initcheck synccheck; do
    summary=$(grep -E 'ERROR SUMMARY|RACECHECK SUMMARY' "$out/sanitizer-$tool.log" | tail -n 1)
    echo "$tool: ${summary:-did not finish} $(grep -E '^[0-9]+ passed' "$out/sanitizer-$tool.log")"
  done
}

case $part in
  check) correctness ;;
  times | sanitizers) "$part" ;;
  '') correctness; times; sanitizers ;;
  *) fail "no part is called $part: check, times or sanitizers" ;;
esac
exit $status
