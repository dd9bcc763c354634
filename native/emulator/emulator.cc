// Fibers and their scheduler. Everything is global, as it is in CUDA; one launch at a time, from
// one thread.
#include <cuda_runtime.h>
#include <stdio.h>
#include <stdlib.h>

#include <algorithm>
#include <deque>
#include <memory>
#include <numeric>
#include <random>
#include <vector>

#include "emulator/fiber.h"
#include "emulator/tensor_core.h"

uint3 threadIdx, blockIdx;
dim3 blockDim, gridDim;

#if defined(__x86_64__)
__asm__(
    ".text\n"
    ".type emulator_switch_stack, @function\n"
    "emulator_switch_stack:\n"
    "  push %rbp\n  push %rbx\n  push %r12\n  push %r13\n  push %r14\n  push %r15\n"
    "  mov %rsp, (%rdi)\n"
    "  mov %rsi, %rsp\n"
    "  pop %r15\n  pop %r14\n  pop %r13\n  pop %r12\n  pop %rbx\n  pop %rbp\n"
    "  ret\n"
    ".size emulator_switch_stack, . - emulator_switch_stack\n");
#endif

namespace emulator {
namespace {

constexpr size_t kStackBytes = 64 * 1024;
// Stacks that all began at the same distance from a multiple of 64 KB would share a few lines of the
// caches, and every switch would miss them: each begins this much further than the one before.
constexpr size_t kStagger = 1088, kStaggered = 64;
constexpr int kWarpSize = 32;

// A copy to shared memory that a thread has asked for and not waited for.
struct Copy {
  void* to;
  const void* from;
  size_t bytes;
  int group;
};

struct Fiber {
  Context context;
  std::unique_ptr<char[]> stack;
  uint3 index;
  int id = 0;
  bool done = false;
  bool released = false;  // its warp barrier has opened
  std::deque<Copy> copies;
  int closed_groups = 0;  // of copies
  int turn = 0;           // of its warp's words
};

struct Warp {
  unsigned members = 0;  // lanes of this block that have not returned
  unsigned arrived = 0;
  unsigned awaited[kWarpSize];  // mask that each arrived lane waits for
  uint64_t slots[kWarpSize];
  Words words[2][kWarpSize];  // of the operations in turn: nobody still reads those before the last
};

std::vector<Fiber> fibers;
std::vector<Warp> warps;
Fiber* current = nullptr;
Context scheduler;
const std::function<void()>* kernel_body = nullptr;
uint32_t seed = 0;
unsigned grid_limit = 0;
bool progress = false;    // something else than waiting happened in this round
int running = 0;          // fibers that have not returned
int at_barrier = 0;       // of those, waiting in __syncthreads
int barriers_opened = 0;  // number of times that the block's barrier opened

template <class Condition>
void WaitUntil(Condition condition) {
  while (!condition()) current->context.SwitchTo(&scheduler);
  progress = true;
}

Warp& CurrentWarp() { return warps[current->id / kWarpSize]; }

void OpenBlockBarrier() {
  if (at_barrier == 0 || at_barrier < running) return;
  at_barrier = 0;
  ++barriers_opened;
}

// Releases the lanes whose masks have arrived completely. Lanes that returned, or never existed, do
// not count.
void OpenWarpBarrier(Warp* warp, int first_fiber) {
  for (int lane = 0; lane < kWarpSize; ++lane) {
    if ((warp->arrived >> lane & 1u) == 0) continue;
    const unsigned mask = warp->awaited[lane] & warp->members;
    if ((warp->arrived & mask) != mask) continue;
    for (int other = 0; other < kWarpSize; ++other) {
      if ((mask >> other & 1u) != 0) fibers[first_fiber + other].released = true;
    }
    warp->arrived &= ~mask;
  }
}

void RunFiber() {
  current->context.Arrive(&scheduler);
  (*kernel_body)();
  CommitCopies();
  WaitForCopies(0);
  current->done = true;
  progress = true;
  --running;
  CurrentWarp().members &= ~(1u << Lane());
  OpenWarpBarrier(&CurrentWarp(), current->id / kWarpSize * kWarpSize);
  OpenBlockBarrier();
  current->context.EndWith(&scheduler);
}

// Resumes each fiber of order once; whether any did more than wait.
bool Resume(const std::vector<int>& order) {
  progress = false;
  for (int i : order) {
    if (fibers[i].done) continue;
    current = &fibers[i];
    threadIdx = current->index;
    scheduler.SwitchTo(&current->context);
  }
  return progress;
}

// One round in ascending order (seed 0), or each warp in turn, warps and lanes shuffled, as far as
// it goes alone: that finds accesses across warps which no barrier orders.
bool Round(std::mt19937* random) {
  const int threads = static_cast<int>(fibers.size());
  const int group = seed == 0 ? threads : kWarpSize;
  std::vector<int> groups((threads + group - 1) / group);
  std::iota(groups.begin(), groups.end(), 0);
  if (seed != 0) std::shuffle(groups.begin(), groups.end(), *random);
  bool any = false;
  for (int g : groups) {
    std::vector<int> order(std::min(group, threads - g * group));
    std::iota(order.begin(), order.end(), g * group);
    bool moved = true;
    while (moved) {
      if (seed != 0) std::shuffle(order.begin(), order.end(), *random);
      moved = Resume(order);
      any = any || moved;
      if (seed == 0) break;
    }
  }
  return any;
}

void RunBlock(std::mt19937* random) {
  const unsigned threads = static_cast<unsigned>(fibers.size());
  running = static_cast<int>(threads);
  at_barrier = 0;
  for (Warp& warp : warps) warp = Warp();
  for (unsigned i = 0; i < threads; ++i) {
    Fiber& fiber = fibers[i];
    fiber.id = static_cast<int>(i);
    fiber.index = {i % blockDim.x, i / blockDim.x % blockDim.y, i / blockDim.x / blockDim.y};
    fiber.done = fiber.released = false;
    fiber.closed_groups = fiber.turn = 0;
    warps[i / kWarpSize].members |= 1u << (i % kWarpSize);
    fiber.context.Start(fiber.stack.get() + i % kStaggered * kStagger, kStackBytes, RunFiber);
  }
  while (running > 0) {
    if (Round(random)) continue;
    fprintf(stderr, "emulator: block %u: %d threads wait at barriers that will not open\n",
            blockIdx.x, running);
    abort();
  }
}

}  // namespace

void SetSeed(uint32_t new_seed) { seed = new_seed; }

void LimitGrid(unsigned blocks) { grid_limit = blocks; }

int Lane() { return current->id % kWarpSize; }

uint64_t* WarpSlots() { return CurrentWarp().slots; }

Words* NextWarpWords() {
  current->turn ^= 1;
  return CurrentWarp().words[current->turn];
}

void CopyAsync(void* to, const void* from, size_t bytes) {
  if ((reinterpret_cast<uintptr_t>(to) | reinterpret_cast<uintptr_t>(from)) % bytes != 0) {
    fprintf(stderr, "emulator: a copy of %zu bytes from %p to %p\n", bytes, from, to);
    abort();
  }
  if (seed % 2 == 0) {
    memcpy(to, from, bytes);
  } else {
    current->copies.push_back({to, from, bytes, current->closed_groups});
  }
}

void CommitCopies() { ++current->closed_groups; }

void WaitForCopies(int groups) {
  std::deque<Copy>& copies = current->copies;
  while (!copies.empty() && copies.front().group < current->closed_groups - groups) {
    memcpy(copies.front().to, copies.front().from, copies.front().bytes);
    copies.pop_front();
  }
}

void WaitForWarp(unsigned mask) {
  Warp& warp = CurrentWarp();
  Fiber* self = current;
  self->released = false;
  warp.arrived |= 1u << Lane();
  warp.awaited[Lane()] = mask;
  OpenWarpBarrier(&warp, self->id / kWarpSize * kWarpSize);
  WaitUntil([self] { return self->released; });
}

void Run(dim3 grid, dim3 block, const std::function<void()>& body) {
  const int threads = static_cast<int>(block.x * block.y * block.z);
  if (threads < 1 || threads > 1024) {
    fprintf(stderr, "emulator: %d threads per block\n", threads);
    abort();
  }
  if (grid_limit > 0 && grid.x > grid_limit) grid.x = grid_limit;
  gridDim = grid;
  blockDim = block;
  kernel_body = &body;
  fibers.resize(threads);
  warps.assign((threads + kWarpSize - 1) / kWarpSize, Warp());
  for (Fiber& fiber : fibers) {
    if (fiber.stack == nullptr) fiber.stack.reset(new char[kStackBytes + kStaggered * kStagger]);
  }
  std::mt19937 random(seed);
  for (unsigned z = 0; z < grid.z; ++z) {
    for (unsigned y = 0; y < grid.y; ++y) {
      for (unsigned x = 0; x < grid.x; ++x) {
        blockIdx = {x, y, z};
        RunBlock(&random);
      }
    }
  }
}

}  // namespace emulator

void __syncthreads() {
  using namespace emulator;
  const int opened = barriers_opened;
  ++at_barrier;
  OpenBlockBarrier();
  WaitUntil([opened] { return barriers_opened != opened; });
}
