// quantrain_collective.h over Gloo's TCP on this host. What is small, everyone sends to everyone and
// reduces: one exchange, because waking a process takes longer than the bytes. What is large is
// reduced in parts, one by each process, and gathered: each sends and receives 2 (size - 1) / size of
// the bytes, as around a ring. Either way an element is reduced in the order of the ranks, so its bits
// depend neither on its place nor on what is reduced with it.
#include <string.h>

#include <chrono>
#include <cmath>
#include <exception>
#include <functional>
#include <memory>
#include <type_traits>
#include <vector>

#include <gloo/rendezvous/context.h>
#include <gloo/rendezvous/file_store.h>
#include <gloo/transport/tcp/device.h>

#include "collective.h"
#include "math/int128.h"

namespace qt {
namespace {

// to[i] = a[i] with b[i]; to may be either.
using Function = std::function<void(void* to, const void* a, const void* b, size_t n)>;

constexpr int64_t kExchangedBytes = 1 << 16;

template <class T, class F>
Function Elementwise(F function) {
  return [function](void* to, const void* a, const void* b, size_t n) {
    T* const out = static_cast<T*>(to);
    const T* const one = static_cast<const T*>(a);
    const T* const two = static_cast<const T*>(b);
    for (size_t i = 0; i < n; ++i) out[i] = function(one[i], two[i]);
  };
}

template <class T>
T Sum(T a, T b) {
  if constexpr (std::is_integral_v<T>) {
    using Unsigned = std::make_unsigned_t<T>;
    return static_cast<T>(static_cast<Unsigned>(a) + static_cast<Unsigned>(b));
  } else {
    return a + b;
  }
}

// The API's pair of words.
struct Wide {
  int64_t words[2];
};

Wide SumWide(Wide a, Wide b) {
  Wide sum;
  math::StoreUint128(math::LoadUint128(a.words) + math::LoadUint128(b.words), sum.words);
  return sum;
}

template <class T>
bool IsNan(T value) {
  if constexpr (std::is_floating_point_v<T>) return std::isnan(value);
  return false;
}

// A NaN of any process is the result, as it is in the sums.
template <class T>
Function Reduction(qt_reduce_kind kind) {
  if (kind == QT_REDUCE_MIN)
    return Elementwise<T>([](T a, T b) { return b < a || IsNan(b) ? b : a; });
  if (kind == QT_REDUCE_MAX)
    return Elementwise<T>([](T a, T b) { return a < b || IsNan(b) ? b : a; });
  return Elementwise<T>(Sum<T>);
}

class Gloo : public qt_collective {
 public:
  Gloo(const char* folder, int32_t rank, int32_t size, int32_t timeout_ms)
      : context_(std::make_shared<gloo::rendezvous::Context>(rank, size)) {
    // A port of the system's choice, known to who reads the folder.
    auto device = gloo::transport::tcp::CreateDevice("127.0.0.1");
    context_->setTimeout(std::chrono::milliseconds(timeout_ms));
    gloo::rendezvous::FileStore store(folder);
    context_->connectFullMesh(store, device);
  }

  bool AllReduce(void* data, int64_t n, qt_number number, qt_reduce_kind kind) override {
    try {
      switch (number) {
        case QT_NUMBER_F32: Run<float>(data, n, kind); break;
        case QT_NUMBER_F64: Run<double>(data, n, kind); break;
        case QT_NUMBER_S32: Run<int32_t>(data, n, kind); break;
        case QT_NUMBER_S64: Run<int64_t>(data, n, kind); break;
        case QT_NUMBER_U128: Run(static_cast<Wide*>(data), n, Elementwise<Wide>(SumWide)); break;
      }
      return true;
    } catch (const std::exception& e) {
      snprintf(error, sizeof(error), "%s", e.what());
      return false;
    }
  }

 private:
  template <class T>
  void Run(void* data, int64_t n, qt_reduce_kind kind) {
    T* const values = static_cast<T*>(data);
    Run(values, n, Reduction<T>(kind));
    if (kind != QT_REDUCE_MEAN) return;
    const T share = static_cast<T>(1) / static_cast<T>(context_->size);
    for (int64_t i = 0; i < n; ++i) values[i] *= share;
  }

