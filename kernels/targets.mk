##@ Kernels (a package of its own, in kernels/.venv; elsewhere: KERNELS_PYTHON=python3)
.PHONY: kernels kernels-wheel test-kernels test-gpu bench-kernels-cpu bench-gpu lock-kernels
ifdef KERNELS_PYTHON
KERNELS_READY :=
else
KERNELS_PYTHON := $(CURDIR)/kernels/.venv/bin/python
KERNELS_READY := kernels/.venv/.ready
endif
IN_KERNELS := cd kernels && PYTHONPATH=src $(KERNELS_PYTHON)

kernels/.venv/.ready: $(BIN)/uv kernels/requirements.lock kernels/pyproject.toml
	@echo "Setting up the kernels' environment: numba, and the CUDA toolkit's compilers ..."
	@$(PYTHON) -m venv kernels/.venv
	@$(UV) pip install --quiet --compile-bytecode --python kernels/.venv/bin/python --require-hashes -r kernels/requirements.lock
	@$(UV) pip install --quiet --python kernels/.venv/bin/python --no-deps --no-build-isolation -e ./kernels
	@touch $@

kernels: check $(KERNELS_READY) ## Compile the CUDA kernels for every target, with nvcc and NVRTC; spills fail (needs gcc, no GPU)
	$(IN_KERNELS) tools/compile.py --jobs 2

kernels-wheel: kernels ## Build the kernels' wheel into dist/, compiled kernels included
	$(IN_KERNELS) -m hatchling build -t wheel -d ../dist

test-kernels: check $(KERNELS_READY) ## The kernels' tests on this CPU: the oracle, numba, and the CUDA sources emulated
	$(IN_KERNELS) -m pytest -m "not gpu" -q
	$(IN_KERNELS) -m mypy src tools benchmarks

test-gpu: $(KERNELS_READY) ## The kernels' tests that need a GPU (needs torch, and `make kernels`)
	$(IN_KERNELS) -m pytest -m gpu -q

bench-kernels-cpu: check $(KERNELS_READY) ## The CPU path against NumPy, one core
	$(IN_KERNELS) benchmarks/bench_cpu.py

bench-gpu: $(KERNELS_READY) ## Every kernel against torch, Triton and others, in under eight minutes (needs torch, and `make kernels`)
	$(IN_KERNELS) benchmarks/bench_gpu.py

lock-kernels: $(BIN)/uv ## Pin what the kernels are built and tested with, by hash
	cd kernels && ../$(UV) pip compile --quiet --universal --generate-hashes --custom-compile-command "make lock-kernels" \
	  --python-version 3.11 --extra cpu --extra cuda --group build --group dev --group toolkit \
	  --no-emit-package metaqore-kernels pyproject.toml -o requirements.lock
