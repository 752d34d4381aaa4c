#include "exec/profile.h"

#include <doctest/doctest.h>

#include "exec/executor.h"
#include "ops/registry.h"

using namespace dl;

TEST_CASE("a profile has a row for every node with its calls, and as many events in its trace") {
  Pool* pool = pool_create(2);
  TensorMap state;
  state["w"] = Tensor(DType::f32, {64, 32});
  Profile profile;
  {
    Executor ex(make_plan(parse_graph(R"(graph g
%0 = input x : f32[16,32]
%1 = parameter w : f32[64,32]
%2 = affine(%0, %1) : f32[16,64] ; dense_1
%3 = relu(%2) : f32[16,64] ; relu_1
%4 = reshape(%3) {"shape":[1024]} : f32[1024] ; flat
output y %4)",
                                      find_op),
                          {}),
                pool, state);
    const Tensor x(DType::f32, {16, 32});
    ex.feed("x", x);
    ex.report_to(&profile, "step");
    ex.run();
    ex.run();
    ex.report_to(nullptr, {});
    ex.run();
  }
  profile.set_ceilings(measure_ceilings(pool, best_isa()));
  pool_destroy(pool);
  REQUIRE(profile.rows().size() == 2);
  const Profile::Row& r = profile.rows()[0];
  CHECK(r.kernel == "affine");
  CHECK(r.layer == "dense_1");
  CHECK(r.note == "relu");
  CHECK(r.calls == 2);
  CHECK(r.flops == 2 * 16 * 32 * 64);
  CHECK(r.bytes == 4 * (16 * 32 + 64 * 32 + 16 * 64));
  CHECK(r.seconds >= 2 * r.least);
  CHECK(r.least > 0);
  CHECK(profile.roofline(r) > 0);
  const json figures = profile.figures();
  CHECK(figures["nodes"].size() == 1);  // a view does nothing
  CHECK(figures["machine"]["flops_per_second"].get<double>() > 1e9);
  CHECK(figures["machine"]["bytes_per_second"].get<double>() > 1e8);
  const json trace = json::parse(profile.trace());
  CHECK(trace["traceEvents"].size() == 2);
  CHECK(trace["traceEvents"][1]["ts"].get<double>() >= trace["traceEvents"][0]["dur"].get<double>());
  CHECK(profile.table().find("affine (relu)") != std::string::npos);
}
