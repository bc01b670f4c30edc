// route_select: a row of logits to each group of LANES lanes, PER neighbouring experts to each lane.
#pragma once

#include "chosen.cuh"

struct SelectArguments {
  const void* logits;       // [tokens, experts], rows `row_stride` apart
  const float* bias;        // [experts] or null
  const u8* mask;           // [experts] or [tokens, experts] or null
  const int* expert_map;    // [experts] or null
  const int* num_tokens;    // [1] or null: then real_tokens
  float* weights;           // [tokens, k]
  void* ids;                // [tokens, k], int64 if wide_ids
  i64 row_stride;
  i64 mask_stride;          // 0 where one mask serves all rows
  int tokens, real_tokens, experts, k;
  int scoring;              // 0 logit, 1 softmax, 2 sigmoid, 3 sqrtsoftplus
  int groups, kept_groups;  // 1, 1 where there are none
  int top2;
  int share_by_softmax;     // weights are a softmax over the chosen
  int renormalize;
  int wide_ids;
  int aligned;              // each lane's PER logits start at a multiple of 16 bytes
  float scale;
};

enum { BY_LOGIT, SOFTMAX, SIGMOID, SQRTSOFTPLUS };

// A key orders as (rank, lower id): two bytes of rank fit, with 10 bits of id, into 32 bits, fp32 needs 64.
struct NarrowKey {
  typedef u32 Key;
  static __device__ __forceinline__ u32 make(u16 bits, int expert) {
    bits = bits == 0x8000u ? (u16)0 : bits;
    u32 order = bits ^ ((bits & 0x8000u) ? 0xffffu : 0x8000u);
    return order << 16 | (u32)(1023 - expert);
  }
  static __device__ __forceinline__ int expert(u32 key) { return 1023 - (int)(key & 1023u); }
  static __device__ __forceinline__ u16 bits(u32 key) {
    u32 order = key >> 16;
    return (u16)(order ^ ((order & 0x8000u) ? 0x8000u : 0xffffu));
  }
};

struct WideKey {
  typedef u64 Key;
  static __device__ __forceinline__ u64 make(float rank, int expert) {
    return (u64)ordered(add(rank, 0.0f)) << 32 | (u32)(1023 - expert);
  }
  static __device__ __forceinline__ int expert(u64 key) { return 1023 - (int)(key & 1023u); }
  static __device__ __forceinline__ float rank(u64 key) { return unordered((u32)(key >> 32)); }
};

// One lane's logits, widened, -inf where the expert may not be chosen.
template <typename Format, int PER>
__device__ __forceinline__ void load_row(const SelectArguments& a, i64 row, bool real, int first, float (&x)[PER]) {
  typedef typename Format::Bits Bits;
  const Bits* logits = (const Bits*)a.logits + row * a.row_stride;
  if (real && a.aligned && first + PER <= a.experts) {
    union { uint4 words[PER * sizeof(Bits) / 16]; Bits bits[PER]; } chunk;
#pragma unroll
    for (int i = 0; i < (int)(PER * sizeof(Bits) / 16); ++i) chunk.words[i] = ((const uint4*)(logits + first))[i];
#pragma unroll
    for (int i = 0; i < PER; ++i) x[i] = Format::widen(chunk.bits[i]);
  } else {
#pragma unroll
    for (int i = 0; i < PER; ++i) x[i] = real && first + i < a.experts ? Format::widen(logits[first + i]) : nothing();
  }
  if (real && a.mask) {
    const u8* mask = a.mask + row * a.mask_stride + first;
#pragma unroll
    for (int i = 0; i < PER; ++i)
      if (first + i < a.experts && !mask[i]) x[i] = nothing();
  }
#pragma unroll
  for (int i = 0; i < PER; ++i) x[i] = is_candidate(x[i]) ? add(x[i], 0.0f) : nothing();
}

