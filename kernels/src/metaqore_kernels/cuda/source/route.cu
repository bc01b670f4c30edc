// route in one launch: the gate's logits, the selection and the permutation, by blocks that are all on the device at once
// and wait for one another twice. Each part is the composed path's own, on the same rows, so the results are its results.
#include "gate.cuh"
#include "permute.cuh"
#include "select.cuh"

struct RouteArguments {
  GateArguments gate;
  SelectArguments select;    // of gate.logits, fp32
  PermuteArguments permute;  // of select.ids, a tile to each of the first blocks
  int tensor;                // whether the logits come from tensor cores
  int tile_tokens;           // of permute's tiles: a multiple of the rows that a block selects at once
};

template <typename Format>
__device__ __forceinline__ void all_logits(const RouteArguments& a) {
  const GateArguments& g = a.gate;
  const i64 warp = (i64)blockIdx.x * (blockDim.x / 32) + warp_of(), warps = (i64)gridDim.x * (blockDim.x / 32);
  if (a.tensor) {
    const i64 across = (g.experts + TILE_EXPERTS - 1) / TILE_EXPERTS;
    const i64 tiles = (g.tokens + TILE_TOKENS - 1) / TILE_TOKENS * across;
    for (i64 tile = blockIdx.x; tile < tiles; tile += gridDim.x) {
      gate_tensor<Format>(g, tile / across * TILE_TOKENS, tile % across * TILE_EXPERTS);
      __syncthreads();  // the stages are filled again
    }
  } else if (g.tokens == 1) {
    for (i64 expert = warp; expert < g.experts; expert += warps) gate_exact<Format, 1>(g, 0, (int)expert);
  } else {
    const i64 works = (i64)g.experts * ((g.tokens + 3) / 4);
    for (i64 work = warp; work < works; work += warps)
      gate_exact<Format, 4>(g, work / g.experts * 4, (int)(work % g.experts));
  }
}

// The rows of this block's tile, whose experts it then counts and places.
template <bool BY_SCORE, int LANES, int PER>
__device__ __forceinline__ void select_tile(const RouteArguments& a) {
  const i64 begin = (i64)blockIdx.x * a.tile_tokens;
  const i64 end = begin + a.tile_tokens < a.select.tokens ? begin + a.tile_tokens : a.select.tokens;
  for (i64 first = begin; first < end; first += blockDim.x / LANES) {
    if constexpr (BY_SCORE) select_by_score<Fp32, LANES, PER>(a.select, first);
    else select_by_logit<Fp32, Ranking<u32>, LANES, PER>(a.select, first);
    __syncwarp();  // a row's shared memory is free for the next
  }
}

template <typename Format, bool BY_SCORE, int LANES, int PER>
__device__ __forceinline__ void route(const RouteArguments& a) {
  const bool has_tile = (int)blockIdx.x < a.permute.tiles;
  all_logits<Format>(a);
  grid_barrier(a.permute.barrier, gridDim.x);
  if (has_tile) {
    select_tile<BY_SCORE, LANES, PER>(a);
    __syncthreads();  // the ids are there for the whole block, and shared memory is free
    count_tile(a.permute, blockIdx.x, shared_memory<int>());
  }
  grid_barrier(a.permute.barrier, gridDim.x);
  if (has_tile) place(a.permute, blockIdx.x, shared_memory<int>());
}

#define ROUTE(FORMAT, NAME, LANES, PER)                                  \
  KERNEL(256, route_by_logit_##NAME##_##LANES##x##PER, RouteArguments) { \
    route<FORMAT, false, LANES, PER>(a);                                 \
  }                                                                      \
  KERNEL(256, route_by_score_##NAME##_##LANES##x##PER, RouteArguments) { \
    route<FORMAT, true, LANES, PER>(a);                                  \
  }
#define ROUTE_WIDTHS(FORMAT, NAME) \
  ROUTE(FORMAT, NAME, 8, 8)        \
  ROUTE(FORMAT, NAME, 32, 8)

ROUTE_WIDTHS(Fp16, fp16)
ROUTE_WIDTHS(Bf16, bf16)
