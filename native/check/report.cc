// The table of comparisons.
#include <stdio.h>

#include "check/driver.h"

namespace qt::check {

void Report::Add(const Call& call, const std::string& where, const std::string& difference) {
  Counts& counts = rows_[call.kernel()];
  if (!difference.empty() && counts.failed < 3) {
    fprintf(stderr, "%s (%s) on %s: %s\n", call.kernel().c_str(), call.variant().c_str(),
            where.c_str(), difference.c_str());
  }
  (difference.empty() ? counts.passed : counts.failed) += 1;
  counts.elements += call.elements;
}

int Report::Print() const {
  int64_t passed = 0, failed = 0;
  printf("%-34s %6s %9s %7s\n", "kernel", "checks", "elements", "failed");
  for (const auto& [name, c] : rows_) {
    printf("%-34s %6lld %9lld %7lld\n", name.c_str(), static_cast<long long>(c.passed + c.failed),
           static_cast<long long>(c.elements), static_cast<long long>(c.failed));
    passed += c.passed;
    failed += c.failed;
  }
  printf("%lld passed, %lld failed\n", static_cast<long long>(passed),
         static_cast<long long>(failed));
  return failed == 0 && passed > 0 ? 0 : 1;
}

int Report::PrintJson() const {
  int64_t passed = 0, failed = 0;
  printf("{\"checks\": [");
  const char* separator = "\n";
  for (const auto& [name, c] : rows_) {
    printf("%s{\"name\": \"%s\", \"passed\": %lld, \"failed\": %lld}", separator, name.c_str(),
           static_cast<long long>(c.passed), static_cast<long long>(c.failed));
    separator = ",\n";
    passed += c.passed;
    failed += c.failed;
  }
  printf("],\n\"passed\": %lld, \"failed\": %lld}\n", static_cast<long long>(passed),
         static_cast<long long>(failed));
  return failed == 0 && passed > 0 ? 0 : 1;
}

}  // namespace qt::check
