#!/bin/sh
# Builds the CUDA kernels from the sources beside this script and puts them where Quantrain looks.
# Needs nvcc, a C++ compiler that it accepts, CMake (3.22) and make, and the permission to write here.
set -eu
here=$(dirname "$(readlink -f "$0")")
for tool in nvcc c++ cmake make; do
  type "$tool" > /dev/null 2>&1 || { echo "build-cuda.sh: there is no $tool on the PATH" >&2 && exit 1; }
done
for place in "$here"/native/org/quantrain/internal/bind/*; do :; done
[ -w "$place" ] || { echo "build-cuda.sh: $place is not writable; copy the bundle" >&2 && exit 1; }
build=$(mktemp -d)
trap 'rm -rf "$build"' EXIT
cmake -S "$here/source/native" -B "$build" -DQT_CUDA=ON
cmake --build "$build" --parallel "$(getconf _NPROCESSORS_ONLN)" --target quantrain_cuda
cp "$build/libquantrain_cuda.so" "$place/.building" && mv "$place/.building" "$place/libquantrain_cuda.so"
echo "built: $place/libquantrain_cuda.so"
