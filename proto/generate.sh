#!/usr/bin/env bash
# Writes the Python stubs of every .proto file into src/. Run through `make proto`.
set -euo pipefail
cd "$(dirname "$0")"
python=${PYTHON:-../.venv/bin/python}
out=${1:-src}
PATH="$(dirname "$python"):$PATH"
find "$out/metaqore" -name '*_pb2*' -delete 2>/dev/null || true
mkdir -p "$out"
"$python" -m grpc_tools.protoc -I . --python_out="$out" --grpc_python_out="$out" --mypy_out="quiet:$out" \
  --mypy_grpc_out="quiet,only_async:$out" $(find metaqore -name '*.proto' | sort)
