#!/bin/sh
# Builds what is missing and runs it: the CPU's addon and, where nvcc is found, the CUDA device.
# Needs Node 20 (or the one in this folder), CMake 3.18 and a C++17 compiler; no network.
#
#   sh run.sh doctor   what this machine has and which device works
#   sh run.sh verify   golden cases in float32 and, on a GPU, tf32 and bfloat16, with their errors
#                      beside the tolerances; --precision P runs one of them
#   sh run.sh test     golden cases, kernels, gradients, memory and tfjs-core's own suite
#   sh run.sh bench    what the GPU reaches: bandwidth, products, scans, Newton-Schulz, attention; with
#                      --python PYTHON and --lact-repo PATH beside PyTorch and published LaCT
#
# FASTWEIGHT_BACKEND   the backend to check; default: fastweight-cuda where it works, else -cpu
# FASTWEIGHT_CUBLAS_ROOT, FASTWEIGHT_CUBLAS_LIBRARY   where cuBLAS's headers and libcublasLt.so are
set -eu
cd "$(dirname "$0")"
here=$(pwd)
node=node
if [ -x "$here/node" ]; then node="$here/node"; fi
jobs=$(getconf _NPROCESSORS_ONLN)

build_addon() {
  [ -f build/Release/fastweight.node ] && return
  echo "building the addon"
  cmake -S . -B build/addon -DCMAKE_BUILD_TYPE=Release \
    "-DCMAKE_JS_INC=$here/headers/node-api-headers;$here/headers/node-addon-api" \
    "-DCMAKE_LIBRARY_OUTPUT_DIRECTORY=$here/build/Release" >build/addon.log
  cmake --build build/addon --parallel "$jobs" --target fastweight >>build/addon.log
}

find_nvcc() {
  for each in "${CUDACXX:-}" "${CUDA_HOME:-/usr/local/cuda}/bin/nvcc" nvcc; do
    if [ -n "$each" ] && command -v "$each" >/dev/null 2>&1; then
      command -v "$each"
      return
    fi
  done
}

build_cuda() {
  [ -f build/Release/libfastweight_cuda.so ] && return
  nvcc=$(find_nvcc)
  if [ -z "$nvcc" ]; then
    echo "no nvcc: the CUDA device is not built"
    return
  fi
  echo "building the CUDA device, which takes some minutes"
  if ! { cmake -S . -B build/cuda -DCMAKE_BUILD_TYPE=Release -DFASTWEIGHT_CUDA=ON \
    "-DCMAKE_CUDA_COMPILER=$nvcc" "-DCMAKE_LIBRARY_OUTPUT_DIRECTORY=$here/build/Release" &&
    cmake --build build/cuda --parallel "$jobs" --target fastweight_cuda; } >build/cuda.log 2>&1; then
    tail -20 build/cuda.log
    echo "the CUDA device was not built (see build/cuda.log)"
  fi
}

# The name of the backend to check.
backend() {
  if [ -n "${FASTWEIGHT_BACKEND:-}" ]; then
    echo "$FASTWEIGHT_BACKEND"
  elif FASTWEIGHT_DEVICE="${FASTWEIGHT_DEVICE:-cuda}" "$node" dist/cli/main.js doctor >/dev/null 2>&1; then
    echo fastweight-cuda
  else
    echo fastweight-cpu
  fi
}

case "${1:-}" in
doctor | verify | test | bench) ;;
*)
  sed -n 's/^# \{0,1\}//p' run.sh
  exit 2
  ;;
esac
command=$1
shift
mkdir -p build/Release
build_addon
build_cuda

case "$command" in
doctor)
  exec "$node" dist/cli/main.js doctor "$@"
  ;;
verify)
  chosen=$(backend)
  case "$chosen $*" in
  fastweight-cpu* | *--precision*) exec "$node" dist/cli/main.js verify --backend "$chosen" "$@" ;;
  esac
  status=0
  for precision in float32 tf32 bfloat16; do
    echo "verifying in $precision" >&2
    "$node" dist/cli/main.js verify --backend "$chosen" --precision "$precision" "$@" || status=1
  done
  exit "$status"
  ;;
test)
  chosen=$(backend)
  echo "testing $chosen"
  export FASTWEIGHT_TEST_BACKEND="$chosen"
  if [ "$chosen" = fastweight-cpu ]; then export FASTWEIGHT_DEVICE=cpu; fi
  exec "$node" --expose-gc dist/tests/tests.js "$@"
  ;;
bench)
  exec "$node" --expose-gc dist/bench/main.js "$@"
  ;;
esac
