#include "graph/graph.h"

#include "fuzz/fuzz.h"
#include "ops/registry.h"

using namespace dl;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return expect_user_error([&] {
    const Graph graph = parse_graph(text_of(data, size), find_op);
    verify(graph);
    const std::string text = print(graph);
    if (print(parse_graph(text, find_op)) != text)
      throw std::logic_error("the text form does not parse back");
  });
}
