// The stated fp32 arithmetic and the number formats. Every sum and product is an intrinsic that is never contracted;
// reference/arithmetic.py says the same in NumPy. Nothing is included: these sources compile alone.
#pragma once

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef long long i64;

__device__ __forceinline__ float add(float a, float b) { return __fadd_rn(a, b); }
__device__ __forceinline__ float sub(float a, float b) { return __fsub_rn(a, b); }
__device__ __forceinline__ float mul(float a, float b) { return __fmul_rn(a, b); }
__device__ __forceinline__ float divide(float a, float b) { return __fdiv_rn(a, b); }

__device__ __forceinline__ float nothing() { return __uint_as_float(0xff800000u); }  // -inf
__device__ __forceinline__ float infinite() { return __uint_as_float(0x7f800000u); }
__device__ __forceinline__ bool is_candidate(float x) { return x > nothing(); }  // false for NaN

__device__ __forceinline__ float power_of_two(int n) { return __int_as_float((n + 127) << 23); }

__device__ __forceinline__ float exp_nonpositive(float x) {
  x = x > -104.0f ? x : -104.0f;
  float t = add(mul(x, 1.4426950408889634f), 12582912.0f);
  int n = __float_as_int(t) - 0x4b400000;
  float whole = sub(t, 12582912.0f);
  float r = sub(x, mul(whole, 0.693359375f));
  r = sub(r, mul(whole, -2.12194440e-4f));
  float q = 0.0013933734f;
  q = add(mul(q, r), 0.008363236f);
  q = add(mul(q, r), 0.041666463f);
  q = add(mul(q, r), 0.16666576f);
  q = add(mul(q, r), 0.5f);
  float y = add(add(mul(q, mul(r, r)), r), 1.0f);
  int half = n >> 1;
  return mul(mul(y, power_of_two(half)), power_of_two(n - half));
}

__device__ __forceinline__ float log1p_unit(float u) {
  float z = divide(u, add(u, 2.0f));
  float z2 = mul(z, z);
  float g = 0.1343644f;
  g = add(mul(g, z2), 0.14116608f);
  g = add(mul(g, z2), 0.20003848f);
  g = add(mul(g, z2), 0.3333332f);
  z = add(z, mul(mul(g, z2), z));
  return add(z, z);
}

__device__ __forceinline__ float magnitude(float x) { return __uint_as_float(__float_as_uint(x) & 0x7fffffffu); }

__device__ __forceinline__ float sigmoid(float x) {
  float e = exp_nonpositive(-magnitude(x));
  return divide(x >= 0.0f ? 1.0f : e, add(e, 1.0f));
}

__device__ __forceinline__ float sqrt_softplus(float x) {
  return __fsqrt_rn(add(x > 0.0f ? x : 0.0f, log1p_unit(exp_nonpositive(-magnitude(x)))));
}

// A tree of neighbours over N numbers that a thread holds.
template <int N>
__device__ __forceinline__ float neighbour_sum(const float (&x)[N]) {
  if constexpr (N == 1) {
    return x[0];
  } else {
    float sums[N / 2];
#pragma unroll
    for (int i = 0; i < N / 2; ++i) sums[i] = add(x[2 * i], x[2 * i + 1]);
    return neighbour_sum(sums);
  }
}

// fp32 numbers as unsigned ones of the same order, and back.
__device__ __forceinline__ u32 ordered(float x) {
  u32 bits = __float_as_uint(x);
  return bits ^ ((u32)((int)bits >> 31) | 0x80000000u);
}
__device__ __forceinline__ float unordered(u32 key) {
  return __uint_as_float(key ^ ((u32)((int)~key >> 31) | 0x80000000u));
}

// Storage formats: widened exactly, narrowed to nearest even; `exact` takes only what `widen` gave.
struct Fp32 {
  typedef u32 Bits;
  static __device__ __forceinline__ float widen(u32 b) { return __uint_as_float(b); }
  static __device__ __forceinline__ u32 narrow(float x) { return __float_as_uint(x); }
};

struct Bf16 {
  typedef u16 Bits;
  static __device__ __forceinline__ float widen(u16 b) { return __uint_as_float((u32)b << 16); }
  static __device__ __forceinline__ u16 exact(float x) { return (u16)(__float_as_uint(x) >> 16); }
  static __device__ __forceinline__ u16 narrow(float x) {
    u32 b = __float_as_uint(x);
    if (x != x) return (u16)((b >> 16) | 0x40u);
    return (u16)((b + 0x7fffu + ((b >> 16) & 1u)) >> 16);
  }
};

struct Fp16 {
  typedef u16 Bits;
  static __device__ __forceinline__ float widen(u16 b) {
    u32 magnitude = b & 0x7fffu;
    u32 sign = (u32)(b & 0x8000u) << 16;
    if (magnitude >= 0x7c00u) return __uint_as_float(sign | 0x7f800000u | (magnitude << 13));
    // 2**112 moves the exponent over, and makes subnormals normal
    return __uint_as_float(sign | __float_as_uint(mul(__uint_as_float(magnitude << 13), __uint_as_float(0x77800000u))));
  }
  static __device__ __forceinline__ u16 exact(float x) { return narrow(x); }
  static __device__ __forceinline__ u16 narrow(float x) {
    u32 b = __float_as_uint(x), sign = (b >> 16) & 0x8000u;
    b &= 0x7fffffffu;
    if (b > 0x7f800000u) return (u16)(sign | 0x7e00u | ((b >> 13) & 0x3ffu));
    if (b >= 0x477ff000u) return (u16)(sign | 0x7c00u);  // at least halfway past the greatest
    if (b >= 0x38800000u) return (u16)(sign | (((b - 0x38000000u) + 0xfffu + ((b >> 13) & 1u)) >> 13));
    // below 2**-14: adding 1/2 leaves the subnormal's bits, rounded, at the bottom
    return (u16)(sign | (__float_as_uint(add(__uint_as_float(b), 0.5f)) - 0x3f000000u));
  }
};
