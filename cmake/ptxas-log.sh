#!/bin/sh
# Runs a compiler and moves what it says into FILE.o.ptxas, so that a build stays readable and the
# register report of every kernel is kept. Errors are shown.
out=
prev=
for arg in "$@"; do
  [ "$prev" = -o ] && out=$arg
  prev=$arg
done
[ -n "$out" ] || exec "$@"
"$@" > "$out.ptxas" 2>&1 && { grep -E 'warning' "$out.ptxas" >&2; exit 0; }
status=$?
cat "$out.ptxas" >&2
exit $status
