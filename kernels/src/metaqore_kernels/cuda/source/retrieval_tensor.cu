// masked_topk for many queries: tensor cores find the few rows that can win, the stated arithmetic says which do.
//
// A sample's k-th best score is a floor under the true k-th best. The filter computes all scores roughly, with a bound of
// how far off they are, and keeps the rows whose score may reach the floor, in whatever order; refining scores those as
// stated, so the answer is the exact one. Where more rows are kept than there is room for, that query is searched whole.
#include "search.cuh"
#include "tensor.cuh"

struct FilterArguments {
  SearchArguments search;   // of all rows; `found` takes the lists of the refinement
  const float* sampled;     // [query_count, k]: the scores of the sample, best first
  float* floors;            // [query_count]
  u32* counts;              // [query_count]: rows kept
  u32* kept;                // [query_count, room]
  int room;
};

constexpr int TILE_ROWS = 128, TILE_QUERIES = 64;
constexpr int SPAN_ROWS = 1024;  // of which a block takes those that some of its queries may see, tile by tile

KERNEL(256, start_filter, FilterArguments) {
  const int query = blockIdx.x * blockDim.x + threadIdx.x;
  if (query >= a.search.query_count) return;
  a.floors[query] = a.sampled[(i64)query * a.search.k + a.search.k - 1];
  a.counts[query] = 0;
}

__device__ __forceinline__ bool may_see(const SearchArguments& s, int query, i64 row) {
  if (s.row_tenants && !(s.wide_tenants ? ((const i64*)s.query_tenants)[query] == ((const i64*)s.row_tenants)[row]
                                        : ((const int*)s.query_tenants)[query] == ((const int*)s.row_tenants)[row]))
    return false;
  return !s.mask || (s.mask[(i64)query * s.mask_words + row / 32] >> (row % 32) & 1u);
}

// The rows of a span that some query of the tile may see, by their place in it, in whatever order; no other is read.
__device__ __forceinline__ int list_seen(const SearchArguments& s, i64 span, int first_query, u16* list, u32* count) {
  const int queries = s.query_count - first_query < TILE_QUERIES ? s.query_count - first_query : TILE_QUERIES;
  if (threadIdx.x == 0) *count = 0;
  __syncthreads();
  for (int i = threadIdx.x; i < SPAN_ROWS && span + i < s.row_count; i += TENSOR_THREADS) {
    bool any = !s.row_tenants && !s.mask;
    for (int q = 0; !any && q < queries; ++q) any = may_see(s, first_query + q, span + i);
    if (any) list[atomicAdd(count, 1u)] = (u16)i;
  }
  __syncthreads();
  return (int)*count;
}

__device__ __forceinline__ int add(int a, int b) { return a + b; }
__device__ __forceinline__ int mul(int a, int b) { return a * b; }

// How many columns of 2 bytes a row has.
template <typename Format>
__device__ __forceinline__ int halves(i64 numbers) { return (int)(numbers * sizeof(typename Format::Bits) / 2); }

// As `copy_rows`, of listed rows.
template <typename Format>
__device__ __forceinline__ void copy_listed(
    u16* to, const SearchArguments& s, i64 span, const u16* list, int count, int column) {
  const typename Format::Bits* vectors = (const typename Format::Bits*)s.vectors;
  for (int i = threadIdx.x; i < TILE_ROWS * (STEP / 8); i += TENSOR_THREADS) {
    const int row = i / (STEP / 8), chunk = i % (STEP / 8) * 8;
    const bool real = row < count && column + chunk < halves<Format>(s.columns);
    const u16* from = (const u16*)(vectors + (real ? (span + list[row]) * s.stride : 0)) + (real ? column + chunk : 0);
    copy_async(to + row * STAGE_PITCH + chunk, from, real);
  }
}

// What a format's sums are, and which share of |q| |v| the tensor cores lose before they sum: of fp32 they take 11 bits.
template <typename Format>
struct Rough {
  typedef float Sum;
  static constexpr float LOST = 0.0f;
};
template <>
struct Rough<Fp32> {
  typedef float Sum;
  static constexpr float LOST = 0.00197f;  // 2**-9, and a little
};
template <>
struct Rough<Int8> {
  typedef int Sum;
};

// The squares of a thread's part of each row of the stage: chunk lane % 4 of every 64th row.
template <typename Format, int ROWS>
__device__ __forceinline__ void add_squares(const u16* stage, typename Rough<Format>::Sum (&squares)[ROWS / 64]) {
  union { uint4 word; typename Format::Bits bits[16 / sizeof(typename Format::Bits)]; } chunk;
#pragma unroll
  for (int i = 0; i < ROWS / 64; ++i) {
    chunk.word = *(const uint4*)(stage + (i * 64 + threadIdx.x / 4) * STAGE_PITCH + threadIdx.x % 4 * 8);
#pragma unroll
    for (int j = 0; j < (int)(16 / sizeof(typename Format::Bits)); ++j) {
      auto x = Format::widen(chunk.bits[j]);
      squares[i] = add(squares[i], mul(x, x));
    }
  }
}

