// A program outside the project, as an installed libdl must serve it.
#include <iostream>

#include "ops/registry.h"

int main() {
  const dl::OpDef* relu = dl::find_op("relu");
  std::cout << (relu ? relu->name : "no relu") << '\n';
  return relu && dl::all_ops().size() == static_cast<size_t>(dl::OpId::count) ? 0 : 1;
}
