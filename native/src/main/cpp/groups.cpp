// Groups of processes that exchange numbers by Gloo, of libtorch's c10d: what forms one, and the two exchanges that a group is for.
//
// A group is formed without a store of c10d's own: what its members tell one another (addresses) is handed out and in as text, and whoever makes the group carries it. Links are those of Gloo's TLS, with
// certificates on both sides. Nothing here blocks for longer than it is told to: what takes long is begun, and asked for until it is done.
#include <ATen/ATen.h>
#include <sys/mman.h>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/library.h>
#include <unistd.h>

#include <cstdlib>
#include <map>

namespace {

using at::Tensor;
using std::chrono::milliseconds;

const auto A_MOMENT = std::chrono::microseconds(100);

// Whether something comes about within so many milliseconds.
template <typename Done>
bool within(int64_t ms, Done done) {
  auto end = std::chrono::steady_clock::now() + milliseconds(ms);
  while (!done()) {
    if (std::chrono::steady_clock::now() >= end) return false;
    std::this_thread::sleep_for(A_MOMENT);
  }
  return true;
}

std::string hex(const std::string& bytes) {
  static const char* const DIGITS = "0123456789abcdef";
  std::string text;
  for (unsigned char byte : bytes) {
    text += DIGITS[byte >> 4];
    text += DIGITS[byte & 15];
  }
  return text;
}

std::string bytes_of(const std::string& text) {
  TORCH_CHECK(text.size() % 2 == 0 && text.find_first_not_of("0123456789abcdef") == std::string::npos, "a group's address is not one: '", text, "'");
  std::string bytes;
  for (size_t i = 0; i < text.size(); i += 2) bytes += (char)std::stoi(text.substr(i, 2), nullptr, 16);
  return bytes;
}

// What the members of a group tell one another while it forms. Each tells all that it has to before it waits for another's.
class Post : public c10d::Store {
 public:
  using c10d::Store::set;

  void set(const std::string& key, const std::vector<uint8_t>& value) override {
    std::lock_guard<std::mutex> lock(mutex_);
    told_[key] = own_[key] = std::string(value.begin(), value.end());
  }

  std::vector<uint8_t> get(const std::string& key) override {
    wait({key}, timeout_);
    std::lock_guard<std::mutex> lock(mutex_);
    const std::string& value = told_.at(key);
    return {value.begin(), value.end()};
  }

  bool check(const std::vector<std::string>& keys) override {
    std::lock_guard<std::mutex> lock(mutex_);
    return has(keys);
  }

  void wait(const std::vector<std::string>& keys) override { wait(keys, timeout_); }

  void wait(const std::vector<std::string>& keys, const milliseconds& timeout) override {
    bool there = within(timeout.count(), [&] {
      std::lock_guard<std::mutex> lock(mutex_);
      TORCH_CHECK(!given_up_, "the group was given up while it formed");
      waiting_ = !has(keys);
      return !waiting_;
    });
    TORCH_CHECK(there, "the other members of the group have not said where they are within ", timeout.count(), " ms");
  }

  int64_t add(const std::string&, int64_t) override { TORCH_CHECK(false, "a group's members count nothing together"); }
  bool deleteKey(const std::string&) override { return false; }

  int64_t getNumKeys() override {
    std::lock_guard<std::mutex> lock(mutex_);
    return (int64_t)told_.size();
  }

  // Whether it has told all that it has to.
  bool has_told() {
    std::lock_guard<std::mutex> lock(mutex_);
    return waiting_;
  }

  // A line of key and value for each, of what this member tells.
  std::string own() {
    std::lock_guard<std::mutex> lock(mutex_);
    std::string lines;
    for (const auto& [key, value] : own_) lines += hex(key) + " " + hex(value) + "\n";
    return lines;
  }

  // What others tell.
  void hear(const std::string& lines) {
    std::lock_guard<std::mutex> lock(mutex_);
    std::istringstream in(lines);
    std::string key, value;
    while (in >> key >> value) told_[bytes_of(key)] = bytes_of(value);
  }

  void give_up() {
    std::lock_guard<std::mutex> lock(mutex_);
    given_up_ = true;
  }

 private:
  bool has(const std::vector<std::string>& keys) const {
    for (const auto& key : keys)
      if (!told_.count(key)) return false;
    return true;
  }

