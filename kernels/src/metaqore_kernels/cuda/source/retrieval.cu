// masked_topk: warps read 32 rows' permissions, then the vectors of the rows that some query may see, and keep the best.
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
  int query_count, columns, mask_words, k, lists;
  int wide_tenants, squared, aligned;
};

struct MergeArguments {
  const u64* found;           // [query_count, lists, k]
  float* scores;              // [query_count, k]
  i64* ids;                   // [query_count, k]
  int query_count, k, lists;
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

struct Int8 { typedef signed char Bits; };

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
  const i64 row = first + lane_of();
  bool seen = query < a.query_count && row < a.row_count;
  if (seen && a.row_tenants)
    seen = a.wide_tenants ? ((const i64*)a.query_tenants)[query] == ((const i64*)a.row_tenants)[row]
                          : ((const int*)a.query_tenants)[query] == ((const int*)a.row_tenants)[row];
  u32 bits = __ballot_sync(WHOLE_WARP, seen);
  if (a.mask && query < a.query_count && first < a.row_count) bits &= a.mask[(i64)query * a.mask_words + first / 32];
  return bits;
}

template <typename Format, int QUERIES, int DEEP>
__device__ __forceinline__ void search(const SearchArguments& a) {
  typedef typename Format::Bits Bits;
  const int list = blockIdx.x * (blockDim.x / 32) + warp_of(), query = blockIdx.y * QUERIES;
  const i64 begin = (i64)list * a.rows_per_warp;
  const i64 end = begin + a.rows_per_warp < a.row_count ? begin + a.rows_per_warp : a.row_count;
  Best<DEEP> best[QUERIES];
#pragma unroll
  for (int q = 0; q < QUERIES; ++q) best[q].clear();

  for (i64 first = begin; first < end; first += 32) {
    u32 seen[QUERIES], any = 0;
#pragma unroll
    for (int q = 0; q < QUERIES; ++q) any |= seen[q] = permitted(a, query + q, first);
    u64 keys[QUERIES];
#pragma unroll
    for (int q = 0; q < QUERIES; ++q) keys[q] = 0ull;
    for (; any; any &= any - 1) {
      const int turn = __ffs(any) - 1;
      const i64 row = first + turn;
      const Bits* vector = (const Bits*)a.vectors + row * a.stride;
      Score<Format, QUERIES> score;
      score.clear();
      for (int h = lane_of() * 8; h < a.columns; h += 256) {
        Eight<Bits> numbers;
        load_eight(vector, (i64)h, (i64)a.columns, a.aligned, numbers);
#pragma unroll
        for (int q = 0; q < QUERIES; ++q) {
          const int own = query + q < a.query_count ? query + q : query;
          Eight<Bits> asked;
          load_eight((const Bits*)a.queries + (i64)own * a.columns, (i64)h, (i64)a.columns, a.aligned, asked);
#pragma unroll
          for (int i = 0; i < 8; ++i) score.take(q, asked.bits[i], numbers.bits[i], i, a.squared);
        }
      }
#pragma unroll
      for (int q = 0; q < QUERIES; ++q) {
        float value = score.result(q);
        if (a.squared) value = -value;
        if (a.scales) value = mul(value, a.scales[row]);
        if (lane_of() == turn && (seen[q] >> turn & 1u)) keys[q] = search_key(value, row);
      }
    }
#pragma unroll
    for (int q = 0; q < QUERIES; ++q) best[q].offer(keys[q], a.k);
  }
#pragma unroll
  for (int q = 0; q < QUERIES; ++q)
    if (query + q < a.query_count)
#pragma unroll
      for (int i = 0; i < DEEP; ++i)
        if (i * 32 + lane_of() < a.k)
          a.found[((i64)(query + q) * a.lists + list) * a.k + i * 32 + lane_of()] = best[q].keys[i];
}

// A block to a query: its warps merge the lists among them, then the first warp merges theirs.
template <int DEEP>
__device__ __forceinline__ void merge(const MergeArguments& a) {
  const int query = blockIdx.x, warps = blockDim.x / 32;
  const u64* found = a.found + (i64)query * a.lists * a.k;
  u64* shared = shared_memory<u64>();
  Best<DEEP> best;
  best.clear();
  const i64 keys = (i64)a.lists * a.k;
  for (i64 i = (i64)warp_of() * 32; i < keys; i += warps * 32)
    best.offer(i + lane_of() < keys ? found[i + lane_of()] : 0ull, a.k);
#pragma unroll
  for (int i = 0; i < DEEP; ++i) shared[(warp_of() * DEEP + i) * 32 + lane_of()] = best.keys[i];
  __syncthreads();
  if (warp_of() > 0) return;
  for (int i = DEEP * 32; i < warps * DEEP * 32; i += 32) best.offer(shared[i + lane_of()], a.k);
#pragma unroll
  for (int i = 0; i < DEEP; ++i) {
    const int j = i * 32 + lane_of();
    const u64 key = best.keys[i];
    if (j >= a.k) continue;
    a.scores[(i64)query * a.k + j] = key ? unordered((u32)(key >> 32)) : nothing();
    a.ids[(i64)query * a.k + j] = key ? (i64)(u32)~(u32)key : -1;
  }
}

#define SEARCH(FORMAT, NAME)                                                                  \
  KERNEL(128, search_##NAME##_1x1, SearchArguments) { search<FORMAT, 1, 1>(a); }               \
  KERNEL(128, search_##NAME##_4x1, SearchArguments) { search<FORMAT, 4, 1>(a); }               \
  KERNEL(128, search_##NAME##_1x8, SearchArguments) { search<FORMAT, 1, 8>(a); }

SEARCH(Fp32, fp32)
SEARCH(Fp16, fp16)
SEARCH(Bf16, bf16)
SEARCH(Int8, int8)

KERNEL(256, merge_1, MergeArguments) { merge<1>(a); }
KERNEL(256, merge_8, MergeArguments) { merge<8>(a); }
