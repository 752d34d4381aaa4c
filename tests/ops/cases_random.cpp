// Rows and references of what draws random numbers.
#include <cmath>

#include "base/random.h"
#include "ops/harness.h"

namespace dl::test {
namespace {

// The random word of an element, straight from Philox.
uint32_t word_of(uint64_t seed, uint64_t stream, uint64_t step, int64_t e) {
  const Philox philox{{static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)}};
  const auto counter = static_cast<uint64_t>(e / 64 * 16 + e % 16);
  return philox(counter, stream ^ (step * 0x9E3779B97F4A7C15ull)).v[e % 64 / 16];
}

void dropout(Reference& r) {
  const double rate = r.attr("rate");
  const auto stream = static_cast<uint64_t>(r.attr<int64_t>("stream")),
             step = static_cast<uint64_t>(r.x(1)[0]);
  for (int64_t i = 0; i < r.y().size(); ++i)
    r.y()[i] =
        word_of(r.seed, stream, step, i) < static_cast<uint32_t>(rate * 0x1p32) ? 0 : r.x()[i] / (1 - rate);
}

void noise(Reference& r) {
  const auto stream = static_cast<uint64_t>(r.attr<int64_t>("stream")),
             step = static_cast<uint64_t>(r.x(1)[0]);
  const auto unit = [&](int64_t e) { return (word_of(r.seed, stream, step, e) >> 8) * 0x1p-24; };
  for (int64_t i = 0; i < r.y().size(); ++i) {
    if (r.attr<std::string>("kind") == "uniform") {
      r.y()[i] = unit(i);
      continue;
    }
    const bool second = i % 32 >= 16;  // of its pair
    const int64_t first = second ? i - 16 : i;
    const double radius = std::sqrt(-2 * std::log(1 - unit(first))), angle = 2 * M_PI * unit(first + 16);
    r.y()[i] = radius * (second ? std::sin(angle) : std::cos(angle));
  }
}

const AddReference kReferences[] = {{"dropout", dropout}, {"noise", noise}};

const AddRows kRows({
    {"dropout", {"f32[N]", "i64[] =1"}},
    {"dropout", {"f32[20,70]", "i64[] =77"}, R"({"rate": 0.1, "stream": 4611686018427387903})"},
    {"dropout", {"f32[70]", "i64[] =77"}, R"({"rate": 0})"},
    {"dropout", {"f32[70]", "i64[2]"}, "{}", {.error = "step must be i64[]"}},

    {"noise", {"f32[N]", "i64[] =1"}, "{}", {.tol = 1e-5, .no_dx = {0}}},
    {"noise",
     {"f32[20,70]", "i64[] =77"},
     R"({"kind": "uniform", "stream": 4611686018427387903})",
     {.tol = 0, .no_dx = {0}}},
    {"noise", {"f32[70]", "i64[2]"}, "{}", {.error = "step must be i64[]"}},
});

}  // namespace
}  // namespace dl::test
