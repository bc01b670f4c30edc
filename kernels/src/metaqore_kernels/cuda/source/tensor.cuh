// The tensor cores as every target from sm_80 has them: copies that overlap, fragments, and products of 16 x 8.
#pragma once

#include "dots.cuh"

#ifndef EMULATED
// 16 bytes to shared memory without waiting; zeros where there is nothing to copy.
__device__ __forceinline__ void copy_async(void* to, const void* from, bool real) {
  u32 address = (u32)__cvta_generic_to_shared(to);
  int bytes = real ? 16 : 0;
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(address), "l"(from), "r"(bytes) : "memory");
}
__device__ __forceinline__ void close_group() { asm volatile("cp.async.commit_group;" ::: "memory"); }
// Wait until at most N of this thread's groups are under way.
template <int N>
__device__ __forceinline__ void wait_groups() { asm volatile("cp.async.wait_group %0;" ::"n"(N) : "memory"); }

// Four 8 x 8 matrices of 16-bit numbers; lane 8i + r gives the address of row r of matrix i.
__device__ __forceinline__ void load_matrices(const void* row, u32 (&to)[4]) {
  u32 address = (u32)__cvta_generic_to_shared(row);
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3]) : "r"(address) : "memory");
}

// 32 bytes of 16 rows times 32 bytes of 8 columns. A format's fragments lie as those of any other of these do, four bytes
// to a lane; of fp32 the tensor cores see the upper 19 bits.
template <typename Format, typename Sum>
__device__ __forceinline__ void multiply_add(Sum (&c)[4], const u32 (&a)[4], u32 b0, u32 b1);
template <>
__device__ __forceinline__ void multiply_add<Bf16, float>(float (&c)[4], const u32 (&a)[4], u32 b0, u32 b1) {
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
               : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}
template <>
__device__ __forceinline__ void multiply_add<Fp16, float>(float (&c)[4], const u32 (&a)[4], u32 b0, u32 b1) {
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
               : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}
template <>
__device__ __forceinline__ void multiply_add<Fp32, float>(float (&c)[4], const u32 (&a)[4], u32 b0, u32 b1) {
  asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
               : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}
template <>
__device__ __forceinline__ void multiply_add<Int8, int>(int (&c)[4], const u32 (&a)[4], u32 b0, u32 b1) {
  asm volatile("mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
               : "+r"(c[0]), "+r"(c[1]), "+r"(c[2]), "+r"(c[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}
#endif

// A tile of either operand in shared memory: STAGES steps of STEP columns of 2 bytes under way at once; of other formats a
// column is as many numbers as 2 bytes hold, or half of one.
constexpr int STEP = 32, STAGES = 3, TENSOR_THREADS = 256;
constexpr int STAGE_PITCH = STEP + 8;  // 80 bytes: eight rows of 16 bytes fall on different banks

// One step of an operand to shared memory; rows and columns past the end are zeros, which add nothing.
__device__ __forceinline__ void copy_rows(
    u16* to, const u16* from, i64 stride, int rows, i64 first, i64 count, int column, int columns) {
  for (int i = threadIdx.x; i < rows * (STEP / 8); i += TENSOR_THREADS) {
    const int row = i / (STEP / 8), chunk = i % (STEP / 8) * 8;
    const bool real = first + row < count && column + chunk < columns;
    copy_async(to + row * STAGE_PITCH + chunk, from + (real ? (first + row) * stride + column + chunk : 0), real);
  }
}

// 16 of the 32 x 32 sums' columns, multiplied: `here` has this warp's 32 rows, `there` its 32 columns.
template <typename Format, typename Sum>
__device__ __forceinline__ void multiply_step(Sum (&sums)[2][4][4], const u16* here, const u16* there) {
  const int lane = lane_of();
#pragma unroll
  for (int k = 0; k < STEP; k += 16) {
    u32 rows[2][4], columns[2][4];
#pragma unroll
    for (int m = 0; m < 2; ++m)  // matrices: upper and lower rows of k 0-7, then of k 8-15
      load_matrices(here + (m * 16 + lane % 16) * STAGE_PITCH + k + lane / 16 * 8, rows[m]);
#pragma unroll
    for (int n = 0; n < 2; ++n)  // matrices: k 0-7 and 8-15 of eight columns, then of the next eight
      load_matrices(there + (n * 16 + lane / 16 * 8 + lane % 8) * STAGE_PITCH + k + lane / 8 % 2 * 8, columns[n]);
#pragma unroll
    for (int m = 0; m < 2; ++m)
#pragma unroll
      for (int n = 0; n < 4; ++n)
        multiply_add<Format>(sums[m][n], rows[m], columns[n / 2][n % 2 * 2], columns[n / 2][n % 2 * 2 + 1]);
  }
}
