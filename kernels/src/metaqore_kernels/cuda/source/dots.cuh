// A warp's sum of products in the stated order: product h goes to accumulator h mod 256, eight neighbours to a lane.
#pragma once

#include "block.cuh"

struct Int8 {  // whole numbers, whose sums are exact
  typedef signed char Bits;
  static __device__ __forceinline__ int widen(signed char b) { return b; }
};

template <typename Bits>
union Eight { uint4 words[sizeof(Bits) / 2]; Bits bits[8]; };

template <>
union Eight<signed char> { uint2 words[1]; signed char bits[8]; };

// Eight numbers at h; past the end they are 0, which adds nothing.
template <typename Bits>
__device__ __forceinline__ void load_eight(const Bits* row, i64 h, i64 length, bool aligned, Eight<Bits>& chunk) {
  if (aligned && h + 8 <= length) {
    constexpr int WORDS = sizeof(chunk) / sizeof(chunk.words[0]);
#pragma unroll
    for (int i = 0; i < WORDS; ++i) chunk.words[i] = ((decltype(&chunk.words[0]))(row + h))[i];
  } else {
#pragma unroll
    for (int i = 0; i < 8; ++i) chunk.bits[i] = h + i < length ? row[h + i] : (Bits)0;
  }
}

__device__ __forceinline__ float accumulators_sum(float (&sums)[8]) { return lanes_sum<32>(neighbour_sum(sums)); }
