#include "passes/passes.h"

#include <doctest/doctest.h>

#include "ops/registry.h"
#include "passes/memory.h"

using namespace dl;

static Graph parse(const std::string& text) {
  Graph g = parse_graph(text, find_op);
  verify(g);
  return g;
}

TEST_CASE("simplify drops unused nodes, merges equal ones and removes reshapes to the same shape") {
  const Graph g = simplify(parse(R"(graph g
%0 = input x : f32[2,3]
%1 = relu(%0) : f32[2,3] ; a
%2 = relu(%0) : f32[2,3] ; b
%3 = reshape(%2) {"shape":[2,3]} : f32[2,3] ; c
%4 = relu_grad(%1, %3) : f32[2,3] ; d
%5 = relu(%4) : f32[2,3] ; unused
output y %4)"));
  CHECK(print(g) == R"(graph g
%0 = input x : f32[2,3]
%1 = relu(%0) : f32[2,3] ; a
%2 = relu_grad(%1, %1) : f32[2,3] ; d
output y %2
)");
}

TEST_CASE(
    "fuse moves an activation into the affine that alone feeds it, and keeps one that something else reads") {
  const Graph g = fuse(parse(R"(graph g
%0 = input x : f32[2,3]
%1 = parameter w : f32[4,3]
%2 = parameter v : f32[5,4]
%3 = affine(%0, %1) : f32[2,4] ; dense_1
%4 = relu(%3) : f32[2,4] ; relu_1
%5 = affine(%4, %2) : f32[2,5] ; dense_2
%6 = relu(%5) : f32[2,5] ; relu_2
output pre %5
output y %6)"));
  CHECK(print(g) == R"(graph g
%0 = input x : f32[2,3]
%1 = parameter w : f32[4,3]
%2 = parameter v : f32[5,4]
%3 = affine(%0, %1) {"activation":"relu"} : f32[2,4] ; dense_1
%4 = affine(%3, %2) : f32[2,5] ; dense_2
%5 = relu(%4) : f32[2,5] ; relu_2
output pre %4
output y %5
)");
}

TEST_CASE("fuse moves the mask of an activation's gradient into the product that feeds it") {
  const Graph g = fuse(parse(R"(graph g
%0 = input y : f32[2,4]
%1 = input dz : f32[2,5]
%2 = parameter w : f32[5,4]
%3 = matmul(%1, %2) : f32[2,4] ; dense_2
%4 = relu_grad(%0, %3) : f32[2,4] ; relu_1
output dx %4)"));
  CHECK(print(g) == R"(graph g
%0 = input y : f32[2,4]
%1 = input dz : f32[2,5]
%2 = parameter w : f32[5,4]
%3 = matmul(%1, %2, %0) {"epilogue":"relu_grad"} : f32[2,4] ; dense_2
output dx %3
)");
}

TEST_CASE(
    "fuse moves a sum and a relu into the later of two batch norms, and the relu's mask into its gradient") {
  const Graph sum = fuse(parse(R"(graph g
%0 = input x : f32[2,3]
%1 = parameter p : f32[3]
%2, %3, %4, %5, %6 = batch_norm(%0, %1, %1, %1, %1) : f32[2,3], f32[3], f32[3], f32[3], f32[3] ; a
%7, %8, %9, %10, %11 = batch_norm(%0, %1, %1, %1, %1) : f32[2,3], f32[3], f32[3], f32[3], f32[3] ; b
%12 = add(%7, %2) : f32[2,3] ; sum
%13 = relu(%12) : f32[2,3] ; relu
output y %13)"));
  CHECK(print(sum) == R"(graph g
%0 = input x : f32[2,3]
%1 = parameter p : f32[3]
%2, %3, %4, %5, %6 = batch_norm(%0, %1, %1, %1, %1) : f32[2,3], f32[3], f32[3], f32[3], f32[3] ; a
%7, %8, %9, %10, %11 = batch_norm(%0, %1, %1, %1, %1, %2) {"activation":"relu"} : f32[2,3], f32[3], f32[3], f32[3], f32[3] ; b
output y %7
)");
  const Graph mask = fuse(parse(R"(graph g
%0 = input x : f32[2,3]
%1 = input dy : f32[2,3]
%2 = parameter gamma : f32[3]
%3 = parameter beta : f32[3]
%4 = parameter p : f32[3]
%5, %6, %7, %8, %9 = batch_norm(%0, %2, %3, %4, %4) : f32[2,3], f32[3], f32[3], f32[3], f32[3] ; a
%10 = relu(%5) : f32[2,3] ; relu
%11 = relu_grad(%10, %1) : f32[2,3] ; relu
%12, %13, %14 = batch_norm_grad(%0, %11, %2, %6, %7) : f32[2,3], f32[3], f32[3] ; a
output dx %12)"));
  CHECK(print(mask) == R"(graph g
%0 = input x : f32[2,3]
%1 = input dy : f32[2,3]
%2 = parameter gamma : f32[3]
%3 = parameter beta : f32[3]
%4 = parameter p : f32[3]
%5, %6, %7, %8, %9 = batch_norm(%0, %2, %3, %4, %4) {"activation":"relu"} : f32[2,3], f32[3], f32[3], f32[3], f32[3] ; a
%10, %11, %12 = batch_norm_grad(%0, %1, %2, %6, %7, %3) {"activation":"relu"} : f32[2,3], f32[3], f32[3] ; a
output dx %10
)");
}

TEST_CASE(
    "fuse moves a sum and a relu's mask into the gradient of a blocked convolution, not of one by im2col") {
  const std::string leaves = R"(graph g
%0 = input y : f32[2,1,4,4,16]
%1 = input r : f32[2,1,4,4,16]
%2 = input dz : f32[2,2,4,4,16]
%3 = parameter w : f32[20,16,3,3]
)";
  CHECK(
      print(fuse(parse(
          leaves +
          R"(%4 = conv2d_grad_input(%3, %2) {"pads":1,"shape":[2,16,4,4],"algorithm":"direct"} : f32[2,1,4,4,16] ; c
%5 = add(%1, %4) : f32[2,1,4,4,16] ; sum
%6 = relu_grad(%0, %5) : f32[2,1,4,4,16] ; relu
output dx %6)"))) ==
      leaves +
          R"(%4 = conv2d_grad_input(%3, %2, %1, %0) {"pads":[1,1,1,1],"shape":[2,16,4,4],"algorithm":"direct"} : f32[2,1,4,4,16] ; c
output dx %4
)");
  const std::string images = R"(graph g
%0 = input y : f32[2,16,4,4]
%1 = input dz : f32[2,20,4,4]
%2 = parameter w : f32[20,16,3,3]
%3 = conv2d_grad_input(%2, %1) {"pads":[1,1,1,1],"shape":[2,16,4,4]} : f32[2,16,4,4] ; c
%4 = relu_grad(%0, %3) : f32[2,16,4,4] ; relu
output dx %4
)";
  CHECK(print(fuse(parse(images))) == images);
}

TEST_CASE("layout keeps a chain in blocked form with one conversion at its end") {
  const Graph g = parse(R"(graph g
%0 = input x : f32[2,3,8,8]
%1 = parameter w1 : f32[20,3,3,3]
%2 = parameter w2 : f32[32,20,3,3]
%3 = conv2d(%0, %1) {"pads":[1,1,1,1]} : f32[2,20,8,8] ; conv_1
%4 = relu(%3) : f32[2,20,8,8] ; relu
%5 = conv2d(%4, %2) {"pads":[1,1,1,1]} : f32[2,32,8,8] ; conv_2
%6 = max_pool2d(%5) {"kernel":[2,2],"stride":[2,2]} : f32[2,32,4,4] ; pool
%7 = reshape(%6) {"shape":[2,512]} : f32[2,512] ; flatten
%8 = reduce_mean(%6) {"axes":[2,3]} : f32[2,32] ; mean
output flat %7
output mean %8)");
  const Graph with = layout(g), without = layout(g, {.winograd = false});
  verify(with);
  CHECK(print(with) == R"(graph g
%0 = input x : f32[2,3,8,8]
%1 = parameter w1 : f32[20,3,3,3]
%2 = parameter w2 : f32[32,20,3,3]
%3 = conv2d(%0, %1) {"pads":[1,1,1,1],"algorithm":"planar"} : f32[2,2,8,8,16] ; conv_1
%4 = relu(%3) : f32[2,2,8,8,16] ; relu
%5 = conv2d(%4, %2) {"pads":[1,1,1,1],"algorithm":"winograd"} : f32[2,2,8,8,16] ; conv_2
%6 = max_pool2d(%5) {"kernel":[2,2],"stride":[2,2]} : f32[2,2,4,4,16] ; pool
%7 = from_blocked(%6) {"channels":32} : f32[2,32,4,4] ; pool
%8 = reshape(%7) {"shape":[2,512]} : f32[2,512] ; flatten
%9 = reduce_mean(%6) {"axes":[2,3]} : f32[2,2,16] ; mean
%10 = reshape(%9) {"shape":[2,32]} : f32[2,32] ; mean
output flat %8
output mean %10
)");
  CHECK(print(without).find("winograd") == std::string::npos);
  CHECK(print(without).find(R"("algorithm":"direct")") != std::string::npos);
}

TEST_CASE("an elementwise node whose input dies writes over it, unless the input is an output or a leaf") {
  const Graph g = parse(R"(graph g
%0 = input x : f32[8]
%1 = relu(%0) : f32[8]
%2 = relu(%1) : f32[8]
%3 = relu(%2) : f32[8]
output keep %2
output y %3)");
  const std::vector<ValueId> alias = plan_in_place(g);
  CHECK(alias[1] == 1);  // its input is a leaf
  CHECK(alias[2] == 1);
  CHECK(alias[3] == 3);  // its input is an output
  CHECK(plan_in_place(g, false) == std::vector<ValueId>{0, 1, 2, 3});
}

TEST_CASE("blocks that are alive together never overlap and the arena is close to the lower bound") {
  std::string text = "graph g\n%0 = input x : f32[64]\n";
  int next = 1;
  for (int i = 0; i < 40; ++i, ++next)
    text += "%" + std::to_string(next) + " = relu(%" + std::to_string(i % 3 ? next - 1 : next / 2) +
            ") : f32[64] ; n" + std::to_string(i) + "\n";
  text += "output y %40\noutput z %7\n";
  const Graph g = parse(text.c_str());
  const std::vector<Scratch> scratch(g.nodes.size(), {128, false});
  const MemoryPlan plan = plan_memory(g, plan_in_place(g, false), scratch);
  CHECK(plan.arena_bytes >= plan.lower_bound);
  CHECK(plan.arena_bytes <= 2 * plan.lower_bound);
  std::vector<size_t> last(g.values.size());
  for (size_t k = 0; k < g.nodes.size(); ++k)
    for (ValueId x : g.nodes[k].in) last[size_t(x)] = k;
  for (const GraphOutput& o : g.outputs) last[size_t(o.value)] = g.nodes.size();
  for (size_t a = 1; a < g.values.size(); ++a)
    for (size_t b = a + 1; b < g.values.size(); ++b) {
      const size_t born = size_t(g.values[b].node);
      if (last[a] < born) continue;
      const bool apart = plan.offset[a] + 256 <= plan.offset[b] || plan.offset[b] + 256 <= plan.offset[a];
      CHECK_MESSAGE(apart, "values ", a, " and ", b);
    }
}

TEST_CASE("an unknown pass name is refused with the known ones") {
  PassOptions options;
  options.off = {"fuze"};
  CHECK_THROWS_WITH_AS(optimise(Graph{}, options),
                       "there is no pass 'fuze', expected one of fold, simplify, fuse, layout, winograd, "
                       "split_batch, recompute, schedule, hoist, in_place",
                       Error);
}
