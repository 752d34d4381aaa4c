#include "io/csv.h"

#include "fuzz/fuzz.h"

using namespace dl;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return expect_user_error([&] {
    const FuzzFile file(data, size);
    CsvReader reader(file.path());
    std::vector<std::string_view> fields;
    double value = 0;
    while (reader.next(fields))
      for (std::string_view field : fields) read_number(field, value);
  });
}
