// Lanes that share one operator's work. One of them leads: it calls operators, whose parts any lane of the team may take, itself included. The others assist: they
// take parts while there are any. Nobody waits for a lane that has taken nothing, so that one which the system has stopped, or which has other work, costs no more
// than its help. Who takes which part changes no bits: no part adds up what another does.
#pragma once
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <vector>

namespace troupe {

class Team {
 public:
  // Does the parts of a work from `from` to `to`, on lane `lane` of the team; must not throw.
  typedef void (*Part)(const void* work, int lane, int64_t from, int64_t to);

  // lanes: as many as there may be at work, the leader among them.
  explicit Team(int lanes) : lanes_(lanes), ranges_(lanes) {}
  int lanes() const { return lanes_; }

  // By the leader: does all `count` parts, taken `grain` or more at a time; returns when they are done.
  void spread(int64_t count, int64_t grain, Part part, const void* work);

  // By lane `lane`, from 1 on: takes parts until it is called away, or has had nothing to do for some milliseconds.
  void assist(int lane);

  // By the leader, between two works: whether lanes that assist are to return, and none is to begin.
  void call_away(bool away);

 private:
  // What is left of a lane's own parts: the number of the work in the upper half, below it the first one and the one behind the last, 16 bits each, in `grain`.
  struct alignas(64) Range {
    std::atomic<uint64_t> left{0};
  };

  bool take(int lane);
  bool take_from(Range& range, bool own, int lane);
  bool nothing() const;

  const int lanes_;
  // Of the work under way; written while nobody has taken a part of it.
  Part part_ = nullptr;
  const void* work_ = nullptr;
  int64_t count_ = 0, grain_ = 1;
  uint64_t number_ = 0;
  std::vector<Range> ranges_;
  alignas(64) std::atomic<uint64_t> done_{0};
  alignas(64) std::atomic<int> asleep_{0};
  std::atomic<bool> away_{false};
  std::mutex mutex_;
  std::condition_variable awake_;
};

}  // namespace troupe
