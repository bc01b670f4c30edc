// route_permute: each tile of slots is counted by expert, then placed, without an atomic in the result: a slot's row is
// its expert's offset, plus the slots of that expert in earlier tiles, in earlier warps, earlier in its warp's turn.
#pragma once

#include "block.cuh"

struct PermuteArguments {
  const void* ids;          // [slots], int64 if wide_ids
  const int* expert_map;    // [experts] or null
  int* permutation;         // [rows]
  int* inverse;             // [slots] or null
  int* counts;              // [experts] or null
  int* offsets;             // [experts + 1] or null
  int* block_experts;       // [blocks] or null
  int* row_experts;         // [rows] or null: DeepGEMM's m_indices
  int* ends;                // [experts] or null: DeepGEMM's ends of real rows
  int* rows_in_use;         // [1] or null
  int* tile_counts;         // [tiles, experts]
  u32* barrier;             // [1], 0 before the first launch; only for permute_together
  int slots, experts, block, capacity;
  int rows, blocks;
  int tiles, tile_slots;
  int fixed_rows;           // if not 0, expert e begins at e * fixed_rows
  int padding;              // what a padding row holds
  int past_blocks;          // what a block past the rows in use holds
  int wide_ids;
  int drop_unmapped;        // a slot whose expert the map sends to -1 has no row
};

enum { PERMUTE_WARPS = 8, PERMUTE_THREADS = 32 * PERMUTE_WARPS };

__device__ __forceinline__ int expert_of(const PermuteArguments& a, int slot) {
  i64 id = a.wide_ids ? ((const i64*)a.ids)[slot] : (i64)((const int*)a.ids)[slot];
  if (id < 0 || id >= a.experts) return -1;
  return a.drop_unmapped && a.expert_map[id] < 0 ? -1 : (int)id;
}

__device__ __forceinline__ int smaller(int x, int y) { return x < y ? x : y; }

// Where a warp's part of a tile begins; all warps take whole turns of 32 slots.
__device__ __forceinline__ int part_of(const PermuteArguments& a, int tile, int warp) {
  const int turns = (a.tile_slots / 32 + PERMUTE_WARPS - 1) / PERMUTE_WARPS;
  return smaller(tile * a.tile_slots + smaller(warp * turns * 32, a.tile_slots), a.slots);
}

// How often each expert occurs before each warp's part of the tile [PERMUTE_WARPS, experts], and in all of it.
__device__ void count_tile(const PermuteArguments& a, int tile, int* before) {
  for (int i = threadIdx.x; i < PERMUTE_WARPS * a.experts; i += PERMUTE_THREADS) before[i] = 0;
  __syncthreads();
  int* mine = before + warp_of() * a.experts;
  const int end = part_of(a, tile, warp_of() + 1);
  for (int base = part_of(a, tile, warp_of()); base < end; base += 32) {
    const int slot = base + lane_of();
    const int expert = slot < end ? expert_of(a, slot) : -1;
    const u32 peers = __match_any_sync(WHOLE_WARP, expert);
    if (expert >= 0 && (peers & lanes_below()) == 0) mine[expert] += __popc(peers);
    __syncwarp();
  }
  __syncthreads();
  for (int e = threadIdx.x; e < a.experts; e += PERMUTE_THREADS) {
    int total = 0;
    for (int w = 0; w < PERMUTE_WARPS; ++w) {
      int here = before[w * a.experts + e];
      before[w * a.experts + e] = total;
      total += here;
    }
    a.tile_counts[(i64)tile * a.experts + e] = total;
  }
}