template <int ROWS, typename Sum>
__device__ __forceinline__ void store_squares(Sum (&squares)[ROWS / 64], Sum* to) {
#pragma unroll
  for (int i = 0; i < ROWS / 64; ++i) {
    Sum sum = add(squares[i], __shfl_xor_sync(WHOLE_WARP, squares[i], 1));
    sum = add(sum, __shfl_xor_sync(WHOLE_WARP, sum, 2));
    if (threadIdx.x % 4 == 0) to[i * 64 + threadIdx.x / 4] = sum;
  }
}

// A rough score, and how far it may be from the stated one: both sums' rounding, the tensor cores' cut-off bits, the
// squares' own rounding and what vanished beside the least subnormal, and subnormal factors taken for 0.
template <typename Format>
__device__ __forceinline__ float rough_score(const SearchArguments& s, float dot, float q2, float v2, float& slack) {
  const float columns = (float)s.columns;
  const float terms = add(mul(columns + 64.0f, 4.76837158e-7f), Rough<Format>::LOST);  // 2**-21
  const float vanished = mul(columns, __uint_as_float(1u));
  const float query = __fsqrt_rn(add(mul(q2, 1.001f), vanished)), vector = __fsqrt_rn(add(mul(v2, 1.001f), vanished));
  const float length = add(query, vector), least = add(mul(mul(columns, 1.2e-38f), length), 1e-30f);
  slack = add(s.squared ? mul(mul(terms, length), mul(length, 1.01f)) : mul(mul(terms, query), vector), least);
  return s.squared ? sub(add(dot, dot), add(q2, v2)) : dot;
}
template <typename Format>
__device__ __forceinline__ float rough_score(const SearchArguments& s, int dot, int q2, int v2, float& slack) {
  slack = 0.0f;  // whole numbers are exact, and rounded once, as stated
  return __int2float_rn(s.squared ? 2 * dot - (q2 + v2) : dot);
}

// The listed rows of a tile, of which `count` are real, against a tile of queries.
template <typename Format>
__device__ __forceinline__ void filter_tile(
    const FilterArguments& a, i64 span, const u16* list, int count, int first_query, u16* rows) {
  const SearchArguments& s = a.search;
  u16* queries = rows + STAGES * TILE_ROWS * STAGE_PITCH;
  typedef typename Rough<Format>::Sum Sum;
  Sum* row_squares = (Sum*)(queries + STAGES * TILE_QUERIES * STAGE_PITCH);
  Sum* query_squares = row_squares + TILE_ROWS;
  const int columns = halves<Format>(s.columns), steps = (columns + STEP - 1) / STEP;
  const int row_part = warp_of() % 4 * 32, query_part = warp_of() / 4 * 32;  // a warp has 32 x 32 scores
  const int lane = lane_of();
  Sum sums[2][4][4], row_part_squares[TILE_ROWS / 64], query_part_squares[TILE_QUERIES / 64];
#pragma unroll
  for (int i = 0; i < 32; ++i) sums[i / 16][i / 4 % 4][i % 4] = 0;
#pragma unroll
  for (int i = 0; i < TILE_ROWS / 64; ++i) row_part_squares[i] = 0;
#pragma unroll
  for (int i = 0; i < TILE_QUERIES / 64; ++i) query_part_squares[i] = 0;

  for (int t = 0; t < steps + STAGES - 1; ++t) {  // step t is copied, step t - (STAGES - 1) is used
    if (t >= STAGES - 1) {
      wait_groups<STAGES - 2>();
      __syncthreads();  // it has arrived for all, and all have left the stage that is filled next
    }
    if (t < steps) {
      copy_listed<Format>(rows + t % STAGES * TILE_ROWS * STAGE_PITCH, s, span, list, count, t * STEP);
      copy_rows(queries + t % STAGES * TILE_QUERIES * STAGE_PITCH, (const u16*)s.queries, columns, TILE_QUERIES,
                first_query, s.query_count, t * STEP, columns);
    }
    close_group();
    if (t < STAGES - 1) continue;
    const u16* here = rows + (t - STAGES + 1) % STAGES * TILE_ROWS * STAGE_PITCH;
    const u16* there = queries + (t - STAGES + 1) % STAGES * TILE_QUERIES * STAGE_PITCH;
    add_squares<Format, TILE_ROWS>(here, row_part_squares);
    add_squares<Format, TILE_QUERIES>(there, query_part_squares);
    multiply_step<Format>(sums, here + row_part * STAGE_PITCH, there + query_part * STAGE_PITCH);
  }
  store_squares<TILE_ROWS>(row_part_squares, row_squares);
  store_squares<TILE_QUERIES>(query_part_squares, query_squares);
  __syncthreads();
#pragma unroll
  for (int m = 0; m < 2; ++m)
#pragma unroll
    for (int n = 0; n < 4; ++n)
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const int r = row_part + m * 16 + lane / 4 + i / 2 * 8, q = query_part + n * 8 + lane % 4 * 2 + i % 2;
        const int query = first_query + q;
        if (r >= count || query >= s.query_count) continue;
        const i64 row = span + list[r];
        float slack;
        float score = rough_score<Format>(s, sums[m][n][i], query_squares[q], row_squares[r], slack);
        if (s.scales) {
          score = mul(score, s.scales[row]);
          slack = add(mul(mul(slack, 1.001f), magnitude(s.scales[row])), 1e-30f);
        }
        if (add(score, slack) < a.floors[query] || !may_see(s, query, row)) continue;  // NaN goes on
        const u32 place = atomicAdd(&a.counts[query], 1u);
        if (place < (u32)a.room) a.kept[(i64)query * a.room + place] = (u32)row;
      }
}

