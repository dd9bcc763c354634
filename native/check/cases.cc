// The timed cases by index, behind a C API.
#include "check/cases.h"

#include "check/driver.h"

namespace qt::check {
namespace {

struct Name {
  std::string kernel, variant;
  int file;
};

const std::vector<Name>& Names() {
  static const std::vector<Name> names = [] {
    std::vector<Name> all;
    for (int file = 0; file < CaseFiles(); ++file) {
      const auto name = [&](const std::string& kernel, const std::string& variant) {
        all.push_back({kernel, variant, file});
        return false;
      };
      AddCases(file, 4096, name, nullptr);
    }
    return all;
  }();
  return names;
}

qt_context* context = nullptr;
std::unique_ptr<Call> open_call;
qt_context* copies_context = nullptr;
std::unique_ptr<MemoryPasses> copies;

bool Exists(int32_t index) {
  return index >= 0 && index < static_cast<int32_t>(Names().size());
}

}  // namespace
}  // namespace qt::check

using namespace qt::check;

int32_t qt_cases_count(void) { return static_cast<int32_t>(Names().size()); }

const char* qt_cases_kernel(int32_t index) {
  return Exists(index) ? Names()[index].kernel.c_str() : "";
}

const char* qt_cases_variant(int32_t index) {
  return Exists(index) ? Names()[index].variant.c_str() : "";
}

qt_status qt_cases_open(int32_t index, int64_t elements, int32_t threads) {
  qt_cases_close();
  if (!Exists(index) || elements < 4096) return QT_INVALID_ARGUMENT;
  const Name& name = Names()[index];
  const auto wants = [&](const std::string& kernel, const std::string& variant) {
    return kernel == name.kernel && variant == name.variant;
  };
  AddCases(name.file, elements, wants,
           [&](std::unique_ptr<Call> call) { open_call = std::move(call); });
  const qt_status status = qt_context_create(&context, threads);
  if (status != QT_OK || open_call == nullptr) return QT_OUT_OF_MEMORY;
  if (!Place(context, open_call.get())) return QT_OUT_OF_MEMORY;
  return open_call->Run(context);
}

qt_status qt_cases_run(void) {
  return open_call == nullptr ? QT_INVALID_ARGUMENT : open_call->Run(context);
}

int64_t qt_cases_elements(void) { return open_call == nullptr ? 0 : open_call->elements; }

int64_t qt_cases_bytes(void) { return open_call == nullptr ? 0 : open_call->Bytes(); }

void qt_cases_close(void) {
  if (open_call != nullptr) Release(context, open_call.get());
  open_call = nullptr;
  qt_context_destroy(context);
  context = nullptr;
}

int32_t qt_cases_copies_open(int64_t bytes, int32_t threads) {
  qt_cases_copies_close();
  if (bytes < 4096 || qt_context_create(&copies_context, threads) != QT_OK) return 0;
  copies = std::make_unique<MemoryPasses>(copies_context, bytes);
  return copies->Copies();
}

void qt_cases_copy(int32_t way) {
  if (copies != nullptr && way >= 0 && way < copies->Copies()) copies->turns()[way]();
}

void qt_cases_copies_close(void) {
  copies = nullptr;
  qt_context_destroy(copies_context);
  copies_context = nullptr;
}
