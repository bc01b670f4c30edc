// The gate's logits in the stated order of sums.
#include "gate.cuh"

#define GATE(FORMAT, NAME, TOKENS)                                                           \
  KERNEL(64, gate_exact_##NAME##_##TOKENS, GateArguments) {                                  \
    gate_exact<FORMAT, TOKENS>(a, (i64)blockIdx.x * TOKENS, (int)blockIdx.y * 2 + warp_of()); \
  }

GATE(Fp32, fp32, 1)
GATE(Fp32, fp32, 4)
GATE(Fp16, fp16, 1)
GATE(Fp16, fp16, 4)
GATE(Bf16, bf16, 1)
GATE(Bf16, bf16, 4)
