// The gate's logits: in the stated order of sums, or by tensor cores.
#pragma once

#include "dots.cuh"
#include "tensor.cuh"

struct GateArguments {
  const void* x;            // [tokens, hidden], rows x_stride apart
  const void* gate;         // [experts, hidden], rows gate_stride apart
  float* logits;            // [tokens, experts]
  i64 x_stride, gate_stride;
  int tokens, experts, hidden;
  int aligned;              // rows and steps of 8 numbers begin at multiples of 16 bytes; tensor cores need it
};

// In the stated order: a warp to an expert, and TOKENS tokens from the first that share what it reads of the gate.
template <typename Format, int TOKENS>
__device__ __forceinline__ void gate_exact(const GateArguments& a, i64 first, int expert) {
  typedef typename Format::Bits Bits;
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

// By tensor cores: a block takes TILE_TOKENS tokens and TILE_EXPERTS experts from the first, and goes through the hidden
// size in steps, the next steps' copies under way. Each logit is summed in the order of the steps, by the same
// instructions whatever the batch, so a row does not depend on its neighbours; the order within a step is the device's
// own, so these logits differ from the exact path's in their last bits.
constexpr int TILE_TOKENS = 128, TILE_EXPERTS = 64;

template <typename Format>
__device__ __forceinline__ void gate_tensor(const GateArguments& a, i64 first_token, i64 first_expert) {
  u16* tokens = shared_memory<u16>();
  u16* experts = tokens + STAGES * TILE_TOKENS * STAGE_PITCH;
  const int steps = (a.hidden + STEP - 1) / STEP;
  const int token_part = warp_of() % 4 * 32, expert_part = warp_of() / 4 * 32;  // a warp has 32 x 32 logits
  const int lane = lane_of();

  float sums[2][4][4];
#pragma unroll
  for (int m = 0; m < 2; ++m)
#pragma unroll
    for (int n = 0; n < 4; ++n)
#pragma unroll
      for (int i = 0; i < 4; ++i) sums[m][n][i] = 0.0f;

  for (int s = 0; s < STAGES - 1; ++s) {
    if (s < steps) {
      copy_rows(tokens + s * TILE_TOKENS * STAGE_PITCH, (const u16*)a.x, a.x_stride, TILE_TOKENS, first_token, a.tokens,
                s * STEP, a.hidden);
      copy_rows(experts + s * TILE_EXPERTS * STAGE_PITCH, (const u16*)a.gate, a.gate_stride, TILE_EXPERTS, first_expert,
                a.experts, s * STEP, a.hidden);
    }
    close_group();
  }
  for (int s = 0; s < steps; ++s) {
    wait_groups<STAGES - 2>();
    __syncthreads();  // this step has arrived for all, and all have left the stage that is filled next
    const int next = s + STAGES - 1, stage = next % STAGES;
    if (next < steps) {
      copy_rows(tokens + stage * TILE_TOKENS * STAGE_PITCH, (const u16*)a.x, a.x_stride, TILE_TOKENS, first_token, a.tokens,
                next * STEP, a.hidden);
      copy_rows(experts + stage * TILE_EXPERTS * STAGE_PITCH, (const u16*)a.gate, a.gate_stride, TILE_EXPERTS, first_expert,
                a.experts, next * STEP, a.hidden);
    }
    close_group();
    const u16* here = tokens + s % STAGES * TILE_TOKENS * STAGE_PITCH;
    const u16* there = experts + s % STAGES * TILE_EXPERTS * STAGE_PITCH;
    multiply_step<Format>(sums, here + token_part * STAGE_PITCH, there + expert_part * STAGE_PITCH);
  }
  // Lane 4r + c holds columns 2c and 2c + 1 of rows r and r + 8.
#pragma unroll
  for (int m = 0; m < 2; ++m)
#pragma unroll
    for (int n = 0; n < 4; ++n)
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const i64 token = first_token + token_part + m * 16 + lane / 4 + i / 2 * 8;
        const i64 expert = first_expert + expert_part + n * 8 + lane % 4 * 2 + i % 2;
        if (token < a.tokens && expert < a.experts) a.logits[token * a.experts + expert] = sums[m][n][i];
      }
}
