// What a block of threads has in common: its shared memory, its warps, and what they tell one another.
#pragma once

#include "numbers.cuh"

#define WHOLE_WARP 0xffffffffu

// A kernel takes one struct, so that whoever launches it writes one struct.
#ifndef EMULATED
#define KERNEL(THREADS, NAME, ARGUMENTS) \
  extern "C" __global__ void __launch_bounds__(THREADS, 1) NAME(const __grid_constant__ ARGUMENTS a)
extern __shared__ uint4 shared_bytes[];
template <typename T>
__device__ __forceinline__ T* shared_memory() { return (T*)shared_bytes; }
#endif

#ifndef EMULATED
__device__ __forceinline__ void pause_thread() { __nanosleep(32); }
#endif

__device__ __forceinline__ int lane_of() { return threadIdx.x & 31; }
__device__ __forceinline__ int warp_of() { return threadIdx.x >> 5; }
__device__ __forceinline__ u32 lanes_below() { return (1u << lane_of()) - 1u; }

// The greatest over LANES neighbouring lanes.
template <int LANES>
__device__ __forceinline__ u32 greatest(u32 key) {
  if constexpr (LANES == 32) {
    return __reduce_max_sync(WHOLE_WARP, key);
  } else {
#pragma unroll
    for (int step = 1; step < LANES; step *= 2) {
      u32 other = __shfl_xor_sync(WHOLE_WARP, key, step);
      key = key > other ? key : other;
    }
    return key;
  }
}

template <int LANES>
__device__ __forceinline__ u64 greatest(u64 key) {
  if constexpr (LANES == 32) {  // two rounds of 32 bits are fewer steps than five of 64
    u32 high = __reduce_max_sync(WHOLE_WARP, (u32)(key >> 32));
    u32 low = __reduce_max_sync(WHOLE_WARP, (u32)(key >> 32) == high ? (u32)key : 0u);
    return (u64)high << 32 | low;
  } else {
#pragma unroll
    for (int step = 1; step < LANES; step *= 2) {
      u64 other = __shfl_xor_sync(WHOLE_WARP, key, step);
      key = key > other ? key : other;
    }
    return key;
  }
}

template <int LANES>
__device__ __forceinline__ float greatest(float x) {
  u32 key = greatest<LANES>(ordered(x));
  return unordered(key);
}

// The tree of neighbours, from where each lane's own numbers end.
template <int LANES>
__device__ __forceinline__ float lanes_sum(float x) {
#pragma unroll
  for (int step = 1; step < LANES; step *= 2) x = add(x, __shfl_xor_sync(WHOLE_WARP, x, step));
  return x;
}

// All blocks of a cooperative launch wait here. The counter is never reset: each launch adds a multiple of the grid, so
// a captured launch replays, and the wait ends when this round's last block has come.
__device__ __forceinline__ void grid_barrier(u32* counter, u32 blocks) {
  __syncthreads();
  if (threadIdx.x == 0) {
    __threadfence();
    u32 round_end = (atomicAdd(counter, 1u) / blocks + 1u) * blocks;
    while ((int)(*(volatile u32*)counter - round_end) < 0) pause_thread();
    __threadfence();
  }
  __syncthreads();
}
