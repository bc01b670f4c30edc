// Runs a kernel's own source on a CPU: every thread of a block is a fiber, a warp's exchanges wait for all its lanes, a
// block's barriers for all its threads. Lanes that meet in different exchanges, and waits that nobody ends, abort.
#pragma once

#define EMULATED 1

#ifndef __x86_64__
#include <ucontext.h>
#endif

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <vector>

#define __device__
#define __host__
#define __forceinline__ inline
#define __grid_constant__
#define __restrict__

struct uint2 { unsigned x, y; };
struct uint4 { unsigned x, y, z, w; };
inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return {x, y, z, w}; }
struct Dim { unsigned x = 1, y = 1, z = 1; };

namespace emulator {

struct Warp {
  unsigned arrived = 0, alive = 0xffffffffu, round = 0;
  int operation = 0;
  unsigned long long given[32], taken[32];
};

struct Block {
  Dim index;
  std::vector<Warp> warps;
  std::vector<unsigned char> memory;
  unsigned threads = 0, alive = 0, arrived = 0, round = 0;
};

struct Copy {
  void* to;
  unsigned char bytes[16];
};

// Where a thread of control stopped. On x86-64 a switch is a dozen instructions; ucontext, which serves elsewhere, asks
// the kernel each time.
#ifdef __x86_64__
struct Context { void* stack = nullptr; };
extern "C" void emulator_switch(void** from, void* to);
asm(R"(
.text
.local emulator_switch
emulator_switch:
  pushq %rbp; pushq %rbx; pushq %r12; pushq %r13; pushq %r14; pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15; popq %r14; popq %r13; popq %r12; popq %rbx; popq %rbp
  ret
)");
inline void switch_to(Context& from, Context& to) { emulator_switch(&from.stack, to.stack); }
inline void begin(Context& context, char* stack, size_t size, void (*entry)()) {
  auto** top = (void**)(((size_t)stack + size) / 16 * 16);
  *--top = nullptr;  // where a call would have left its return address
  *--top = (void*)entry;
  for (int i = 0; i < 6; ++i) *--top = nullptr;
  context.stack = top;
}
#else
struct Context { ucontext_t place; };
inline void switch_to(Context& from, Context& to) { swapcontext(&from.place, &to.place); }
inline void begin(Context& context, char* stack, size_t size, void (*entry)()) {
  getcontext(&context.place);
  context.place.uc_stack.ss_sp = stack;
  context.place.uc_stack.ss_size = size;
  context.place.uc_link = nullptr;
  makecontext(&context.place, entry, 0);
}
#endif

struct Fiber {
  Context context;
  std::unique_ptr<char[]> stack;
  Block* block;
  Dim thread;
  bool finished = false;
  std::vector<std::vector<Copy>> groups{1};  // asynchronous copies under way
};

inline Dim grid_size, block_size;
inline Fiber* self;
inline Context scheduler;
inline unsigned long long progress;
inline std::function<void()>* body;

[[noreturn]] inline void fail(const char* why) {
  std::fprintf(stderr, "emulator: %s (block %u, thread %u)\n", why, self->block->index.x, self->thread.x);
  std::abort();
}

inline void yield() { switch_to(self->context, scheduler); }
inline Warp& warp() { return self->block->warps[self->thread.x / 32]; }
inline unsigned lane() { return self->thread.x % 32; }

// Every lane that is alive gives a number; each goes on once all are there, and `taken` holds what was given.
inline const unsigned long long* exchange(int operation, unsigned long long mine) {
  Warp& w = warp();
  if (w.arrived == 0) w.operation = operation;
  if (w.operation != operation) fail("lanes of one warp met in different exchanges");
  w.given[lane()] = mine;
  w.arrived |= 1u << lane();
  ++progress;
  const unsigned round = w.round;
  while (w.round == round) {
    if ((w.arrived & w.alive) == w.alive) {
      std::memcpy(w.taken, w.given, sizeof(w.given));
      w.arrived = 0;
      ++w.round;
      ++progress;
    } else {
      yield();
    }
  }
  return w.taken;
}

inline void block_barrier() {
  Block& b = *self->block;
  ++b.arrived;
  ++progress;
  const unsigned round = b.round;
  while (b.round == round) {
    if (b.arrived == b.alive) {
      b.arrived = 0;
      ++b.round;
      ++progress;
    } else {
      yield();
    }
  }
}

inline void enter() {
  (*body)();
  self->finished = true;
  ++progress;
  --self->block->alive;
  warp().alive &= ~(1u << lane());
  switch_to(self->context, scheduler);
}

inline void run_blocks(std::vector<Block>& blocks) {
  constexpr size_t STACK = 128 << 10;
  std::vector<Fiber> fibers;
  for (Block& b : blocks)
    for (unsigned t = 0; t < b.threads; ++t) {
      Fiber& f = fibers.emplace_back();
      f.block = &b;
      f.thread.x = t;
      f.stack.reset(new char[STACK]);
    }
  for (Fiber& f : fibers) begin(f.context, f.stack.get(), STACK, enter);
  size_t left = fibers.size();
  while (left) {
    const unsigned long long before = progress;
    left = 0;
    for (Fiber& f : fibers) {
      if (f.finished) continue;
      self = &f;
      switch_to(scheduler, f.context);
      left += !f.finished;
    }
    if (left && progress == before) fail("a wait that nobody ends");
  }
}

// Runs a grid, its blocks one after another, or together as a cooperative launch has them.
inline void run(const unsigned grid[2], unsigned threads, unsigned shared, bool together, std::function<void()> kernel) {
  grid_size = {grid[0], grid[1], 1};
  block_size = {threads, 1, 1};
  body = &kernel;
  std::vector<Block> blocks;
  for (unsigned y = 0; y < grid[1]; ++y)
    for (unsigned x = 0; x < grid[0]; ++x) {
      Block& b = blocks.emplace_back();
      b.index = {x, y, 0};
      b.threads = b.alive = threads;
      b.warps.resize(threads / 32);
      b.memory.assign(shared + 16, 0xa5);  // what nobody wrote is no number that anybody hopes for
      if (!together) {
        run_blocks(blocks);
        blocks.clear();
      }
    }
  if (together) run_blocks(blocks);
}

template <typename T>
unsigned long long bits_of(T value) {
  unsigned long long bits = 0;
  std::memcpy(&bits, &value, sizeof(T));
  return bits;
}

template <typename T>
T value_of(unsigned long long bits) {
  T value;
  std::memcpy(&value, &bits, sizeof(T));
  return value;
}

}  // namespace emulator


