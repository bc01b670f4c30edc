// route_permute alone: in one block, in two launches, or in one whose blocks wait for one another.
#include "permute.cuh"

KERNEL(256, permute_count, PermuteArguments) { count_tile(a, blockIdx.x, shared_memory<int>()); }

KERNEL(256, permute_place, PermuteArguments) {
  count_tile(a, blockIdx.x, shared_memory<int>());  // again: what a warp counted is not kept between launches
  place(a, blockIdx.x, shared_memory<int>());
}

// One block for all: a few thousand slots, in one launch.
KERNEL(256, permute_small, PermuteArguments) {
  count_tile(a, 0, shared_memory<int>());
  __syncthreads();
  place(a, 0, shared_memory<int>());
}

// A cooperative launch: all blocks are on the device at once, so they may wait for one another.
KERNEL(256, permute_together, PermuteArguments) {
  count_tile(a, blockIdx.x, shared_memory<int>());
  grid_barrier(a.barrier, gridDim.x);
  place(a, blockIdx.x, shared_memory<int>());
}
