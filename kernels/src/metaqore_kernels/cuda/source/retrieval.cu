// masked_topk: warps read 32 rows' permissions, then the vectors of the rows that some query may see, and keep the best.
#include "search.cuh"

struct MergeArguments {
  const u64* found;           // [query_count, lists, k]
  float* scores;              // [query_count, k]
  i64* ids;                   // [query_count, k]
  int query_count, k, lists;
};

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
      const i64 row = (first + turn) * a.step;
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
