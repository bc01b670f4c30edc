// The best of many keys: each lane offers its own best, the lanes compare, k times. Few keys are sorted first, so that
// the best is the first; of many the best is looked for each time, since their network would cost more than it saves.
#pragma once

#include "block.cuh"

// Descending, by Batcher's odd-even merge network. Every bound and condition is known to the compiler, so that the
// keys stay in registers: whoever changes the loops looks for a stack frame in the manifest.
template <int N, typename Key>
__device__ __forceinline__ void sort_descending(Key (&keys)[N]) {
#pragma unroll
  for (int p = 1; p < N; p *= 2)
#pragma unroll
    for (int q = p; q >= 1; q /= 2)
#pragma unroll
      for (int i = 0; i + q < N; ++i) {
        const int skipped = q == p ? 0 : q;
        if (i < skipped || (i - skipped) % (2 * q) >= q || i / (2 * p) != (i + q) / (2 * p)) continue;
        Key a = keys[i], b = keys[i + q];
        keys[i] = a > b ? a : b;
        keys[i + q] = a > b ? b : a;
      }
}

constexpr int FEW = 8;

template <int N, typename Key>
__device__ __forceinline__ void prepare(Key (&keys)[N]) {
  if constexpr (N <= FEW) sort_descending(keys);
}

// The greatest key left among the lanes of a row, removed from its lane; 0 when none is left. Keys differ.
template <int LANES, int N, typename Key>
__device__ __forceinline__ Key take_greatest(Key (&keys)[N]) {
  Key best = keys[0];
  if constexpr (N > FEW)
#pragma unroll
    for (int i = 1; i < N; ++i) best = keys[i] > best ? keys[i] : best;
  const Key top = greatest<LANES>(best);
  if constexpr (N > FEW) {
#pragma unroll
    for (int i = 0; i < N; ++i) keys[i] = keys[i] == top ? (Key)0 : keys[i];
  } else {
    const bool mine = keys[0] == top && top != 0;
#pragma unroll
    for (int i = 0; i + 1 < N; ++i) keys[i] = mine ? keys[i + 1] : keys[i];
    keys[N - 1] = mine ? (Key)0 : keys[N - 1];
  }
  return top;
}
