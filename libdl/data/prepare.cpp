#include "data/prepare.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "base/str.h"
#include "data/feature_pipeline.h"
#include "data/source.h"
#include "data/split.h"

namespace dl {

namespace {

// Files whose part is given, or the main ones, which are split.
struct Feed {
  std::unique_ptr<Source> source;
  std::string part;  // empty: it is split
};

FeatureColumns pixels(int64_t count) {
  FeatureColumns out;
  for (int64_t i = 0; i < count; ++i) out.push_back({std::to_string(i)});
  return out;
}

// Row i of a block as doubles.
void read_row(const Tensor& block, int64_t capacity, int64_t i, std::vector<double>& out) {
  const int64_t n = block.type().elements() / capacity;
  const auto copy = [&](const auto* first) { out.assign(first + i * n, first + (i + 1) * n); };
  if (block.type().dtype == DType::u8)
    copy(static_cast<const uint8_t*>(block.raw()));
  else if (block.type().dtype == DType::f32)
    copy(static_cast<const float*>(block.raw()));
  else
    copy(static_cast<const double*>(block.raw()));
}

}  // namespace

struct Preparation::Impl {
  PrepConfig config;
  PrepareOptions options;
  BadRecords bad;
  std::string type;
  std::vector<Feed> feeds;
  std::unique_ptr<Splitter> splitter;         // null: every feed has its part
  std::unique_ptr<FeaturePipeline> pipeline;  // null: inputs stay as they are
  Schema schema;
  std::unique_ptr<Statistics> statistics;
  int64_t records = 0, good = 0, dropped = 0;
  int fixed_place = 0;
  std::vector<double> row;
  std::vector<std::string> warnings;
  std::vector<std::string> parts;
  std::vector<Rows> staging;  // by part

  Source& main() { return *feeds[0].source; }
  int64_t rounds() const { return splitter ? splitter->rounds() : 0; }

  void warn_of_empty_classes(const SourceScan& scan) {
    if (main().schema().targets[0].kind != TargetKind::class_index) return;
    const auto& names = main().schema().targets[0].classes;
    for (size_t c = 0; c < scan.class_records.size(); ++c)
      if (scan.class_records[c] == 0)
        warnings.push_back(str("class '", names[c], "' (", c, ") has no record"));
  }

  void add_feed(const std::vector<std::string>& files, const std::string& part) {
    if (files.empty()) return;
    if (std::find(parts.begin(), parts.end(), part) != parts.end() || (part == "valid" && rounds() > 0))
      throw Error(Exit::config, "/prep/split",
                  str("holds out a ", part, " part, but files for it are given too (", files[0],
                      "), expected one of them"));
    feeds.push_back({main().follow(files), part});
    records += feeds.back().source->scan().records;
    parts.push_back(part);
  }

  int64_t label_of(const Rows& rows, int64_t i) {
    const Schema& s = main().schema();
    if (s.targets.empty() || s.targets[0].kind != TargetKind::class_index) return -1;
    int32_t label;
    std::memcpy(&label, static_cast<const char*>(rows.columns[s.inputs.size()].raw()) + 4 * i, 4);
    return label;
  }
  double value_of(const Rows& rows, int64_t i) {
    const Schema& s = main().schema();
    if (s.targets.empty() || s.targets[0].kind != TargetKind::regression) return 0;
    float v;
    std::memcpy(&v, static_cast<const char*>(rows.columns[s.inputs.size()].raw()) + 4 * i, 4);
    return static_cast<double>(v);
  }

  // Numbers of the parts that a record goes to.
  std::span<const int> places(const Feed& feed, const Rows& rows, int64_t i) {
    if (!feed.part.empty()) {
      fixed_place = static_cast<int>(std::find(parts.begin(), parts.end(), feed.part) - parts.begin());
      return {&fixed_place, 1};
    }
    const auto r = static_cast<size_t>(i);
    return splitter->places(rows.index[r], rows.ids[r], label_of(rows, i));
  }

