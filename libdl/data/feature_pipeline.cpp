#include "data/feature_pipeline.h"

#include <algorithm>

#include "base/error.h"
#include "base/str.h"

namespace dl {

namespace {

bool leads(const std::string& type) {
  return type == "impute" || type == "outliers" || type == "one_hot" || type == "ordinal" || type == "hash";
}

template <class Options>
Typed<TransformKind> transform(const std::string& type, Options options) {
  return {type, make_attrs(std::move(options))};
}

// The columns that a step of encoding names; nullptr: it is none.
const ColumnNames* encodes(const Typed<TransformKind>& t) {
  if (t.type == "one_hot") return &t.as<OneHotOptions>().columns;
  if (t.type == "ordinal") return &t.as<OrdinalOptions>().columns;
  return nullptr;
}

bool is_encoded(const Transforms& list, const std::string& name) {
  return std::any_of(list.begin(), list.end(), [&](const Typed<TransformKind>& t) {
    const ColumnNames* named = encodes(t);
    return named && (named->empty() || std::any_of(named->begin(), named->end(),
                                                   [&](const std::string& p) { return matches(p, name); }));
  });
}

}  // namespace

std::vector<std::string> hashed_columns(const Transforms& list) {
  std::vector<std::string> out;
  for (const auto& t : list)
    if (t.type == "hash")
      for (const std::string& name : t.as<HashOptions>().columns) out.push_back(name);
  return out;
}

bool has_impute(const Transforms& list) {
  return std::any_of(list.begin(), list.end(), [](const auto& t) { return t.type == "impute"; });
}

FeaturePipeline::FeaturePipeline(const Transforms& list, FeatureColumns raw, int64_t classes, Impute impute,
                                 Encoding encoding)
    : raw_(std::move(raw)), classes_(classes) {
  if (!has_impute(list) && (impute == Impute::mean || impute == Impute::zero)) {
    ImputeOptions o;
    o.with = impute == Impute::mean ? ImputeWith::mean : ImputeWith::constant;
    add(transform("impute", o), "/prep/from/impute");
  }
  size_t i = 0;
  for (; i < list.size() && leads(list[i].type); ++i) add(list[i], str("/prep/transforms/", i));
  ColumnNames rest;
  for (const FeatureColumn& c : raw_)
    if (c.kind == FeatureColumn::Kind::category && !is_encoded(list, c.name)) rest.push_back(c.name);
  if (!rest.empty() && encoding == Encoding::one_hot)
    add(transform("one_hot", OneHotOptions{rest, false}), "/prep/from/encoding");
  if (!rest.empty() && encoding == Encoding::index)
    add(transform("ordinal", OrdinalOptions{rest, {}}), "/prep/from/encoding");
  for (; i < list.size(); ++i) add(list[i], str("/prep/transforms/", i));
}

FeaturePipeline::FeaturePipeline(const json& stored, const std::string& where) {
  try {
    raw_ = parse_columns(stored.at("columns"), where);
    classes_ = stored.at("classes").get<int64_t>();
    FeatureColumns now = raw_;
    for (const json& j : stored.at("steps")) {
      Typed<TransformKind> t;
      FieldType<Typed<TransformKind>>::parse(t, j.at("options"), "", {});
      add(t, j.at("pointer").get<std::string>());
      steps_.back()->open(now, classes_);
      steps_.back()->restore(j.at("constants"));
      now = steps_.back()->columns();
    }
  } catch (const json::exception&) {
    throw Error(Exit::data, str(where, ": the preparation that is stored in it is damaged"));
  }
}

void FeaturePipeline::add(const Typed<TransformKind>& transform, const std::string& pointer) {
  transforms_.push_back(transform);
  steps_.push_back(make_step(transform, pointer));
}

bool FeaturePipeline::learns() const {
  return std::any_of(steps_.begin(), steps_.end(), [](const auto& s) { return s->learns(); });
}

void FeaturePipeline::fit(const std::function<void(const RowSink&)>& training_rows) {
  FeatureColumns now = raw_;
  for (size_t s = 0; s < steps_.size(); ++s) {
    FeatureStep& step = *steps_[s];
    step.open(now, classes_);
    if (step.learns()) {
      std::vector<double> row;
      training_rows([&](const FeatureRow& in) {
        row.assign(in.x.begin(), in.x.end());
        if (run(row, s)) step.fit({row, in.label, in.value});
      });
      step.end_fit();
    }
    now = step.columns();
    if (now.empty()) throw Error(Exit::config, step.pointer, "leaves no column for the features");
  }
}

bool FeaturePipeline::run(std::vector<double>& row, size_t steps) const {
  bool keep = true;
  for (size_t s = 0; s < steps; ++s) keep = steps_[s]->apply(row) && keep;
  return keep;
}

bool FeaturePipeline::apply(std::vector<double>& row) const {
  const bool keep = run(row, steps_.size());
  for (size_t c = 0; c < row.size(); ++c)
    if (!std::isfinite(static_cast<float>(row[c]))) {
      const std::string name = columns()[c].name;
      if (std::isnan(row[c]))
        throw Error(Exit::data,
                    str("column '", name, "' is missing, expected a value, or an impute step for it"));
      throw Error(Exit::data, str("column '", name, "' becomes ", number(row[c]),
                                  ", expected a number that fits into 32 bits"));
    }
  return keep;
}

FeatureColumns FeaturePipeline::columns() const { return steps_.empty() ? raw_ : steps_.back()->columns(); }

bool FeaturePipeline::keeps_shape() const {
  return std::all_of(steps_.begin(), steps_.end(), [](const auto& s) { return s->keeps_shape(); });
}

json FeaturePipeline::dump() const {
  json steps = json::array();
  for (size_t s = 0; s < steps_.size(); ++s)
    steps.push_back({{"options", FieldType<Typed<TransformKind>>::dump(transforms_[s])},
                     {"pointer", steps_[s]->pointer},
                     {"constants", steps_[s]->constants()}});
  return {{"columns", dump_columns(raw_)}, {"classes", classes_}, {"steps", steps}};
}

json FeaturePipeline::report() const {
  json out = json::array();
  for (size_t s = 0; s < steps_.size(); ++s) {
    json line{{"step", steps_[s]->pointer}, {"type", transforms_[s].type}};
    line.update(steps_[s]->report());
    out.push_back(std::move(line));
  }
  return out;
}

}  // namespace dl
