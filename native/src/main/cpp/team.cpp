#include "team.h"

#include <sched.h>

#include <algorithm>
#include <chrono>

namespace troupe {
namespace {

constexpr uint64_t MOST = 0xffff;

// Looks before a lane that has nothing to do sleeps: some 50 microseconds, longer than what a leader does between two works of a layer.
constexpr int LOOKS = 1000;
constexpr std::chrono::milliseconds PATIENCE(5);

void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#else
  std::atomic_signal_fence(std::memory_order_seq_cst);
#endif
}

}  // namespace

bool Team::take_from(Range& range, bool own, int lane) {
  uint64_t seen = range.left.load(std::memory_order_acquire);
  while (true) {
    uint64_t first = seen >> 16 & MOST, end = seen & MOST;
    if (first >= end) return false;
    // Of one's own from the front, where what lies behind has been asked for; of another's from the back.
    uint64_t at = own ? first : end - 1;
    uint64_t rest = own ? seen + (1 << 16) : seen - 1;
    if (range.left.compare_exchange_weak(seen, rest, std::memory_order_acq_rel, std::memory_order_acquire)) {
      // What is taken is not done, so the leader waits, and the work stays what it is.
      part_(work_, lane, (int64_t)at * grain_, std::min(count_, (int64_t)(at + 1) * grain_));
      done_.fetch_add(1, std::memory_order_release);
      return true;
    }
  }
}

bool Team::take(int lane) {
  for (int i = 0; i < lanes_; i++)
    if (take_from(ranges_[(lane + i) % lanes_], i == 0, lane)) return true;
  return false;
}

bool Team::nothing() const {
  for (const Range& range : ranges_) {
    uint64_t seen = range.left.load(std::memory_order_seq_cst);
    if ((seen >> 16 & MOST) < (seen & MOST)) return false;
  }
  return true;
}

void Team::spread(int64_t count, int64_t grain, Part part, const void* work) {
  if (count <= grain) {
    if (count > 0) part(work, 0, 0, count);
    return;
  }
  grain = std::max<int64_t>(grain, (count + (int64_t)MOST - 1) / (int64_t)MOST);
  uint64_t units = (uint64_t)((count + grain - 1) / grain);
  part_ = part;
  work_ = work;
  count_ = count;
  grain_ = grain;
  number_++;
  done_.store(0, std::memory_order_relaxed);
  for (uint64_t i = 0, lanes = lanes_; i < lanes; i++)
    ranges_[i].left.store(number_ << 32 | units * i / lanes << 16 | units * (i + 1) / lanes, std::memory_order_seq_cst);
  if (asleep_.load(std::memory_order_seq_cst) > 0) {
    std::lock_guard<std::mutex> lock(mutex_);
    awake_.notify_all();
  }
  while (take(0)) {
  }
  for (int looks = 0; done_.load(std::memory_order_acquire) < units; looks++) {
    if (looks < LOOKS) pause();
    else sched_yield();
  }
}

void Team::assist(int lane) {
  for (int looks = 0; !away_.load(std::memory_order_acquire); looks++) {
    if (take(lane)) {
      looks = 0;
    } else if (looks < LOOKS) {
      pause();
    } else {
      std::unique_lock<std::mutex> lock(mutex_);
      asleep_.fetch_add(1, std::memory_order_seq_cst);
      bool idle = nothing() && !away_.load(std::memory_order_seq_cst);
      bool late = idle && awake_.wait_until(lock, std::chrono::system_clock::now() + PATIENCE) == std::cv_status::timeout;
      asleep_.fetch_sub(1, std::memory_order_seq_cst);
      if (late) return;
      looks = 0;
    }
  }
}

void Team::call_away(bool away) {
  std::lock_guard<std::mutex> lock(mutex_);
  away_.store(away, std::memory_order_seq_cst);
  awake_.notify_all();
}

}  // namespace troupe
