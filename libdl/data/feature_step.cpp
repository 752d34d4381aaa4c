#include "data/feature_step.h"

#include <algorithm>

#include "base/error.h"
#include "base/str.h"

namespace dl {

namespace {

constexpr std::string_view kKinds[] = {"number", "category", "hashed", "indicator"};

}  // namespace

json dump_columns(const FeatureColumns& columns) {
  json out = json::array();
  for (const FeatureColumn& c : columns) {
    out.push_back({{"name", c.name}, {"kind", kKinds[static_cast<size_t>(c.kind)]}});
    if (!c.categories.empty()) out.back()["categories"] = c.categories;
  }
  return out;
}

FeatureColumns parse_columns(const json& j, const std::string& where) {
  FeatureColumns out;
  try {
    for (const json& c : j) {
      const auto kind = std::find(std::begin(kKinds), std::end(kKinds), c.at("kind").get<std::string>());
      if (kind == std::end(kKinds)) throw Error(Exit::data, str(where, ": has a column of an unknown kind"));
      out.push_back({c.at("name").get<std::string>(),
                     static_cast<FeatureColumn::Kind>(kind - std::begin(kKinds)),
                     c.value("categories", std::vector<std::string>())});
    }
  } catch (const json::exception&) { throw Error(Exit::data, str(where, ": its columns are damaged")); }
  return out;
}

bool matches(const std::string& pattern, const std::string& name) {
  if (pattern == name) return true;
  return pattern.ends_with('*') && name.starts_with(pattern.substr(0, pattern.size() - 1));
}

std::vector<double> numbers_of(const json& constants, const char* key, size_t count) {
  std::vector<double> out;
  if (const auto it = constants.find(key); it != constants.end() && it->is_array())
    for (const json& v : *it)
      if (v.is_number()) out.push_back(v.get<double>());
  if (out.size() != count)
    throw Error(Exit::data, str("the preparation that is stored in the data set has ", out.size(),
                                " numbers '", key, "', expected ", count));
  return out;
}

void FeatureStep::open(const FeatureColumns& in, int64_t classes) {
  in_ = in;
  classes_ = classes;
  at_.clear();
  std::vector<bool> taken(in.size());
  for (size_t w = 0; w < wanted_.size(); ++w) {
    bool found = false;
    for (size_t c = 0; c < in.size(); ++c) {
      if (!matches(wanted_[w], in[c].name)) continue;
      found = true;
      if (!takes_[static_cast<size_t>(in[c].kind)])
        throw Error(Exit::config, str(pointer, "/columns/", w),
                    str("is '", in[c].name, "', a column of kind ", kKinds[static_cast<size_t>(in[c].kind)],
                        ", which this step cannot take"),
                    in[c].kind == FeatureColumn::Kind::number && takes_[1]
                        ? "to take its numbers as categories, name it in prep.from.categorical"
                        : "");
      taken[c] = true;
    }
    std::vector<std::string> known;
    for (const FeatureColumn& c : in) known.push_back(c.name);
    const auto near = closest(wanted_[w], known);
    if (!found)
      throw Error(Exit::config, str(pointer, "/columns/", w),
                  str("is '", wanted_[w], "', but no column at this step is called so"),
                  near.empty() ? "" : str("did you mean ", join(near, ", or "), "?"));
  }
  for (size_t c = 0; c < in.size(); ++c)
    if (wanted_.empty() ? takes_[static_cast<size_t>(in[c].kind)] : taken[c]) at_.push_back(c);
  opened();
}

void FeatureStep::fail(const std::string& what) const { throw Error(Exit::config, pointer, what); }

double FeatureStep::complete(std::span<const double> row, size_t k) const {
  const double v = row[at_[k]];
  if (std::isnan(v))
    throw Error(Exit::data,
                str("column '", name(k), "' is missing at ", pointer, ", expected an impute step before it"));
  return v;
}

std::unique_ptr<FeatureStep> make_step(const Typed<TransformKind>& t, const std::string& pointer) {
  std::unique_ptr<FeatureStep> step;
  if (t.type == "impute") step = make_impute(t.as<ImputeOptions>());
  if (t.type == "outliers") step = make_outliers(t.as<OutlierOptions>());
  if (t.type == "one_hot") step = make_one_hot(t.as<OneHotOptions>());
  if (t.type == "ordinal") step = make_ordinal(t.as<OrdinalOptions>());
  if (t.type == "hash") step = make_hash(t.as<HashOptions>());
  if (t.type == "bin") step = make_bin(t.as<BinOptions>());
  if (t.type == "unit_norm") step = make_unit_norm(t.as<UnitNormOptions>());
  if (t.type == "polynomial") step = make_polynomial(t.as<PolynomialOptions>());
  if (t.type == "pca") step = make_pca(t.as<PcaOptions>());
  if (t.type == "zca") step = make_zca(t.as<ZcaOptions>());
  if (t.type == "lda") step = make_lda(t.as<LdaOptions>());
  if (t.type == "select") step = make_select(t.as<SelectOptions>());
  if (!step) step = make_scale(t.type, t);
  step->pointer = pointer;
  return step;
}

}  // namespace dl
