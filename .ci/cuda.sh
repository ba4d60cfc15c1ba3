#!/usr/bin/env bash
# Compiles and links the CUDA device for every architecture, and loads it with the addon: on a
# machine without a GPU the only thing that it may then lack is the GPU. Needs nvcc; fetches
# cuBLAS's headers where the toolkit has none.
set -euo pipefail
cd "$(dirname "$0")/.."

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

toolkit=$(dirname "$(dirname "$(readlink -f "$(command -v nvcc)")")")
if [ -z "${FASTWEIGHT_CUBLAS_ROOT:-}" ] && ! find "$toolkit" /usr/local/cuda -name cublasLt.h 2>/dev/null | grep -q .; then
  python3 -m pip download --quiet --no-deps --only-binary :all: --dest "$folder" nvidia-cublas==13.1.1.3
  python3 -m zipfile -e "$folder"/nvidia_cublas-*.whl "$folder/wheel"
  FASTWEIGHT_CUBLAS_ROOT=$(dirname "$(dirname "$(find "$folder/wheel" -name cublasLt.h | head -1)")")
  FASTWEIGHT_CUBLAS_LIBRARY=$(find "$folder/wheel" -name 'libcublasLt.so.*' | head -1)
  export FASTWEIGHT_CUBLAS_ROOT FASTWEIGHT_CUBLAS_LIBRARY
fi

FASTWEIGHT_CUDA=1 node scripts/install.js
node dist/cli/main.js doctor --json >"$folder/doctor.json" || true
node -e '
  const { cuda } = JSON.parse(require("node:fs").readFileSync(process.argv[1], "utf8"));
  console.log(cuda);
  const lacksOnlyGpu = /no CUDA-capable device|driver version is insufficient|no GPU/.test(cuda.reason);
  process.exit(cuda.runtime !== "" && (cuda.reason === "" || lacksOnlyGpu) ? 0 : 1);
' "$folder/doctor.json"