  void make_pipeline() {
    const Schema& raw = main().schema();
    const TablePlan* table = main().table();
    if (!table && config.transforms.empty()) return;
    const FeatureColumns columns = table ? table->feature_columns() : pixels(raw.inputs[0].type.elements());
    const bool classes = raw.targets[0].kind == TargetKind::class_index;
    pipeline = std::make_unique<FeaturePipeline>(
        config.transforms, columns, classes ? static_cast<int64_t>(raw.targets[0].classes.size()) : 0,
        table ? table->impute : Impute::error,
        config.from.type == "csv" ? config.from.as<TableOptions>().encoding : Encoding::one_hot);
    if (pipeline->learns() && rounds() > 0)
      throw Error(Exit::config, "/prep/split",
                  str("makes ", rounds(), " training parts, but \"impute\" or \"transforms\" learn from one"),
                  "prepare one data set for each round: -s prep.split.fold=0, 1, ...");
    fit();
  }

  // Steps are fitted to the training part of the main files.
  void fit() {
    Source& source = main();
    Rows rows(source.schema(), block_rows(source.schema()));
    pipeline->fit([&](const FeaturePipeline::RowSink& sink) {
      source.rewind();
      splitter->rewind();
      bad.begin_pass(false);
      for (bool more = true; more; rows.clear()) {
        more = source.read(rows);
        for (int64_t i = 0; i < rows.count; ++i)
          for (int p : places(feeds[0], rows, i))
            if (parts[static_cast<size_t>(p)] == "train") learn(rows, i, sink);
      }
    });
    source.rewind();
    splitter->rewind();
  }

  void learn(const Rows& rows, int64_t i, const FeaturePipeline::RowSink& sink) {
    read_row(rows.columns[0], rows.capacity, i, row);
    try {
      sink({row, label_of(rows, i), value_of(rows, i)});
    } catch (const Error& e) {
      if (e.code != Exit::data) throw;
      bad.add(str("record '", rows.ids[static_cast<size_t>(i)], "': ", e.what()));
    }
  }

  // What the features become.
  void finish_schema() {
    schema = main().schema();
    if (!pipeline) return;
    Input& in = schema.inputs[0];
    const FeatureColumns columns = pipeline->columns();
    in.type.dtype = DType::f32;
    if (in.role == Role::image && pipeline->keeps_shape()) return;
    in.role = Role::features;
    in.type.shape = Shape{static_cast<int64_t>(columns.size())};
    in.columns.clear();
    for (const FeatureColumn& c : columns) in.columns.push_back(c.name);
  }

  void flush(size_t part, const RowSink& sink) {
    Rows& rows = staging[part];
    if (rows.count == 0) return;
    std::vector<const void*> columns;
    for (const Tensor& t : rows.columns) columns.push_back(t.raw());
    statistics->add(parts[part], columns, rows.count);
    if (sink)
      sink(parts[part], columns, std::span(rows.ids).first(static_cast<size_t>(rows.count)), rows.count);
    good += rows.count;
    rows.clear();
  }

  // Brings `row` from the raw columns to the features. False: a bad record.
  bool transform(const Rows& from, int64_t i, bool& keep) {
    read_row(from.columns[0], from.capacity, i, row);
    try {
      keep = pipeline->apply(row);
    } catch (const Error& e) {
      if (e.code != Exit::data) throw;
      bad.add(str("record '", from.ids[static_cast<size_t>(i)], "': ", e.what()));
      return false;
    }
    return true;
  }

  // `copy` counts the copies of a record that go to the same part.
  void stage(const Rows& from, int64_t i, size_t part, int64_t copy, const RowSink& sink) {
    Rows& to = staging[part];
    for (size_t c = pipeline ? 1 : 0; c < from.columns.size(); ++c) {
      const int64_t bytes = from.columns[c].bytes() / from.capacity;
      std::memcpy(to.row(c, to.count), static_cast<const uint8_t*>(from.columns[c].raw()) + i * bytes,
                  static_cast<size_t>(bytes));
    }
    if (pipeline) {
      auto* x = reinterpret_cast<float*>(to.row(0, to.count));
      for (size_t k = 0; k < row.size(); ++k) x[k] = static_cast<float>(row[k]);
    }
    std::string& id = to.ids[static_cast<size_t>(to.count)] = from.ids[static_cast<size_t>(i)];
    if (copy > 0) id += str('#', copy);
    if (++to.count == to.capacity) flush(part, sink);
  }

