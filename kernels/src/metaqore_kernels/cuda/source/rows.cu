// gather_rows, combine and balance_update: memory is what they cost, so they read and write 16 bytes at a time.
#include "block.cuh"

struct GatherArguments {
  const void* x;            // [tokens, row_bytes]
  const int* permutation;   // [rows]
  void* y;                  // [rows, row_bytes]
  i64 row_bytes;
  i64 x_stride;             // in bytes
  i64 slots;                // [tokens, k]: a slot past them is padding
  int rows, k;
  int aligned;              // 16 bytes at a time, else 2
};

template <typename Unit>
__device__ __forceinline__ void gather(const GatherArguments& a, Unit zero) {
  const i64 units = a.row_bytes / sizeof(Unit);
  for (i64 row = blockIdx.x; row < a.rows; row += gridDim.x) {
    const int slot = a.permutation[row];
    const bool real = slot >= 0 && slot < a.slots;
    const Unit* from = (const Unit*)((const char*)a.x + (i64)(real ? slot / a.k : 0) * a.x_stride);
    Unit* to = (Unit*)((char*)a.y + row * a.row_bytes);
    for (i64 i = threadIdx.x; i < units; i += blockDim.x) to[i] = real ? from[i] : zero;
  }
}

KERNEL(256, gather_rows, GatherArguments) {
  if (a.aligned) gather<uint4>(a, make_uint4(0, 0, 0, 0));
  else gather<u16>(a, (u16)0);
}

struct CombineArguments {
  const void* y;            // [rows, hidden]
  const int* inverse;       // [tokens, k]
  const float* weights;     // [tokens, k]
  void* out;                // [tokens, hidden]
  int tokens, k, hidden;
  int rows;                 // of y: a slot whose row is past them adds nothing
  int aligned;
};

// PER neighbouring columns of one token: the slots first to last, so that no other order of sums can occur.
template <typename Format, int PER>
__device__ __forceinline__ void combine_columns(const CombineArguments& a, i64 token, int column) {
  typedef typename Format::Bits Bits;
  union Chunk { uint4 word; Bits bits[PER]; };
  float total[PER];
#pragma unroll
  for (int i = 0; i < PER; ++i) total[i] = 0.0f;
  for (int j = 0; j < a.k; ++j) {
    const int row = a.inverse[token * a.k + j];
    if (row < 0 || row >= a.rows) continue;
    const float weight = a.weights[token * a.k + j];
    const Bits* y = (const Bits*)a.y + (i64)row * a.hidden + column;
    Chunk chunk;
    if (PER > 1) chunk.word = *(const uint4*)y;
    else chunk.bits[0] = y[0];
#pragma unroll
    for (int i = 0; i < PER; ++i) total[i] = add(total[i], mul(weight, Format::widen(chunk.bits[i])));
  }
  Bits* out = (Bits*)a.out + token * a.hidden + column;
  Chunk chunk;
#pragma unroll
  for (int i = 0; i < PER; ++i) chunk.bits[i] = Format::narrow(total[i]);
  if (PER > 1) *(uint4*)out = chunk.word;
  else out[0] = chunk.bits[0];
}

template <typename Format>
__device__ __forceinline__ void combine(const CombineArguments& a) {
  constexpr int PER = 16 / sizeof(typename Format::Bits);
  for (i64 token = blockIdx.x; token < a.tokens; token += gridDim.x) {
    if (a.aligned)
      for (int c = threadIdx.x * PER; c < a.hidden; c += blockDim.x * PER) combine_columns<Format, PER>(a, token, c);
    else
      for (int c = threadIdx.x; c < a.hidden; c += blockDim.x) combine_columns<Format, 1>(a, token, c);
  }
}

KERNEL(256, combine_fp32, CombineArguments) { combine<Fp32>(a); }
KERNEL(256, combine_fp16, CombineArguments) { combine<Fp16>(a); }
KERNEL(256, combine_bf16, CombineArguments) { combine<Bf16>(a); }

struct BalanceArguments {
  const void* counts;       // [experts], int64 if wide
  const float* bias;        // [experts]
  float* out;               // [experts], may be `bias`
  int experts, wide;
  float gamma;
};

KERNEL(256, balance_update, BalanceArguments) {
  i64* sums = shared_memory<i64>();
  i64 total = 0;
  for (int e = threadIdx.x; e < a.experts; e += blockDim.x)
    total += a.wide ? ((const i64*)a.counts)[e] : (i64)((const int*)a.counts)[e];
  sums[threadIdx.x] = total;
  __syncthreads();
  for (int half = blockDim.x / 2; half > 0; half /= 2) {
    if ((int)threadIdx.x < half) sums[threadIdx.x] += sums[threadIdx.x + half];
    __syncthreads();
  }
  total = sums[0];
  for (int e = threadIdx.x; e < a.experts; e += blockDim.x) {
    i64 load = (a.wide ? ((const i64*)a.counts)[e] : (i64)((const int*)a.counts)[e]) * a.experts;
    float direction = total > load ? 1.0f : total < load ? -1.0f : 0.0f;
    a.out[e] = add(a.bias[e], mul(direction, a.gamma));
  }
}