  template <class T>
  void Run(T* values, int64_t n, const Function& function) {
    const int64_t bytes = n * static_cast<int64_t>(sizeof(T));
    if (bytes <= kExchangedBytes) {
      Exchange(values, bytes);
      Reduce(values, n, function);
    } else {
      InParts(values, n, function);
    }
  }

  // Of exchanged_, which has n elements of every rank.
  template <class T>
  void Reduce(T* values, int64_t n, const Function& function) {
    const T* const all = reinterpret_cast<const T*>(exchanged_.data());
    memcpy(values, all, n * sizeof(T));
    for (int rank = 1; rank < context_->size; ++rank) function(values, values, all + rank * n, n);
  }

  // Fills exchanged_ with the bytes of every rank, one behind the other.
  void Exchange(void* own, int64_t bytes) {
    const int size = context_->size, rank = context_->rank;
    exchanged_.resize(size * bytes);
    const auto sent = context_->createUnboundBuffer(own, bytes);
    const auto received = context_->createUnboundBuffer(exchanged_.data(), size * bytes);
    for (int peer = 0; peer < size; ++peer) {
      if (peer != rank) received->recv(peer, kSlot, peer * bytes, bytes);
    }
    for (int peer = 0; peer < size; ++peer) {
      if (peer != rank) sent->send(peer, kSlot, 0, bytes);
    }
    memcpy(exchanged_.data() + rank * bytes, own, bytes);
    Await(*sent, *received);
  }

  // Part p of the elements is reduced by rank p.
  template <class T>
  void InParts(T* values, int64_t n, const Function& function) {
    const int size = context_->size, rank = context_->rank;
    const auto begin = [&](int part) { return n * part / size * static_cast<int64_t>(sizeof(T)); };
    const auto bytes = [&](int part) { return begin(part + 1) - begin(part); };
    const int64_t own = bytes(rank);
    exchanged_.resize(size * own);
    const auto whole = context_->createUnboundBuffer(values, n * sizeof(T));
    const auto received = context_->createUnboundBuffer(exchanged_.data(), size * own);
    for (int peer = 0; peer < size; ++peer) {
      if (peer != rank) received->recv(peer, kSlot, peer * own, own);
    }
    for (int peer = 0; peer < size; ++peer) {
      if (peer != rank) whole->send(peer, kSlot, begin(peer), bytes(peer));
    }
    T* const mine = values + n * rank / size;
    memcpy(exchanged_.data() + rank * own, mine, own);
    Await(*whole, *received);
    Reduce(mine, own / static_cast<int64_t>(sizeof(T)), function);
    for (int peer = 0; peer < size; ++peer) {
      if (peer != rank) whole->recv(peer, kSlot, begin(peer), bytes(peer));
    }
    for (int peer = 0; peer < size; ++peer) {
      if (peer != rank) whole->send(peer, kSlot, begin(rank), own);
    }
    Await(*whole, *whole);
  }

  // A message to and from every other rank.
  void Await(gloo::transport::UnboundBuffer& sent, gloo::transport::UnboundBuffer& received) {
    for (int peers = 1; peers < context_->size; ++peers) {
      sent.waitSend(context_->getTimeout());
      received.waitRecv(context_->getTimeout());
    }
  }

  // One call at a time, so messages of a peer come in order.
  static constexpr uint64_t kSlot = 0;

  std::shared_ptr<gloo::rendezvous::Context> context_;
  std::vector<uint8_t> exchanged_;
};

}  // namespace
}  // namespace qt

extern "C" QT_API qt_collective* qt_gloo_open(const char* folder, int32_t rank, int32_t size,
                                              int32_t timeout_ms, char* message,
                                              int64_t message_bytes) {
  try {
    return new qt::Gloo(folder, rank, size, timeout_ms);
  } catch (const std::exception& e) {
    snprintf(message, message_bytes, "%s", e.what());
    return nullptr;
  }
}