// exp of each logit less the greatest, 0 outside the candidates; the +inf share alone, if there are any.
template <int PER>
__device__ __forceinline__ void exps_of(const float (&x)[PER], float peak, float (&e)[PER]) {
#pragma unroll
  for (int i = 0; i < PER; ++i) {
    float shared = x[i] == infinite() ? 1.0f : 0.0f;
    float value = is_candidate(x[i]) ? exp_nonpositive(sub(x[i], peak)) : 0.0f;
    e[i] = peak == infinite() ? shared : value;
  }
}

template <int LANES, int PER>
__device__ __forceinline__ float row_sum(const float (&x)[PER]) {
  return lanes_sum<LANES>(neighbour_sum(x));
}

// The unbiased scores of a lane's experts.
template <int LANES, int PER>
__device__ __forceinline__ void scores_of(const float (&x)[PER], int scoring, float (&scores)[PER]) {
  float peak = nothing();
#pragma unroll
  for (int i = 0; i < PER; ++i) peak = x[i] > peak ? x[i] : peak;
  peak = greatest<LANES>(peak);
  bool shared = peak == infinite() && scoring != SIGMOID;
  if (scoring == SOFTMAX || shared) {
    exps_of(x, peak, scores);
  } else {
#pragma unroll
    for (int i = 0; i < PER; ++i) scores[i] = scoring == SIGMOID ? sigmoid(x[i]) : sqrt_softplus(x[i]);
  }
  float total = 1.0f;
  if (scoring == SOFTMAX || __any_sync(WHOLE_WARP, shared)) total = row_sum<LANES>(scores);
#pragma unroll
  for (int i = 0; i < PER; ++i) {
    if (scoring == SOFTMAX || shared) scores[i] = divide(scores[i], total);
    if (!is_candidate(x[i])) scores[i] = nothing();
  }
}

// Shared memory for two numbers an expert, set apart so that lanes that step by a power of two meet on no bank.
__device__ __forceinline__ int apart(int i) { return i + i / 32; }
template <int WIDTH>
constexpr int ROW_PITCH = WIDTH + WIDTH / 32;
template <int LANES, int PER>
__device__ __forceinline__ float* row_memory() {
  return shared_memory<float>() + (threadIdx.x / LANES) * 2 * ROW_PITCH<LANES * PER>;
}

// -inf outside the best groups. A group is a run of experts of any length, so the row goes through shared memory.
template <int LANES, int PER>
__device__ __forceinline__ void keep_groups(const SelectArguments& a, int first, float (&rank)[PER]) {
  const int size = a.experts / a.groups;
  float* ranks = row_memory<LANES, PER>();
  float* kept = ranks + ROW_PITCH<LANES * PER>;
#pragma unroll
  for (int i = 0; i < PER; ++i) {
    ranks[apart(first + i)] = rank[i];
    kept[apart(first + i)] = 0.0f;
  }
  __syncwarp();
  u64 keys[PER];
#pragma unroll
  for (int i = 0; i < PER; ++i) {
    const int group = first + i;
    float best = nothing(), second = nothing();
    for (int e = group * size; group < a.groups && e < (group + 1) * size; ++e) {
      float value = ranks[apart(e)];
      second = value > best ? best : (value > second ? value : second);
      best = value > best ? value : best;
    }
    float worth = a.top2 && is_candidate(second) ? add(best, second) : best;
    keys[i] = is_candidate(best) ? WideKey::make(worth, group) : 0ull;
  }
  prepare(keys);
  for (int j = 0; j < a.kept_groups; ++j) {
    u64 top = take_greatest<LANES>(keys);
    int group = WideKey::expert(top);
    if (top != 0 && threadIdx.x % LANES == 0) kept[apart(group)] = 1.0f;
  }
  __syncwarp();
#pragma unroll
  for (int i = 0; i < PER; ++i) {
    int group = (first + i) / size;
    if (first + i < a.experts && kept[apart(group)] == 0.0f) rank[i] = nothing();
  }
}

// Slot j = c * LANES + lane of the result is this lane's c-th; the tree of neighbours follows from that.
template <int LANES, int CHUNKS>
__device__ __forceinline__ float slots_sum(const float (&x)[CHUNKS]) {
  float sums[CHUNKS];
#pragma unroll
  for (int c = 0; c < CHUNKS; ++c) sums[c] = lanes_sum<LANES>(x[c]);
  return neighbour_sum(sums);
}