template <typename Format>
__device__ __forceinline__ void filter(const FilterArguments& a) {
  const SearchArguments& s = a.search;
  u16* stages = shared_memory<u16>();
  u32* count = (u32*)((char*)(stages + STAGES * (TILE_ROWS + TILE_QUERIES) * STAGE_PITCH) +
                      (TILE_ROWS + TILE_QUERIES) * sizeof(float));
  u16* list = (u16*)(count + 4);
  // neighbouring blocks share their rows, which then come from L2
  const int query_tiles = (s.query_count + TILE_QUERIES - 1) / TILE_QUERIES;
  const int first_query = (int)(blockIdx.x % query_tiles) * TILE_QUERIES;
  const i64 span = (i64)(blockIdx.x / query_tiles) * SPAN_ROWS;
  const int seen = list_seen(s, span, first_query, list, count);
  for (int first = 0; first < seen; first += TILE_ROWS) {
    filter_tile<Format>(a, span, list + first, seen - first < TILE_ROWS ? seen - first : TILE_ROWS, first_query, stages);
    __syncthreads();  // the stages are filled again
  }
}

// The stated score of one row, by a warp.
template <typename Format>
__device__ __forceinline__ float stated_score(const SearchArguments& s, int query, i64 row) {
  typedef typename Format::Bits Bits;
  Score<Format, 1> score;
  score.clear();
  for (int h = lane_of() * 8; h < s.columns; h += 256) {
    Eight<Bits> numbers, asked;
    load_eight((const Bits*)s.vectors + row * s.stride, (i64)h, (i64)s.columns, s.aligned, numbers);
    load_eight((const Bits*)s.queries + (i64)query * s.columns, (i64)h, (i64)s.columns, s.aligned, asked);
#pragma unroll
    for (int i = 0; i < 8; ++i) score.take(0, asked.bits[i], numbers.bits[i], i, s.squared);
  }
  float value = score.result(0);
  if (s.squared) value = -value;
  return s.scales ? mul(value, s.scales[row]) : value;
}

// A warp's share of the rows kept for a query, or of all rows where there was no room for them.
template <typename Format, int DEEP>
__device__ __forceinline__ void refine(const FilterArguments& a) {
  const SearchArguments& s = a.search;
  const int query = blockIdx.y, list = blockIdx.x * (blockDim.x / 32) + warp_of();
  const u32 count = a.counts[query];
  const bool whole = count > (u32)a.room;
  const i64 rows = whole ? s.row_count : (i64)count;
  Best<DEEP> best;
  best.clear();
  for (i64 first = (i64)list * 32; first < rows; first += (i64)s.lists * 32) {
    const i64 mine = first + lane_of();
    const i64 own = mine >= rows ? 0 : whole ? mine : (i64)a.kept[(i64)query * a.room + mine];
    u64 key = 0;
    u32 left = whole ? permitted(s, query, first) : __ballot_sync(WHOLE_WARP, mine < rows);
    for (; left; left &= left - 1) {
      const int turn = __ffs(left) - 1;
      const i64 row = __shfl_sync(WHOLE_WARP, own, turn);
      const float value = stated_score<Format>(s, query, row);
      if (lane_of() == turn) key = search_key(value, row);
    }
    best.offer(key, s.k);
  }
#pragma unroll
  for (int i = 0; i < DEEP; ++i)
    if (i * 32 + lane_of() < s.k) s.found[((i64)query * s.lists + list) * s.k + i * 32 + lane_of()] = best.keys[i];
}

#define FILTER(FORMAT, NAME)                                                          \
  KERNEL(256, filter_##NAME, FilterArguments) { filter<FORMAT>(a); }                  \
  KERNEL(128, refine_##NAME##_1, FilterArguments) { refine<FORMAT, 1>(a); }           \
  KERNEL(128, refine_##NAME##_8, FilterArguments) { refine<FORMAT, 8>(a); }

FILTER(Fp32, fp32)
FILTER(Fp16, fp16)
FILTER(Bf16, bf16)
FILTER(Int8, int8)
