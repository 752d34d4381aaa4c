#include "exec/executor.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "ops/registry.h"

using namespace dl;

namespace {

struct PoolOf {
  explicit PoolOf(int threads) : pool(pool_create(threads)) {}
  ~PoolOf() { pool_destroy(pool); }
  Pool* pool;
};

Graph two_layers() {
  return parse_graph(R"(graph g
%0 = input x : f32[2,3]
%1 = parameter w : f32[4,3]
%2 = parameter b : f32[4]
%3 = affine(%0, %1, %2) : f32[2,4] ; dense_1 @/model/layers/0
%4 = relu(%3) : f32[2,4] ; relu_1 @/model/layers/1
output y %4)",
                     find_op);
}

TensorMap some_state() {
  TensorMap state;
  state["w"] = Tensor(DType::f32, {4, 3});
  state["b"] = Tensor(DType::f32, {4});
  for (int i = 0; i < 12; ++i) state["w"].data<float>()[size_t(i)] = 0.25f * float(i) - 1;
  for (int i = 0; i < 4; ++i) state["b"].data<float>()[size_t(i)] = 0.5f - float(i);
  return state;
}

}  // namespace

TEST_CASE("the executor computes the network, with passes and without") {
  for (bool passes : {true, false}) {
    PoolOf p(2);
    TensorMap state = some_state();
    PlanOptions options;
    if (!passes) options.passes.off = {"simplify", "fuse", "schedule", "in_place"};
    Executor ex(make_plan(two_layers(), options), p.pool, state);
    CHECK(ex.graph().nodes.size() == (passes ? 1 : 2));
    Tensor x(DType::f32, {2, 3});
    for (size_t i = 0; i < 6; ++i) x.data<float>()[i] = float(i) - 2;
    ex.feed("x", x);
    ex.run();
    const auto* y = static_cast<const float*>(ex.output("y"));
    for (int r = 0; r < 2; ++r)
      for (int c = 0; c < 4; ++c) {
        double want = 0.5 - c;
        for (int k = 0; k < 3; ++k) want += (0.25 * (c * 3 + k) - 1) * (r * 3 + k - 2);
        CHECK(y[r * 4 + c] == doctest::Approx(std::max(want, 0.0)));
      }
  }
}

TEST_CASE("a wrong or missing tensor is named before anything runs") {
  PoolOf p(1);
  TensorMap state = some_state();
  state["b"] = Tensor(DType::f32, {5});
  CHECK_THROWS_WITH_AS(Executor(make_plan(two_layers(), {}), p.pool, state),
                       "'b' is f32[5], the network expects f32[4]", Error);
  state.erase("b");
  CHECK_THROWS_WITH_AS(Executor(make_plan(two_layers(), {}), p.pool, state), "no value for parameter 'b'",
                       Error);
  state = some_state();
  Executor ex(make_plan(two_layers(), {}), p.pool, state);
  CHECK_THROWS_WITH_AS(ex.feed("x", Tensor(DType::f32, {3, 3})),
                       "input 'x' is f32[3,3], the network expects f32[2,3]", Error);
}

TEST_CASE("a non-finite value is traced to the first layer that makes it") {
  PoolOf p(1);
  TensorMap state = some_state();
  PlanOptions options;
  options.passes.off = {"fuse"};
  Executor ex(make_plan(two_layers(), options), p.pool, state);
  Tensor x(DType::f32, {2, 3});
  for (float& v : x.data<float>()) v = 1e38f;
  state["w"].data<float>()[0] = 1e38f;
  ex.feed("x", x);
  ex.run();
  const Executor::Culprit c = ex.find_non_finite(ex.end_of("y"));
  CHECK(c.what == "layer 'dense_1' (affine)");
  CHECK(c.origin == "/model/layers/0");
}

