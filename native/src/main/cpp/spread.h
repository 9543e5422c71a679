// How operators spread their work: over the lanes of a team, where the calling lane leads one, or else over the threads that torch lets it use.
#pragma once
#include <ATen/Parallel.h>

#include "team.h"

namespace troupe {

// The team that this thread leads; null for none.
Team* led();

// Lanes that may be at work at once in spread().
inline int64_t lanes() {
  Team* team = led();
  return team ? team->lanes() : at::get_num_threads();
}

// f(lane, from, to) for all of [0, count), at least `grain` at a time; lane is below lanes().
template <typename F>
void spread(int64_t count, int64_t grain, const F& f) {
  if (Team* team = led())
    team->spread(count, grain, [](const void* work, int lane, int64_t from, int64_t to) { (*(const F*)work)(lane, from, to); }, &f);
  else
    at::parallel_for(0, count, grain, [&](int64_t from, int64_t to) { f(at::get_thread_num(), from, to); });
}

}  // namespace troupe
