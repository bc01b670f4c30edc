// The gate's logits by tensor cores: a tile to a block.
#include "gate.cuh"

#define GATE_TENSOR(FORMAT, NAME)                                                                  \
  KERNEL(256, gate_tensor_##NAME, GateArguments) {                                                 \
    gate_tensor<FORMAT>(a, (i64)blockIdx.x * TILE_TOKENS, (i64)blockIdx.y * TILE_EXPERTS);          \
  }

GATE_TENSOR(Fp16, fp16)
GATE_TENSOR(Bf16, bf16)
