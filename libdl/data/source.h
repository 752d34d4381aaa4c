#pragma once
// Where the records of a new data set come from: files of some format, or a formula. Records are read in order, a block
// at a time, so memory does not grow with the input.
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/export.h"
#include "data/bad_records.h"
#include "data/prep_config.h"
#include "data/schema.h"
#include "data/table_plan.h"
#include "tensor/tensor.h"

namespace dl {

// A block of records; bad ones are left out.
struct Rows {
  Rows(const Schema& schema, int64_t capacity);
  int64_t capacity, count = 0;
  std::vector<Tensor> columns;   // inputs, then targets, `capacity` rows each
  std::vector<std::string> ids;  // capacity
  std::vector<int64_t> index;    // number of the record in its source, bad ones counted
  uint8_t* row(size_t column, int64_t i);
  void clear() { count = 0; }
};
// Rows that fit into about 4 MiB, at least one.
int64_t block_rows(const Schema& schema);

struct SourceScan {
  int64_t records = 0;                 // bad ones included where they cannot be told without decoding
  std::vector<int64_t> class_records;  // by class; empty for regression
};

class Source {
 public:
  virtual ~Source() = default;
  // What is known only after looking at everything: the number of records, classes, categories. To be called once, first.
  virtual SourceScan scan() = 0;
  virtual const Schema& schema() const = 0;  // after scan()
  // Appends records to `rows` until it is full; false when there are no more.
  virtual bool read(Rows& rows) = 0;
  virtual void rewind() = 0;
  // Further files (a test set) in the same form: same classes, same columns.
  virtual std::unique_ptr<Source> follow(std::span<const std::string> files) = 0;
  // Of a table: its plan, from which its rows' columns are known; else null.
  virtual const TablePlan* table() const { return nullptr; }
  // The texts of TableUse::aside, one for each record, bad ones included; by a pass of its own (rewind()
  // afterwards). Error (config): records have no columns.
  virtual std::vector<std::string> keys();
};

struct SourceContext {
  BadRecords* bad = nullptr;
  std::string tmp;
  uint64_t seed = 0;
  TableUse use;
};

// Error (config, data, usage) when the files do not suit the type. Resolves "auto"; `type` tells what was taken.
std::unique_ptr<Source> open_source(const Typed<SourceKind>& from, std::span<const std::string> files,
                                    const SourceContext& context, std::string& type);

// One for each format.
std::unique_ptr<Source> open_idx(const IdxOptions&, std::span<const std::string> files, const SourceContext&);
std::unique_ptr<Source> open_cifar(const CifarOptions&, bool hundred, std::span<const std::string> files,
                                   const SourceContext&);
std::unique_ptr<Source> open_folder(const FolderOptions&, std::span<const std::string> roots,
                                    const SourceContext&);
std::unique_ptr<Source> open_table(const TableOptions&, std::span<const std::string> files,
                                   const SourceContext&);
// Files that go the way of a plan that was made before. Columns go by their names where there is a header, and the target
// may be absent: then the schema has none.
std::unique_ptr<Source> open_table_like(const TableOptions&, TablePlan plan,
                                        std::span<const std::string> files, const SourceContext&);
std::unique_ptr<Source> open_digits(const DigitsOptions&, const SourceContext&);

// Class names from the config: a list of names, or how many; empty when it says nothing.
std::vector<std::string> class_names(const json& classes, const std::string& pointer);
std::vector<std::string> numbered(int64_t count);  // "0", "1", ...

}  // namespace dl
