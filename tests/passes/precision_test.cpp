#include "passes/precision.h"

#include <doctest/doctest.h>

#include "ops/registry.h"
#include "passes/passes.h"

using namespace dl;

static Graph network() {
  return parse_graph(R"(graph g
%0 = input x : f32[2,3]
%1 = parameter w : f32[4,3]
%2 = parameter b : f32[4]
%3 = affine(%0, %1, %2) : f32[2,4] ; a
%4 = relu(%3) : f32[2,4] ; r
%5 = softmax(%4) : f32[2,4] ; s
%6 = reduce_sum(%4) {"axes":[0]} : f32[4] ; sum
output y %5
output z %6)",
                     find_op);
}

TEST_CASE("on a device products and what follows them take 16 bits, the rest f32") {
  const Graph g = precise(network(), Precision::bf16, true);
  verify(g);
  CHECK(print(g) == R"(graph g
%0 = input x : f32[2,3]
%1 = parameter w : f32[4,3]
%2 = parameter b : f32[4]
%3 = cast(%0) {"to":"bf16"} : bf16[2,3] ; a
%4 = cast(%1) {"to":"bf16"} : bf16[4,3] ; a
%5 = affine(%3, %4, %2) : bf16[2,4] ; a
%6 = relu(%5) : bf16[2,4] ; r
%7 = cast(%6) : f32[2,4] ; r
%8 = softmax(%7) : f32[2,4] ; s
%9 = reduce_sum(%6) {"axes":[0]} : f32[4] ; sum
output y %8
output z %9
)");
}

TEST_CASE("the CPU rounds in the same places") {
  const Graph g = precise(network(), Precision::f16, false);
  verify(g);
  CHECK(print(g) == R"(graph g
%0 = input x : f32[2,3]
%1 = parameter w : f32[4,3]
%2 = parameter b : f32[4]
%3 = round_to(%0) {"to":"f16"} : f32[2,3] ; a
%4 = round_to(%1) {"to":"f16"} : f32[4,3] ; a
%5 = affine(%3, %4, %2) : f32[2,4] ; a
%6 = round_to(%5) {"to":"f16"} : f32[2,4] ; a
%7 = relu(%6) : f32[2,4] ; r
%8 = round_to(%7) {"to":"f16"} : f32[2,4] ; r
%9 = softmax(%8) : f32[2,4] ; s
%10 = reduce_sum(%8) {"axes":[0]} : f32[4] ; sum
output y %9
output z %10
)");
}

TEST_CASE("f32 and tf32 leave the graph as it is") {
  const std::string before = print(network());
  CHECK(print(precise(network(), Precision::f32, true)) == before);
  CHECK(print(precise(network(), Precision::tf32, true)) == before);
}

TEST_CASE("products of devices stay channels last, whatever the channels") {
  const Graph g = layout(parse_graph(R"(graph g
%0 = input x : f32[2,3,5,5]
%1 = parameter w : f32[10,3,3,3]
%2 = conv2d(%0, %1) : f32[2,10,3,3] ; c
%3 = relu(%2) : f32[2,10,3,3] ; r
%4 = reduce_mean(%3) {"axes":[2,3]} : f32[2,10] ; m
output y %4)",
                                     find_op),
                         {.channels_last = true});
  verify(g);
  CHECK(print(g) == R"(graph g
%0 = input x : f32[2,3,5,5]
%1 = parameter w : f32[10,3,3,3]
%2 = to_blocked(%0) {"channels_last":true} : f32[2,1,5,5,8] ; c
%3 = conv2d(%2, %1) {"algorithm":"channels_last"} : f32[2,1,3,3,16] ; c
%4 = relu(%3) : f32[2,1,3,3,16] ; r
%5 = reduce_mean(%4) {"axes":[2,3]} : f32[2,1,16] ; m
%6 = reshape(%5) {"shape":[2,16]} : f32[2,16] ; m
%7 = slice(%6) {"axis":1,"end":10} : f32[2,10] ; m
output y %7
)");
}