TEST_CASE("a batch that is larger than the caches runs in parts and gives the same bits") {
  const Graph g = parse_graph(R"(graph g
%0 = input x : f32[5,3,192,256]
%1 = parameter w : f32[16,3,1,1]
%2 = conv2d(%0, %1) {} : f32[5,16,192,256] ; conv2d_1
%3 = relu(%2) : f32[5,16,192,256] ; relu_1
%4 = max_pool2d(%3) {"kernel":[4,4],"stride":[4,4]} : f32[5,16,48,64] ; max_pool2d_1
%5 = avg_pool2d(%3) {"kernel":[4,4],"stride":[4,4]} : f32[5,16,48,64] ; avg_pool2d_1
%6 = concat(%4, %5) {"axis":1} : f32[5,32,48,64] ; concat_1
%7 = reduce_mean(%6) {"axes":[2,3]} : f32[5,32] ; mean
output y %7
output pooled %4)",
                              find_op);
  std::vector<Tensor> want;
  for (const bool split : {false, true}) {
    PoolOf p(2);
    TensorMap state;
    state["w"] = Tensor(DType::f32, {16, 3, 1, 1});
    for (size_t i = 0; i < 48; ++i) state["w"].data<float>()[i] = 0.1f * float(i % 7) - 0.25f;
    PlanOptions options;
    if (!split) options.passes.off = {"split_batch"};
    Executor ex(make_plan(g, options), p.pool, state);
    const auto& nodes = ex.graph().nodes;
    const auto slices =
        std::count_if(nodes.begin(), nodes.end(), [](const Node& n) { return n.op == &op::slice; });
    CHECK(slices == (split ? 5 : 0));  // one sample at a time
    Tensor x(DType::f32, {5, 3, 192, 256});
    for (size_t i = 0; i < x.data<float>().size(); ++i) x.data<float>()[i] = float(i % 1013) / 500 - 1;
    ex.feed("x", x);
    ex.run();
    size_t k = 0;
    for (const char* name : {"y", "pooled"}) {
      const Tensor got(ex.output_type(name));
      std::memcpy(const_cast<void*>(got.raw()), ex.output(name), static_cast<size_t>(got.bytes()));
      if (split)
        CHECK(std::memcmp(got.raw(), want[k++].raw(), static_cast<size_t>(got.bytes())) == 0);
      else
        want.push_back(got);
    }
  }
}

TEST_CASE("executors that share an arena, which grows and moves, give what they give alone") {
  PoolOf p(2);
  TensorMap state = some_state();
  const auto arena = std::make_shared<Arena>();
  Executor small(make_plan(two_layers(), {}), p.pool, state, 0, arena);
  Graph wide = parse_graph(R"(graph g
%0 = input x : f32[2,3]
%1 = parameter w : f32[4,3]
%2 = tanh(%1) : f32[4,3] ; hoisted
%3 = matmul(%0, %2) {"trans_b":true} : f32[2,4] ; product
%4 = exp(%3) : f32[2,4] ; exp
%5 = concat(%3, %4, %3, %4, %3, %4, %3, %4) {"axis":0} : f32[16,4] ; wide
%6 = concat(%5, %5, %5, %5) {"axis":0} : f32[64,4] ; wider
output y %6)",
                           find_op);
  Executor large(make_plan(wide, {}), p.pool, state, 0, arena), alone(make_plan(wide, {}), p.pool, state);
  CHECK(large.plan().prologue == 1);
  CHECK(large.plan().memory.arena_bytes > small.plan().memory.arena_bytes);
  CHECK(arena->bytes() >= size_t(large.plan().memory.arena_bytes));
  Tensor x(DType::f32, {2, 3});
  for (size_t i = 0; i < 6; ++i) x.data<float>()[i] = float(i) - 2;
  for (Executor* ex : {&small, &large, &alone}) ex->feed("x", x);
  alone.run();
  const auto* want = static_cast<const float*>(alone.output("y"));
  for (int turn = 0; turn < 3; ++turn) {
    small.run();
    CHECK(static_cast<const float*>(small.output("y"))[0] == doctest::Approx(3.25));
    large.run();
    for (int i = 0; i < 256; ++i) CHECK(static_cast<const float*>(large.output("y"))[i] == want[i]);
  }
}
