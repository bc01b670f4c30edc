// The baseline of determinism: the same permutation with atomics, whose order within an expert is whoever comes first.
extern "C" __global__ void atomic_count(const int* ids, int* counts, int slots) {
  extern __shared__ int here[];
  for (int e = threadIdx.x; e < 1024; e += blockDim.x) here[e] = 0;
  __syncthreads();
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < slots; i += gridDim.x * blockDim.x) atomicAdd(&here[ids[i]], 1);
  __syncthreads();
  for (int e = threadIdx.x; e < 1024; e += blockDim.x)
    if (here[e]) atomicAdd(&counts[e], here[e]);
}

extern "C" __global__ void atomic_place(
    const int* ids, const int* counts, int* cursors, int* permutation, int* inverse, int* block_experts, int slots,
    int experts, int block, int rows) {
  extern __shared__ int offset[];
  if (threadIdx.x < 32) {
    int run = (experts + 31) / 32, first = min((int)threadIdx.x * run, experts), last = min(first + run, experts);
    int sum = 0;
    for (int e = first; e < last; ++e) sum += (counts[e] + block - 1) / block * block;
    int until = sum;
    for (int step = 1; step < 32; step *= 2) {
      int other = __shfl_up_sync(0xffffffffu, until, step);
      if ((int)threadIdx.x >= step) until += other;
    }
    int row = until - sum;
    for (int e = first; e < last; ++e) {
      offset[e] = row;
      row += (counts[e] + block - 1) / block * block;
    }
    if (threadIdx.x == 31) offset[experts] = row;
  }
  __syncthreads();
  int stride = gridDim.x * blockDim.x, start = blockIdx.x * blockDim.x + threadIdx.x;
  for (int i = start; i < slots; i += stride) {
    int row = offset[ids[i]] + atomicAdd(&cursors[ids[i]], 1);
    permutation[row] = i;
    inverse[i] = row;
  }
  for (int row = start; row < rows; row += stride) {
    int low = 0, high = experts;
    while (high - low > 1) {
      int middle = (low + high) / 2;
      if (offset[middle] <= row) low = middle; else high = middle;
    }
    bool used = row < offset[experts];
    if (!used || row - offset[low] >= counts[low]) permutation[row] = -1;
    if (row % block == 0) block_experts[row / block] = used ? low : -1;
  }
}