  void pour(Feed& feed, const RowSink& sink, int64_t& done) {
    const Schema& raw = feed.source->schema();
    Rows rows(raw, block_rows(raw));
    for (bool more = true; more; rows.clear()) {
      more = feed.source->read(rows);
      for (int64_t i = 0; i < rows.count; ++i) {
        const std::span<const int> to = places(feed, rows, i);
        bool keep = true;
        if (pipeline && !transform(rows, i, keep)) continue;
        for (size_t k = 0, copy = 0; k < to.size(); ++k) {
          copy = k > 0 && to[k] == to[k - 1] ? copy + 1 : 0;
          const auto part = static_cast<size_t>(to[k]);
          if (!keep && feed.part.empty() && parts[part] == "train")
            ++dropped;
          else
            stage(rows, i, part, static_cast<int64_t>(copy), sink);
        }
      }
      done += rows.count;
      if (options.on_progress && !options.on_progress(done)) return;
    }
  }

  void open(const PrepareInputs& inputs);
  void open_like(const PrepareInputs& inputs, const StoredPreparation& like);
};

void Preparation::Impl::open(const PrepareInputs& inputs) {
  const bool grouped = !config.split.group.is_null();
  const TableUse use{grouped ? config.split.group : config.split.order_by,
                     grouped ? "/prep/split/group" : "/prep/split/order_by",
                     hashed_columns(config.transforms), has_impute(config.transforms)};
  const SourceContext context{&bad, options.tmp, options.seed, use};
  feeds.push_back({open_source(config.from, inputs.files, context, type), {}});
  const SourceScan scan = main().scan();
  main().rewind();
  records = scan.records;
  warn_of_empty_classes(scan);
  splitter = std::make_unique<Splitter>(config.split, options.seed, scan.records, scan.class_records,
                                        use.aside.is_null() ? std::vector<std::string>() : main().keys());
  parts = splitter->names();
  make_pipeline();
  add_feed(inputs.valid, "valid");
  add_feed(inputs.test, "test");
  finish_schema();
}

void Preparation::Impl::open_like(const PrepareInputs& inputs, const StoredPreparation& like) {
  const SourceContext context{&bad, options.tmp, options.seed, {}};
  const json& stored = like.document;
  if (!stored.is_object() || !stored.contains("type") || !stored["type"].is_string())
    throw Error(Exit::data, str(like.name, ": the preparation that is stored in it is damaged"));
  type = stored["type"].get<std::string>();
  if (type == "csv") {
    TableOptions table;
    FieldType<Typed<SourceKind>>::parse(config.from, stored.value("from", json("csv")), "/prep/from", {});
    table = config.from.as<TableOptions>();
    if (like.unknown) table.unknown = *like.unknown;
    feeds.push_back({open_table_like(table, TablePlan::parse(stored.value("table", json()), like.name),
                                     inputs.files, context),
                     like.part});
  } else {
    feeds.push_back({open_source(config.from, inputs.files, context, type), like.part});
  }
  records = main().scan().records;
  main().rewind();
  parts = {like.part};
  if (stored.contains("features")) {
    pipeline = std::make_unique<FeaturePipeline>(stored["features"], like.name);
    const size_t columns = static_cast<size_t>(main().schema().inputs[0].type.elements());
    if (pipeline->raw_columns().size() != columns)
      throw Error(Exit::data, str("the input has ", columns, " columns, but in ", like.name, " there were ",
                                  pipeline->raw_columns().size()));
  }
  finish_schema();
  const Schema& wanted = like.schema;
  if (schema.inputs[0].type != wanted.inputs[0].type || schema.inputs[0].columns != wanted.inputs[0].columns)
    throw Error(Exit::data, str(inputs.files.empty() ? "the input" : inputs.files[0], ": '",
                                schema.inputs[0].name, "' becomes ", schema.inputs[0].type.text(),
                                ", but in ", like.name, " it is ", wanted.inputs[0].type.text()));
  if (!schema.targets.empty() && schema.targets[0].classes != wanted.targets.at(0).classes) {
    if (schema.targets[0].classes.size() > wanted.targets[0].classes.size())
      throw Error(Exit::data, str("the input has ", schema.targets[0].classes.size(), " classes, but ",
                                  like.name, " has ", wanted.targets[0].classes.size()));
    schema.targets = wanted.targets;
  }
  schema.normalization = wanted.normalization;
}

Preparation::Preparation(const PrepConfig& config, const PrepareInputs& inputs, const PrepareOptions& options)
    : impl_(std::make_unique<Impl>()) {
  Impl& m = *impl_;
  m.config = config;
  m.options = options;
  m.bad = BadRecords(parse_bad_limit(config.max_bad, "/prep/max_bad"));
  m.bad.on_bad = options.on_bad;
  m.bad.begin_pass(false);
  if (options.like)
    m.open_like(inputs, *options.like);
  else
    m.open(inputs);
  m.statistics = std::make_unique<Statistics>(schema());
}

Preparation::~Preparation() = default;
const Schema& Preparation::schema() const { return impl_->schema; }
const std::string& Preparation::type() const { return impl_->type; }
int64_t Preparation::records() const { return impl_->records; }
const std::vector<std::string>& Preparation::warnings() const { return impl_->warnings; }
const Statistics& Preparation::statistics() const { return *impl_->statistics; }
int64_t Preparation::bad_records() const { return impl_->bad.count(); }
int64_t Preparation::dropped_records() const { return impl_->dropped; }
const std::vector<std::string>& Preparation::parts() const { return impl_->parts; }

void Preparation::run(const RowSink& sink) {
  Impl& m = *impl_;
  m.bad.begin_pass(true);
  const int64_t staged = block_rows(schema()) / static_cast<int64_t>(m.parts.size());
  for (size_t p = 0; p < m.parts.size(); ++p) m.staging.emplace_back(schema(), std::max<int64_t>(1, staged));
  int64_t done = 0;
  for (Feed& feed : m.feeds) {
    feed.source->rewind();
    m.pour(feed, sink, done);
  }
  for (size_t p = 0; p < m.parts.size(); ++p) m.flush(p, sink);
  m.bad.finish(m.good, "the input");
}

Schema Preparation::fitted_schema() const {
  Schema out = schema();
  if (!impl_->splitter) return out;
  std::vector<std::string> training{"train"};
  if (impl_->rounds() > 0) training = impl_->splitter->names();
  out.normalization = fit_normalization(impl_->config.normalize, out, *impl_->statistics, training);
  return out;
}

std::vector<std::map<std::string, Normalization>> Preparation::fold_normalization() const {
  std::vector<std::map<std::string, Normalization>> out;
  for (int64_t k = 0; k < impl_->rounds(); ++k)
    out.push_back(fit_normalization(impl_->config.normalize, schema(), *impl_->statistics,
                                    impl_->splitter->training_parts(k)));
  return out;
}

json Preparation::stored() const {
  const Impl& m = *impl_;
  if (m.options.like) return m.options.like->document;
  Typed<SourceKind> from = m.config.from;
  if (from.type != m.type) from = {m.type, nullptr};  // "auto" has no options
  json out{{"type", m.type}, {"from", FieldType<Typed<SourceKind>>::dump(from)}};
  if (const TablePlan* table = impl_->main().table()) out["table"] = table->dump();
  if (m.pipeline) {
    out["features"] = m.pipeline->dump();
    out["report"] = report();
  }
  return out;
}

json Preparation::report() const { return impl_->pipeline ? impl_->pipeline->report() : json::array(); }

}  // namespace dl