// Where each expert's rows begin, and how many slots it has in all and in earlier tiles; every block works it out.
__device__ void lay_out(const PermuteArguments& a, int tile, int* offset, int* total, int* earlier) {
  for (int e = threadIdx.x; e < a.experts; e += PERMUTE_THREADS) {
    int sum = 0, until = 0;
    for (int t = 0; t < a.tiles; ++t) {
      until = t == tile ? sum : until;
      sum += a.tile_counts[(i64)t * a.experts + e];
    }
    total[e] = smaller(sum, a.capacity);
    earlier[e] = until;
  }
  __syncthreads();
  if (warp_of() == 0) {
    const int run = (a.experts + 31) / 32, first = smaller(lane_of() * run, a.experts);
    const int last = smaller(first + run, a.experts);
    int blocks = 0;
    for (int e = first; e < last; ++e) blocks += (total[e] + a.block - 1) / a.block;
    int until = blocks;
    for (int step = 1; step < 32; step *= 2) {
      int other = __shfl_up_sync(WHOLE_WARP, until, step);
      until += lane_of() >= step ? other : 0;
    }
    int row = (until - blocks) * a.block;
    for (int e = first; e < last; ++e) {
      offset[e] = a.fixed_rows ? e * a.fixed_rows : row;
      row += (total[e] + a.block - 1) / a.block * a.block;
    }
    if (lane_of() == 31) offset[a.experts] = a.fixed_rows ? a.experts * a.fixed_rows : row;
  }
  __syncthreads();
}

// The expert whose rows hold `row`: the last that begins there or before, empty ones passed over.
__device__ __forceinline__ int owner_of(const PermuteArguments& a, const int* offset, int row) {
  int low = 0, high = a.experts;
  while (high - low > 1) {
    int middle = (low + high) / 2;
    if (offset[middle] <= row) low = middle;
    else high = middle;
  }
  return low;
}

// Everything that follows from the layout alone, each block its share.
__device__ void describe(const PermuteArguments& a, int tile, const int* offset, const int* total) {
  const int stride = a.tiles * PERMUTE_THREADS, start = tile * PERMUTE_THREADS + threadIdx.x, in_use = offset[a.experts];
  for (int row = start; row < a.rows; row += stride) {
    const int owner = row < in_use ? owner_of(a, offset, row) : -1;
    const bool padding = owner < 0 || row - offset[owner] >= total[owner];
    if (padding) a.permutation[row] = a.padding;
    if (a.row_experts) a.row_experts[row] = padding ? -1 : owner;
  }
  for (int b = start; a.block_experts && b < a.blocks; b += stride) {
    const int owner = (i64)b * a.block < in_use ? owner_of(a, offset, b * a.block) : -1;
    a.block_experts[b] = owner < 0 ? a.past_blocks : a.expert_map ? a.expert_map[owner] : owner;
  }
  for (int e = start; e < a.experts; e += stride) {
    if (a.counts) a.counts[e] = total[e];
    if (a.ends) a.ends[e] = offset[e] + total[e];
  }
  for (int e = start; a.offsets && e <= a.experts; e += stride) a.offsets[e] = offset[e];
  if (start == 0 && a.rows_in_use) *a.rows_in_use = in_use;
}

// Each slot to its row, in the order of slots.
__device__ void place_tile(const PermuteArguments& a, int tile, int* before, const int* offset, const int* earlier) {
  int* mine = before + warp_of() * a.experts;
  const int end = part_of(a, tile, warp_of() + 1);
  for (int base = part_of(a, tile, warp_of()); base < end; base += 32) {
    const int slot = base + lane_of();
    const int expert = slot < end ? expert_of(a, slot) : -1;
    const u32 peers = __match_any_sync(WHOLE_WARP, expert);
    const int rank = expert < 0 ? 0 : earlier[expert] + mine[expert] + __popc(peers & lanes_below());
    __syncwarp();
    if (expert >= 0 && (peers & lanes_below()) == 0) mine[expert] += __popc(peers);
    __syncwarp();
    if (slot >= end) continue;
    const bool kept = expert >= 0 && rank < a.capacity;
    if (kept) a.permutation[offset[expert] + rank] = slot;
    if (a.inverse) a.inverse[slot] = kept ? offset[expert] + rank : -1;
  }
}

__device__ void place(const PermuteArguments& a, int tile, int* before) {
  int* offset = before + PERMUTE_WARPS * a.experts;
  int* total = offset + a.experts + 1;
  int* earlier = total + a.experts;
  lay_out(a, tile, offset, total, earlier);
  describe(a, tile, offset, total);
  place_tile(a, tile, before, offset, earlier);
}