// Chosen logits or scores to weights, and out. `score` is -inf in a slot without an expert.
template <int LANES, int CHUNKS>
__device__ __forceinline__ void finish(
    const SelectArguments& a, i64 row, bool real, const int (&expert)[CHUNKS], float (&score)[CHUNKS]) {
  const int lane = threadIdx.x % LANES;
  float weight[CHUNKS], present[CHUNKS];
  if (a.share_by_softmax) {
    float peak = nothing();
#pragma unroll
    for (int c = 0; c < CHUNKS; ++c) peak = score[c] > peak ? score[c] : peak;
    exps_of(score, greatest<LANES>(peak), weight);
    float total = slots_sum<LANES>(weight);
#pragma unroll
    for (int c = 0; c < CHUNKS; ++c) weight[c] = divide(weight[c], total);
  } else {
#pragma unroll
    for (int c = 0; c < CHUNKS; ++c) {
      weight[c] = expert[c] >= 0 ? score[c] : 0.0f;
      present[c] = expert[c] >= 0 ? 1.0f : 0.0f;
    }
    if (a.renormalize) {
      float total = slots_sum<LANES>(weight), count = slots_sum<LANES>(present);
#pragma unroll
      for (int c = 0; c < CHUNKS; ++c) weight[c] = total == 0.0f ? divide(1.0f, count) : divide(weight[c], total);
    }
  }
  if (!real) return;
#pragma unroll
  for (int c = 0; c < CHUNKS; ++c) {
    const int j = c * LANES + lane;
    if (j >= a.k) continue;
    int id = expert[c] >= 0 && a.expert_map ? a.expert_map[expert[c]] : expert[c];
    a.weights[row * a.k + j] = id >= 0 ? mul(weight[c], a.scale) : 0.0f;
    if (a.wide_ids) ((i64*)a.ids)[row * a.k + j] = id >= 0 ? id : -1;
    else ((int*)a.ids)[row * a.k + j] = id >= 0 ? id : -1;
  }
}

// Without bias and groups the order is that of the logits: only the chosen are scored, unless a softmax needs them all.
template <typename Format, typename Ranking, int LANES, int PER>
__device__ __forceinline__ void select_by_logit(const SelectArguments& a, i64 first_row) {
  constexpr int CHUNKS = 32 / LANES;
  const int lane = threadIdx.x % LANES, first = lane * PER;
  const i64 row = first_row + threadIdx.x / LANES;
  const int real_tokens = a.num_tokens ? *a.num_tokens : a.real_tokens;
  const bool inside = row < a.tokens;
  float x[PER];
  load_row<Format>(a, row, inside && row < real_tokens, first, x);

  float total = 1.0f, peak = nothing();
  if (!a.share_by_softmax) {
#pragma unroll
    for (int i = 0; i < PER; ++i) peak = x[i] > peak ? x[i] : peak;
    peak = greatest<LANES>(peak);
    float e[PER];
    if (a.scoring == SOFTMAX || (a.scoring == SQRTSOFTPLUS && __any_sync(WHOLE_WARP, peak == infinite()))) {
      exps_of(x, peak, e);
      total = row_sum<LANES>(e);
    }
  }
  typename Ranking::Key keys[PER];
#pragma unroll
  for (int i = 0; i < PER; ++i) keys[i] = is_candidate(x[i]) ? Ranking::template key<Format>(x[i], first + i) : 0;
  prepare(keys);

  int expert[CHUNKS];
  float score[CHUNKS];
#pragma unroll
  for (int c = 0; c < CHUNKS; ++c) {
    typename Ranking::Key mine = 0;
    for (int j = 0; j < LANES && c * LANES + j < a.k; ++j) {
      typename Ranking::Key top = take_greatest<LANES>(keys);
      mine = lane == j ? top : mine;
    }
    expert[c] = mine ? Ranking::expert(mine) : -1;
    float logit = mine ? Ranking::template logit<Format>(mine) : nothing();
    float shared = divide(logit == infinite() ? 1.0f : 0.0f, total);
    if (a.share_by_softmax || !mine) score[c] = logit;
    else if (a.scoring == SIGMOID) score[c] = sigmoid(logit);
    else if (peak == infinite()) score[c] = shared;
    else if (a.scoring == SOFTMAX) score[c] = divide(exp_nonpositive(sub(logit, peak)), total);
    else score[c] = sqrt_softplus(logit);
  }
  finish<LANES>(a, row, inside, expert, score);
}

