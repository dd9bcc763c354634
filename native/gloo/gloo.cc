// quantrain_collective.h over Gloo's TCP on this host. What is small, everyone sends to everyone and
// reduces in the order of the ranks: one exchange, because waking a process takes longer than the
// bytes. What is large goes around Gloo's ring, where each part is reduced once, in one order, and then
// handed on. Either way all processes have the same bits.
#include <string.h>

#include <chrono>
#include <cmath>
#include <exception>
#include <functional>
#include <memory>
#include <type_traits>
#include <vector>

#include <gloo/allreduce.h>
#include <gloo/rendezvous/context.h>
#include <gloo/rendezvous/file_store.h>
#include <gloo/transport/tcp/device.h>

#include "collective.h"
#include "math/int128.h"

namespace qt {
namespace {

using Function = gloo::AllreduceOptions::Func;

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
      const T* const all = reinterpret_cast<const T*>(exchanged_.data());
      memcpy(values, all, bytes);
      for (int rank = 1; rank < context_->size; ++rank) function(values, values, all + rank * n, n);
      return;
    }
    gloo::AllreduceOptions options(context_);
    options.setAlgorithm(gloo::AllreduceOptions::Algorithm::RING);
    options.setOutput(values, static_cast<size_t>(n));
    options.setReduceFunction(function);
    gloo::allreduce(options);
  }

  // Fills exchanged_ with the bytes of every rank, one behind the other.
  void Exchange(void* own, int64_t bytes) {
    constexpr uint64_t kSlot = 0;  // one call at a time, so messages of a peer come in order
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
    for (int peers = 1; peers < size; ++peers) {
      sent->waitSend(context_->getTimeout());
      received->waitRecv(context_->getTimeout());
    }
  }

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
