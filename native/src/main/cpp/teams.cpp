// Teams of lanes as torch knows them: by number, as a team's lanes come and go on threads of their own.
#include <torch/library.h>

#include <map>
#include <memory>

#include "spread.h"

namespace troupe {

static thread_local Team* own_team = nullptr;
Team* led() { return own_team; }

}  // namespace troupe

namespace {

using troupe::Team;

std::mutex mutex;
std::map<int64_t, std::shared_ptr<Team>>& teams() {
  // Never destroyed: a lane may still be in it when the process ends.
  static auto* const all = new std::map<int64_t, std::shared_ptr<Team>>();
  return *all;
}

std::shared_ptr<Team> team(const char* where, int64_t number) {
  std::lock_guard<std::mutex> lock(mutex);
  auto found = teams().find(number);
  TORCH_CHECK(found != teams().end(), where, ": there is no team ", number);
  return found->second;
}

int64_t team_open(int64_t lanes) {
  TORCH_CHECK(lanes > 0 && lanes < (1 << 15), "troupe::team_open: ", lanes, " lanes");
  static int64_t last = 0;
  std::lock_guard<std::mutex> lock(mutex);
  teams()[++last] = std::make_shared<Team>((int)lanes);
  return last;
}

// From now on, or no longer, what this thread calls is the team's work.
int64_t team_lead(int64_t number, bool leads) {
  troupe::own_team = leads ? team("troupe::team_lead", number).get() : nullptr;
  return number;
}

int64_t team_assist(int64_t number, int64_t lane) {
  std::shared_ptr<Team> of = team("troupe::team_assist", number);
  TORCH_CHECK(lane > 0 && lane < of->lanes(), "troupe::team_assist: lane ", lane, " of ", of->lanes());
  of->assist((int)lane);
  return number;
}

int64_t team_call_away(int64_t number, bool away) {
  team("troupe::team_call_away", number)->call_away(away);
  return number;
}

int64_t team_close(int64_t number) {
  std::lock_guard<std::mutex> lock(mutex);
  teams().erase(number);
  return number;
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(troupe, m) {
  m.def("team_open(int lanes) -> int", team_open);
  m.def("team_lead(int team, bool leads) -> int", team_lead);
  m.def("team_assist(int team, int lane) -> int", team_assist);
  m.def("team_call_away(int team, bool away) -> int", team_call_away);
  m.def("team_close(int team) -> int", team_close);
}