  std::mutex mutex_;
  std::map<std::string, std::string> told_, own_;
  bool waiting_ = false, given_up_ = false;
};

// Text as a file that has no name: OpenSSL reads keys from files alone, and those of a run are none.
class Nameless {
 public:
  explicit Nameless(const std::string& text) : file_(memfd_create("troupe", MFD_CLOEXEC)) {
    TORCH_CHECK(file_ >= 0 && write(file_, text.data(), text.size()) == (ssize_t)text.size(), "no memory for a key: ", strerror(errno));
  }
  Nameless(const Nameless&) = delete;
  ~Nameless() { close(file_); }
  std::string path() const { return "/proc/self/fd/" + std::to_string(file_); }

 private:
  int file_;
};

struct Identity {
  std::string key, certificate, authority;
};

// c10d takes the way to connect, and files, from the environment, when a device is made.
std::shared_ptr<gloo::transport::Device> device(const std::string& host, const Nameless& key, const Nameless& certificate, const Nameless& authority) {
  static std::mutex mutex;
  std::lock_guard<std::mutex> lock(mutex);
  const std::string variable = "GLOO_DEVICE_TRANSPORT";
  setenv(variable.c_str(), "TCP_TLS", 1);
  setenv((variable + "_TCP_TLS_PKEY").c_str(), key.path().c_str(), 1);
  setenv((variable + "_TCP_TLS_CERT").c_str(), certificate.path().c_str(), 1);
  setenv((variable + "_TCP_TLS_CA_FILE").c_str(), authority.path().c_str(), 1);
  return c10d::ProcessGroupGloo::createDeviceForHostname(host);
}

struct Group {
  c10::intrusive_ptr<Post> post = c10::make_intrusive<Post>();
  std::mutex mutex;
  bool formed = false;
  std::string failure;
  c10::intrusive_ptr<c10d::ProcessGroupGloo> gloo;

  void form(const std::string& host, int rank, int world, milliseconds patience, const Identity& identity) {
    c10::intrusive_ptr<c10d::ProcessGroupGloo> made;
    std::string why;
    try {
      Nameless key(identity.key), certificate(identity.certificate), authority(identity.authority);
      auto options = c10d::ProcessGroupGloo::Options::create(patience);
      options->devices.push_back(device(host, key, certificate, authority));
      options->threads = 1;
      made = c10::make_intrusive<c10d::ProcessGroupGloo>(post, rank, world, options);
    } catch (const c10::Error& e) {
      why = e.what_without_backtrace();
    } catch (const std::exception& e) {
      why = e.what();
    }
    std::lock_guard<std::mutex> lock(mutex);
    gloo = made;
    failure = why;
    formed = true;
  }

