#include "data/dataset.h"

#include <algorithm>
#include <vector>

#include "fuzz/fuzz.h"

using namespace dl;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return expect_user_error([&] {
    const FuzzFile file(data, size);
    DatasetOptions options;
    options.memory = 1 << 20;
    const Dataset set(file.path(), options);
    for (const std::string& split : set.splits()) {
      const int64_t rows = std::min<int64_t>(64, set.rows(split));
      std::vector<Memory> columns;
      std::vector<void*> out;
      for (size_t c = 0; c < set.schema().columns(); ++c) {
        columns.emplace_back(static_cast<size_t>(set.schema().column_type(c).bytes() * rows));
        out.push_back(columns.back().data());
      }
      set.read(split, 0, rows, out);
      set.ids(split, 0, rows);
    }
  });
}
