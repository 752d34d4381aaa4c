// What a device can do at best, and what its plans are held against.
#include "exec/profile.h"

#include <doctest/doctest.h>

#include "exec/executor.h"
#include "ops/registry.h"

using namespace dl;

namespace {

Plan product(const std::string& type, std::shared_ptr<Device> device) {
  PlanOptions options;
  options.device = std::move(device);
  return make_plan(parse_graph("graph g\n%0 = input a : " + type + "[32,64]\n%1 = input b : " + type +
                                   "[64,16]\n%2 = matmul(%0, %1) : " + type + "[32,16]\noutput y %2",
                               find_op),
                   options);
}

}  // namespace

TEST_CASE("ceilings of a device are measured on it, and 16-bit operands have their own") {
  const std::shared_ptr<Device> device = Device::open(0);
  const int64_t free = device->free_memory();
  const Ceilings c = measure_ceilings(product("f32", device), nullptr);
  CHECK(c.flops > 1e5);
  CHECK(c.flops_16 > 1e5);
  CHECK(c.bytes > 1e6);
  CHECK(device->free_memory() == free);

  Profile profile;
  profile.add(product("f32", device), "");
  profile.add(product("bf16", device), "");
  REQUIRE(profile.rows().size() == 2);
  CHECK_FALSE(profile.rows()[0].half);
  CHECK(profile.rows()[1].half);
  const double operations = 2 * 32 * 64 * 16, bytes = 4 * (32 * 64 + 64 * 16 + 32 * 16);
  profile.set_ceilings({.flops = 1, .flops_16 = 4, .bytes = 1e9});
  CHECK(profile.floor(profile.rows()[0]) == doctest::Approx(operations));
  CHECK(profile.floor(profile.rows()[1]) == doctest::Approx(operations / 4));
  profile.set_ceilings({.flops = 1e9, .flops_16 = 1e9, .bytes = 1});
  CHECK(profile.floor(profile.rows()[1]) == doctest::Approx(bytes / 2));
}