  // Whether it is there; an error where it could not be.
  bool ready() {
    std::lock_guard<std::mutex> lock(mutex);
    TORCH_CHECK(failure.empty(), failure);
    return formed;
  }
};

struct Exchange {
  c10::intrusive_ptr<c10d::Work> work;
  Tensor from, to;
};

std::mutex registry_mutex;
int64_t last_number = 0;

// Never freed: a JVM that ends would run into a group at work.
template <typename T>
std::map<int64_t, std::shared_ptr<T>>& registry() {
  static auto* all = new std::map<int64_t, std::shared_ptr<T>>();
  return *all;
}

template <typename T>
int64_t keep(std::shared_ptr<T> one) {
  std::lock_guard<std::mutex> lock(registry_mutex);
  registry<T>()[++last_number] = std::move(one);
  return last_number;
}

template <typename T>
std::shared_ptr<T> find(int64_t number, bool remove = false) {
  std::lock_guard<std::mutex> lock(registry_mutex);
  auto& all = registry<T>();
  auto found = all.find(number);
  TORCH_CHECK(found != all.end(), "no group or exchange of number ", number);
  std::shared_ptr<T> one = found->second;
  if (remove) all.erase(found);
  return one;
}

// Why there can be no groups here, of members like this; empty where there can. A group of one shows it.
std::string group_lacks(std::string host, std::string key, std::string certificate, std::string authority) {
  Group alone;
  alone.form(host, 0, 1, milliseconds(1000), {key, certificate, authority});
  return alone.failure;
}

int64_t group_open(std::string host, int64_t rank, int64_t world, int64_t ms, std::string key, std::string certificate, std::string authority) {
  TORCH_CHECK(world > 1 && rank >= 0 && rank < world && ms > 0, "troupe::group_open: rank ", rank, " of ", world, " within ", ms, " ms");
  auto group = std::make_shared<Group>();
  std::thread([=] { group->form(host, (int)rank, (int)world, milliseconds(ms), {key, certificate, authority}); }).detach();
  return keep(group);
}

// What the other members must hear of this one; empty where it is not known within so many milliseconds.
std::string group_tells(int64_t number, int64_t ms) {
  auto group = find<Group>(number);
  return within(ms, [&] { return group->ready() || group->post->has_told(); }) ? group->post->own() : "";
}

bool group_hears(int64_t number, std::string told) {
  find<Group>(number)->post->hear(told);
  return true;
}

bool group_is_ready(int64_t number, int64_t ms) {
  auto group = find<Group>(number);
  return within(ms, [&] { return group->ready(); });
}

// A group that is given up frees its connections; what is under way there fails, at the latest when the others have been waited for.
bool group_close(int64_t number) {
  auto group = find<Group>(number, true);
  group->post->give_up();
  std::thread([group]() mutable { group.reset(); }).detach();
  return true;
}

c10d::ProcessGroupGloo& gloo(int64_t number) {
  auto group = find<Group>(number);
  TORCH_CHECK(group->ready(), "the group is not formed");
  return *group->gloo;
}

void check_numbers(const char* where, const Tensor& x) {
  TORCH_CHECK(x.device().is_cpu() && x.scalar_type() == at::kFloat && x.dim() == 1 && x.is_contiguous(), where, ": numbers must be contiguous float32 of one dimension on the CPU, are ",
              x.scalar_type(), " ", x.sizes());
}

// Begins to send each member so many of these numbers, one after another, and to receive so many from each.
int64_t group_exchange(int64_t number, const Tensor& from, std::vector<int64_t> send, std::vector<int64_t> receive) {
  check_numbers("troupe::group_exchange", from);
  int64_t all = 0;
  for (int64_t count : receive) all += count;
  auto exchange = std::make_shared<Exchange>();
  exchange->from = from;
  exchange->to = at::empty({all}, from.options());
  exchange->work = gloo(number).alltoall_base(exchange->to, exchange->from, receive, send);
  return keep(exchange);
}

// Begins to add up what all members have, in an order of Gloo's own.
int64_t group_add(int64_t number, const Tensor& own) {
  check_numbers("troupe::group_add", own);
  auto exchange = std::make_shared<Exchange>();
  exchange->to = own.clone();
  std::vector<Tensor> tensors = {exchange->to};
  exchange->work = gloo(number).allreduce(tensors);
  return keep(exchange);
}

// Whether what was begun is over within so many milliseconds, be it by an error.
bool group_is_done(int64_t number, int64_t ms) {
  auto exchange = find<Exchange>(number);
  return within(ms, [&] { return exchange->work->isCompleted(); });
}

// What it came to.
Tensor group_result(int64_t number) {
  auto exchange = find<Exchange>(number, true);
  TORCH_CHECK(exchange->work->isCompleted(), "the exchange is under way");
  if (exchange->work->exception()) std::rethrow_exception(exchange->work->exception());
  return exchange->to;
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(troupe, m) {
  m.def("group_lacks(str host, str key, str certificate, str authority) -> str", group_lacks);
  m.def("group_open(str host, int rank, int world, int ms, str key, str certificate, str authority) -> int", group_open);
  m.def("group_tells(int group, int ms) -> str", group_tells);
  m.def("group_hears(int group, str told) -> bool", group_hears);
  m.def("group_is_ready(int group, int ms) -> bool", group_is_ready);
  m.def("group_close(int group) -> bool", group_close);
  m.def("group_exchange(int group, Tensor numbers, int[] send, int[] receive) -> int", group_exchange);
  m.def("group_add(int group, Tensor numbers) -> int", group_add);
  m.def("group_is_done(int exchange, int ms) -> bool", group_is_done);
  m.def("group_result(int exchange) -> Tensor", group_result);
}
