// What both searches share: their arguments, keys, sorted lists, the stated score, and who may see what.
#pragma once

#include "dots.cuh"

struct SearchArguments {
  const void* queries;        // [query_count, columns], contiguous
  const void* vectors;        // [row_count, columns], rows `stride` apart
  const void* query_tenants;  // [query_count] or null
  const void* row_tenants;    // [row_count], int64 if wide_tenants
  const u32* mask;            // [query_count, mask_words] or null
  const float* scales;        // [row_count] or null
  u64* found;                 // [query_count, lists, k]
  i64 stride;
  i64 row_count;
  i64 rows_per_warp;          // a multiple of 32
  i64 step;                   // every so many rows are searched; row_count counts those
  int query_count, columns, mask_words, k, lists;
  int wide_tenants, squared, aligned;
};

// A key orders as (score, lower row); 0 is nothing. Rows are counted in 32 bits.
__device__ __forceinline__ u64 search_key(float score, i64 row) {
  return is_candidate(score) ? (u64)ordered(add(score, 0.0f)) << 32 | (u32)~(u32)row : 0ull;
}

// The 32 * DEEP best keys of a warp, sorted: entry i * 32 + lane is keys[i] of that lane.
template <int DEEP>
struct Best {
  u64 keys[DEEP];

  __device__ __forceinline__ void clear() {
#pragma unroll
    for (int i = 0; i < DEEP; ++i) keys[i] = 0ull;
  }
  // All lanes bring the same key.
  __device__ __forceinline__ void insert(u64 key) {
#pragma unroll
    for (int i = DEEP - 1; i >= 0; --i) {
      u64 above = __shfl_up_sync(WHOLE_WARP, keys[i], 1);
      u64 carried = i > 0 ? __shfl_sync(WHOLE_WARP, keys[i > 0 ? i - 1 : 0], 31) : ~0ull;
      above = lane_of() == 0 ? carried : above;
      keys[i] = keys[i] > key ? keys[i] : (above > key ? key : above);
    }
  }
  __device__ __forceinline__ u64 entry(int j) const {
    u64 key = 0ull;
#pragma unroll
    for (int i = 0; i < DEEP; ++i) {
      u64 here = __shfl_sync(WHOLE_WARP, keys[i], j & 31);
      key = (j >> 5) == i ? here : key;
    }
    return key;
  }
  // Each lane brings a key; those that beat the k-th best go in.
  __device__ __forceinline__ void offer(u64 key, int k) {
    u64 floor = entry(k - 1);
    for (u32 better = __ballot_sync(WHOLE_WARP, key > floor); better; better &= better - 1)
      insert(__shfl_sync(WHOLE_WARP, key, __ffs(better) - 1));
  }
};

// The sum for one row and one query: in floats as stated, in whole numbers exactly.
template <typename Format, int QUERIES>
struct Score {
  float sums[QUERIES][8];
  __device__ __forceinline__ void clear() {
#pragma unroll
    for (int q = 0; q < QUERIES; ++q)
#pragma unroll
      for (int i = 0; i < 8; ++i) sums[q][i] = 0.0f;
  }
  __device__ __forceinline__ void take(int q, typename Format::Bits query, typename Format::Bits row, int i, bool squared) {
    float x = Format::widen(query), y = Format::widen(row);
    float difference = sub(x, y);
    sums[q][i] = add(sums[q][i], squared ? mul(difference, difference) : mul(x, y));
  }
  __device__ __forceinline__ float result(int q) { return accumulators_sum(sums[q]); }
};

template <int QUERIES>
struct Score<Int8, QUERIES> {
  int sums[QUERIES];
  __device__ __forceinline__ void clear() {
#pragma unroll
    for (int q = 0; q < QUERIES; ++q) sums[q] = 0;
  }
  __device__ __forceinline__ void take(int q, signed char query, signed char row, int, bool squared) {
    int difference = (int)query - (int)row;
    sums[q] += squared ? difference * difference : (int)query * (int)row;
  }
  __device__ __forceinline__ float result(int q) {
    int sum = sums[q];
#pragma unroll
    for (int step = 1; step < 32; step *= 2) sum += __shfl_xor_sync(WHOLE_WARP, sum, step);
    return __int2float_rn(sum);
  }
};

// Which of 32 rows a query may see, one bit a row.
__device__ __forceinline__ u32 permitted(const SearchArguments& a, int query, i64 first) {
  const i64 row = (first + lane_of()) * a.step;
  bool seen = query < a.query_count && first + lane_of() < a.row_count;
  if (seen && a.row_tenants)
    seen = a.wide_tenants ? ((const i64*)a.query_tenants)[query] == ((const i64*)a.row_tenants)[row]
                          : ((const int*)a.query_tenants)[query] == ((const int*)a.row_tenants)[row];
  if (seen && a.mask) seen = a.mask[(i64)query * a.mask_words + row / 32] >> (row % 32) & 1u;
  return __ballot_sync(WHOLE_WARP, seen);
}
