// The gate's logits in the stated order: a warp to an expert, and TOKENS tokens that share what it reads of the gate.
#include "dots.cuh"

struct GateArguments {
  const void* x;            // [tokens, hidden], rows x_stride apart
  const void* gate;         // [experts, hidden], rows gate_stride apart
  float* logits;            // [tokens, experts]
  i64 x_stride, gate_stride;
  int tokens, experts, hidden;
  int aligned;
};

template <typename Format, int TOKENS>
__device__ __forceinline__ void gate_exact(const GateArguments& a) {
  typedef typename Format::Bits Bits;
  const int expert = blockIdx.y * (blockDim.x / 32) + warp_of();
  const i64 first = (i64)blockIdx.x * TOKENS;
  if (expert >= a.experts) return;
  float sums[TOKENS][8];
#pragma unroll
  for (int t = 0; t < TOKENS; ++t)
#pragma unroll
    for (int i = 0; i < 8; ++i) sums[t][i] = 0.0f;
  const Bits* gate = (const Bits*)a.gate + expert * a.gate_stride;
#pragma unroll 4
  for (int h = lane_of() * 8; h < a.hidden; h += 256) {
    Eight<Bits> weights;
    load_eight(gate, (i64)h, (i64)a.hidden, a.aligned, weights);
#pragma unroll
    for (int t = 0; t < TOKENS; ++t) {
      const i64 token = first + t < a.tokens ? first + t : a.tokens - 1;
      Eight<Bits> numbers;
      load_eight((const Bits*)a.x + token * a.x_stride, (i64)h, (i64)a.hidden, a.aligned, numbers);
#pragma unroll
      for (int i = 0; i < 8; ++i)
        sums[t][i] = add(sums[t][i], mul(Format::widen(numbers.bits[i]), Format::widen(weights.bits[i])));
    }
  }
#pragma unroll
  for (int t = 0; t < TOKENS; ++t) {
    float logit = accumulators_sum(sums[t]);
    if (lane_of() == 0 && first + t < a.tokens) a.logits[(first + t) * a.experts + expert] = logit;
  }
}

#define GATE(FORMAT, NAME)                                                      \
  KERNEL(64, gate_exact_##NAME##_1, GateArguments) { gate_exact<FORMAT, 1>(a); } \
  KERNEL(64, gate_exact_##NAME##_4, GateArguments) { gate_exact<FORMAT, 4>(a); }

GATE(Fp32, fp32)
GATE(Fp16, fp16)
GATE(Bf16, bf16)
