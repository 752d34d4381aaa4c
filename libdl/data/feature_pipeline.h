#pragma once
// The steps between the columns of the input and the features of the data set, fitted one after the other to the training
// part and kept in the data set so that further files can go the same way.
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/export.h"
#include "data/feature_step.h"
#include "data/prep_config.h"

namespace dl {

class DL_API FeaturePipeline {
 public:
  // `raw` are the columns that rows have at first, `classes` those of the target (0: a number). Missing values that no
  // impute step of the list is for are imputed first as `impute` says; categories that no step of the list encodes are
  // encoded as `encoding` says, behind the impute, outliers and encoding steps that the list begins with.
  FeaturePipeline(const Transforms& list, FeatureColumns raw, int64_t classes, Impute impute,
                  Encoding encoding);
  // As dump() said. `where` names the file in messages (Exit::data).
  FeaturePipeline(const json& stored, const std::string& where);

  const FeatureColumns& raw_columns() const { return raw_; }
  bool learns() const;
  using RowSink = std::function<void(const FeatureRow&)>;
  // `training_rows` is called once for each step that learns and passes every row of the training part to the sink; a
  // row that the sink refuses throws Error (data).
  void fit(const std::function<void(const RowSink&)>& training_rows);
  // Changes one row. False: a training row that should be left out. Error (data): a value that a step cannot take, or a
  // result that is missing or not finite.
  bool apply(std::vector<double>& row) const;
  FeatureColumns columns() const;  // after fit()
  bool keeps_shape() const;
  json dump() const;
  json report() const;  // an array: what each step did

 private:
  void add(const Typed<TransformKind>& transform, const std::string& pointer);
  bool run(std::vector<double>& row, size_t steps) const;

  FeatureColumns raw_;
  int64_t classes_ = 0;
  Transforms transforms_;  // one for each step
  std::vector<std::unique_ptr<FeatureStep>> steps_;
};

// Columns of text that the list takes by their hash.
std::vector<std::string> hashed_columns(const Transforms& list);
bool has_impute(const Transforms& list);

}  // namespace dl
