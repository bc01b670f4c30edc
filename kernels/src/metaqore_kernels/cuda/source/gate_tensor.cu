// The gate's logits by tensor cores: a block takes TILE_TOKENS tokens and TILE_EXPERTS experts, and goes through the
// hidden size in steps of STEP, the next steps' copies under way. Each logit is summed in the order of the steps, by the
// same instructions whatever the batch, so a row does not depend on its neighbours; the order within a step is the
// device's own, so these logits differ from the exact path's in their last bits.
#include "tensor.cuh"

struct GateTensorArguments {
  const void* x;            // [tokens, hidden], rows x_stride apart, all at multiples of 16 bytes
  const void* gate;         // [experts, hidden], rows gate_stride apart, as above
  float* logits;            // [tokens, experts]
  i64 x_stride, gate_stride;
  int tokens, experts, hidden;  // hidden is a multiple of 8
};

constexpr int TILE_TOKENS = 128, TILE_EXPERTS = 64, STEP = 32, STAGES = 3;
constexpr int PITCH = STEP + 8;  // 80 bytes: eight rows of 16 bytes fall on different banks
constexpr int CHUNKS = STEP / 8;
constexpr int GATE_THREADS = 256;

// One step of both operands to shared memory; rows and columns past the end are zeros, which add nothing.
__device__ __forceinline__ void copy_rows(
    u16* to, const u16* from, i64 stride, int rows, i64 first, i64 count, int column, int hidden) {
  for (int i = threadIdx.x; i < rows * CHUNKS; i += GATE_THREADS) {
    const int row = i / CHUNKS, chunk = i % CHUNKS * 8;
    const bool real = first + row < count && column + chunk < hidden;
    const u16* source = from + (real ? (first + row) * stride + column + chunk : 0);
    copy_async(to + row * PITCH + chunk, source, real);
  }
}

template <typename Format>
__device__ __forceinline__ void gate_tensor(const GateTensorArguments& a) {
  u16* tokens = shared_memory<u16>();
  u16* experts = tokens + STAGES * TILE_TOKENS * PITCH;
  const i64 first_token = (i64)blockIdx.x * TILE_TOKENS, first_expert = (i64)blockIdx.y * TILE_EXPERTS;
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
      copy_rows(tokens + s * TILE_TOKENS * PITCH, (const u16*)a.x, a.x_stride, TILE_TOKENS, first_token, a.tokens,
                s * STEP, a.hidden);
      copy_rows(experts + s * TILE_EXPERTS * PITCH, (const u16*)a.gate, a.gate_stride, TILE_EXPERTS, first_expert,
                a.experts, s * STEP, a.hidden);
    }
    close_group();
  }
  for (int s = 0; s < steps; ++s) {
    wait_groups<STAGES - 2>();
    __syncthreads();  // this step has arrived for all, and all have left the stage that is filled next
    const int next = s + STAGES - 1, stage = next % STAGES;
    if (next < steps) {
      copy_rows(tokens + stage * TILE_TOKENS * PITCH, (const u16*)a.x, a.x_stride, TILE_TOKENS, first_token, a.tokens,
                next * STEP, a.hidden);
      copy_rows(experts + stage * TILE_EXPERTS * PITCH, (const u16*)a.gate, a.gate_stride, TILE_EXPERTS, first_expert,
                a.experts, next * STEP, a.hidden);
    }
    close_group();
    const u16* here = tokens + s % STAGES * TILE_TOKENS * PITCH;
    const u16* there = experts + s % STAGES * TILE_EXPERTS * PITCH;
#pragma unroll
    for (int k = 0; k < STEP; k += 16) {
      u32 rows[2][4], columns[2][4];
#pragma unroll
      for (int m = 0; m < 2; ++m)  // matrices: upper and lower rows of k 0-7, then of k 8-15
        load_matrices(here + (token_part + m * 16 + lane % 16) * PITCH + k + lane / 16 * 8, rows[m]);
#pragma unroll
      for (int n = 0; n < 2; ++n)  // matrices: k 0-7 and 8-15 of eight experts, then of the next eight
        load_matrices(there + (expert_part + n * 16 + lane / 16 * 8 + lane % 8) * PITCH + k + lane / 8 % 2 * 8,
                      columns[n]);
#pragma unroll
      for (int m = 0; m < 2; ++m)
#pragma unroll
        for (int n = 0; n < 4; ++n)
          multiply_add<Format>(sums[m][n], rows[m], columns[n / 2][n % 2 * 2], columns[n / 2][n % 2 * 2 + 1]);
    }
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

KERNEL(256, gate_tensor_bf16, GateTensorArguments) { gate_tensor<Bf16>(a); }
KERNEL(256, gate_tensor_fp16, GateTensorArguments) { gate_tensor<Fp16>(a); }