#define threadIdx (emulator::self->thread)
#define blockIdx (emulator::self->block->index)
#define blockDim (emulator::block_size)
#define gridDim (emulator::grid_size)

template <typename T>
T* shared_memory() {
  const size_t base = (size_t)emulator::self->block->memory.data();
  return (T*)((base + 15) / 16 * 16);
}

#define KERNEL(THREADS, NAME, ARGUMENTS)                                                                       \
  static void NAME##_body(const ARGUMENTS& a);                                                                 \
  extern "C" unsigned NAME##_size() { return sizeof(ARGUMENTS); }                                              \
  extern "C" void NAME(const ARGUMENTS* a, const unsigned* grid, unsigned threads, unsigned shared, int together) { \
    if (threads > THREADS) std::abort();                                                                       \
    emulator::run(grid, threads, shared, together, [a] { NAME##_body(*a); });                                  \
  }                                                                                                            \
  static void NAME##_body(const ARGUMENTS& a)

inline void __syncthreads() { emulator::block_barrier(); }
inline void __syncwarp() { emulator::exchange(1, 0); }
inline void __threadfence() {}
inline void pause_thread() { ++emulator::progress; emulator::yield(); }

template <typename T>
T __shfl_sync(unsigned, T value, int source, int width = 32) {
  const auto* given = emulator::exchange(2, emulator::bits_of(value));
  return emulator::value_of<T>(given[(emulator::lane() & ~(width - 1)) | (source & (width - 1))]);
}
template <typename T>
T __shfl_xor_sync(unsigned, T value, int step) {
  return emulator::value_of<T>(emulator::exchange(3, emulator::bits_of(value))[emulator::lane() ^ step]);
}
template <typename T>
T __shfl_up_sync(unsigned, T value, int step) {
  const auto* given = emulator::exchange(4, emulator::bits_of(value));
  const int from = (int)emulator::lane() - step;
  return from < 0 ? value : emulator::value_of<T>(given[from]);
}
inline unsigned __ballot_sync(unsigned, bool value) {
  const auto* given = emulator::exchange(5, value);
  const unsigned alive = emulator::warp().alive;
  unsigned bits = 0;
  for (int i = 0; i < 32; ++i) bits |= (given[i] && (alive >> i & 1) ? 1u : 0u) << i;
  return bits;
}
inline bool __any_sync(unsigned mask, bool value) { return __ballot_sync(mask, value) != 0; }
inline unsigned __reduce_max_sync(unsigned, unsigned value) {
  const auto* given = emulator::exchange(6, value);
  unsigned most = 0;
  for (int i = 0; i < 32; ++i) most = given[i] > most ? (unsigned)given[i] : most;
  return most;
}
inline unsigned __match_any_sync(unsigned, int value) {
  const auto* given = emulator::exchange(7, emulator::bits_of(value));
  unsigned bits = 0;
  for (int i = 0; i < 32; ++i) bits |= (given[i] == emulator::bits_of(value) ? 1u : 0u) << i;
  return bits;
}
inline unsigned atomicAdd(unsigned* where, unsigned value) {
  const unsigned before = *where;
  *where += value;
  return before;
}
inline int __popc(unsigned x) { return __builtin_popcount(x); }
inline int __ffs(unsigned x) { return __builtin_ffs((int)x); }

inline float __fadd_rn(float a, float b) { return a + b; }
inline float __fsub_rn(float a, float b) { return a - b; }
inline float __fmul_rn(float a, float b) { return a * b; }
inline float __fdiv_rn(float a, float b) { return a / b; }
inline float __fsqrt_rn(float a) { return std::sqrt(a); }
inline float __int2float_rn(int a) { return (float)a; }
inline unsigned __float_as_uint(float x) { return (unsigned)emulator::bits_of(x); }
inline int __float_as_int(float x) { return (int)__float_as_uint(x); }
inline float __uint_as_float(unsigned x) { return emulator::value_of<float>(x); }
inline float __int_as_float(int x) { return __uint_as_float((unsigned)x); }

// Copies happen when they are waited for, no sooner: who reads too early finds what was there before.
inline void copy_async(void* to, const void* from, bool real) {
  emulator::Copy c{to, {}};
  if (real) std::memcpy(c.bytes, from, 16);
  emulator::self->groups.back().push_back(c);
}
inline void close_group() { emulator::self->groups.emplace_back(); }
template <int N>
void wait_groups() {
  auto& groups = emulator::self->groups;  // the last one is open
  while (groups.size() > N + 1) {
    for (const emulator::Copy& c : groups.front()) std::memcpy(c.to, c.bytes, 16);
    groups.erase(groups.begin());
  }
}

inline void load_matrices(const void* row, unsigned (&to)[4]) {
  const auto* given = emulator::exchange(8, (unsigned long long)row);
  const unsigned lane = emulator::lane();
  for (int i = 0; i < 4; ++i) {
    const auto* numbers = (const unsigned short*)given[8 * i + lane / 4];
    if ((size_t)numbers % 16) emulator::fail("a matrix's row is not aligned");
    std::memcpy(&to[i], numbers + lane % 4 * 2, 4);
  }
}

// 32 bytes of 16 rows times 32 bytes of 8 columns. The device adds a step's products in an order of its own, this one in
// the order of k; of fp32 it sees the upper 19 bits.
template <typename Format, typename Sum>
void multiply_add(Sum (&c)[4], const unsigned (&a)[4], unsigned b0, unsigned b1) {
  unsigned long long low[32], high[32], column[32];
  std::memcpy(low, emulator::exchange(9, (unsigned long long)a[1] << 32 | a[0]), sizeof(low));
  std::memcpy(high, emulator::exchange(10, (unsigned long long)a[3] << 32 | a[2]), sizeof(high));
  std::memcpy(column, emulator::exchange(11, (unsigned long long)b1 << 32 | b0), sizeof(column));
  typedef typename Format::Bits Bits;
  constexpr int EACH = 4 / sizeof(Bits), STEPS = 8 * EACH;  // numbers in four bytes, and in 32
  auto number = [](unsigned long long words, int which, int part) {
    unsigned word = (unsigned)(words >> (32 * which));
    if (sizeof(Bits) == 4) word &= 0xffffe000u;
    Bits bits;
    std::memcpy(&bits, (const char*)&word + part * sizeof(Bits), sizeof(Bits));
    return Format::widen(bits);
  };
  const int lane = (int)emulator::lane();
  for (int i = 0; i < 4; ++i)
    for (int k = 0; k < STEPS; ++k) {
      const int row = lane / 4, n = lane % 4 * 2 + i % 2, half = k / (STEPS / 2), from = k % (STEPS / 2) / EACH;
      const unsigned long long* side = half ? high : low;
      c[i] += number(side[row * 4 + from], i / 2, k % EACH) * number(column[n * 4 + from], half, k % EACH);
    }
}
