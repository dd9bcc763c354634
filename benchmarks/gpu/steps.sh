#!/bin/sh
# Training steps of ResNet-50 (224x224) and ResNet-20 (32x32) on a GPU, and PyTorch's beside them.
#
#   benchmarks/gpu/steps.sh QUANTRAIN OUT [ours|torch]
#
# QUANTRAIN  the program: ./quantrain, or that of a bundle
# OUT        gets steps.jsonl, a line for each step as soon as it is timed, and steps.md
# ours, torch: one side alone; the table has what both have left in OUT so far
#
# PyTorch's side needs python3 with torch, the table python3. Ours runs with deterministic algorithms
# and exact float32 products; ResNet-50 also with TF32 and the fastest ones, as PyTorch chooses its.
set -u
program=$1 out=$2 side=${3:-both}
here=$(dirname "$(readlink -f "$0")")
mkdir -p "$out" || exit 1
rows=$out/steps.jsonl
status=0

within() { # what is left of the side's time, for a command
  left=$((end - $(date +%s)))
  if [ "$left" -lt 10 ]; then
    echo "skipped, no time is left: $*"
  else
    timeout --foreground -k 5 "$left" "$@" || status=1
  fi
}

begin() { end=$(($(date +%s) + ${SECONDS_A_SIDE:-3600})); }

ours() { # NETWORK SIZE BATCH OPTIONS
  network=$1 size=$2 batch=$3
  shift 3
  within "$program" bench step --device cuda --model "$network" --size "$size" --batch "$batch" \
    --compute bf16,f32 --samples 9 --limit 60 --rows "$rows" "$@"
}

if [ "$side" != torch ]; then
  begin
  ours resnet50 224 128
  ours resnet20 32 128
  ours resnet50 224 128 --tf32 true --deterministic false
  ours resnet50 224 256
  ours resnet20 32 256
fi
if [ "$side" != ours ]; then
  begin
  within python3 "$here/torch_step.py" --samples 9 --rows "$rows"
fi
if [ -e "$rows" ] && type python3 > /dev/null 2>&1; then
  python3 "$here/step_table.py" "$rows" > "$out/steps.md" && echo "the table: $out/steps.md"
fi
exit $status