// With bias or groups the order is that of the fp32 score; the chosen find their unbiased scores in shared memory.
template <typename Format, int LANES, int PER>
__device__ __forceinline__ void select_by_score(const SelectArguments& a, i64 first_row) {
  constexpr int CHUNKS = 32 / LANES;
  const int lane = threadIdx.x % LANES, first = lane * PER;
  const i64 row = first_row + threadIdx.x / LANES;
  const int real_tokens = a.num_tokens ? *a.num_tokens : a.real_tokens;
  const bool inside = row < a.tokens;
  float x[PER], scores[PER], rank[PER];
  load_row<Format>(a, row, inside && row < real_tokens, first, x);
  float bias[PER];
#pragma unroll
  for (int i = 0; i < PER; ++i) {
    bias[i] = a.bias && first + i < a.experts ? a.bias[first + i] : 0.0f;
    x[i] = is_candidate(bias[i]) ? x[i] : nothing();
  }
  if (a.scoring == BY_LOGIT) {
#pragma unroll
    for (int i = 0; i < PER; ++i) scores[i] = x[i];
  } else {
    scores_of<LANES>(x, a.scoring, scores);
  }
#pragma unroll
  for (int i = 0; i < PER; ++i) rank[i] = a.bias && is_candidate(x[i]) ? add(scores[i], bias[i]) : scores[i];
  if (a.groups > 1) keep_groups<LANES>(a, first, rank);
  u64 keys[PER];
#pragma unroll
  for (int i = 0; i < PER; ++i) keys[i] = is_candidate(rank[i]) ? WideKey::make(rank[i], first + i) : 0ull;
  prepare(keys);

  __syncwarp();  // the groups have been read
  float* own = row_memory<LANES, PER>();
#pragma unroll
  for (int i = 0; i < PER; ++i) own[apart(first + i)] = scores[i];
  __syncwarp();
  int expert[CHUNKS];
  float score[CHUNKS];
#pragma unroll
  for (int c = 0; c < CHUNKS; ++c) {
    u64 mine = 0;
    for (int j = 0; j < LANES && c * LANES + j < a.k; ++j) {
      u64 top = take_greatest<LANES>(keys);
      mine = lane == j ? top : mine;
    }
    expert[c] = mine ? WideKey::expert(mine) : -1;
    score[c] = mine ? own[apart(expert[c])] : nothing();
  }
  finish<LANES>(a, row, inside, expert, score);
}

// How a key is made of a logit and read back, for 16-bit formats and for fp32.
template <typename Bits>
struct Ranking;

template <>
struct Ranking<u16> {
  typedef u32 Key;
  template <typename Format>
  static __device__ __forceinline__ u32 key(float x, int expert) { return NarrowKey::make(Format::exact(x), expert); }
  template <typename Format>
  static __device__ __forceinline__ float logit(u32 key) { return Format::widen(NarrowKey::bits(key)); }
  static __device__ __forceinline__ int expert(u32 key) { return NarrowKey::expert(key); }
};

template <>
struct Ranking<u32> {
  typedef u64 Key;
  template <typename Format>
  static __device__ __forceinline__ u64 key(float x, int expert) { return WideKey::make(x, expert); }
  template <typename Format>
  static __device__ __forceinline__ float logit(u64 key) { return WideKey::rank(key); }
  static __device__ __forceinline__ int expert(u64 key) { return WideKey::expert(key); }
};
