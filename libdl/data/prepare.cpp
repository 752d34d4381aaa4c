#include "data/prepare.h"

#include <algorithm>
#include <cstring>
#include <optional>

#include "base/error.h"
#include "base/str.h"
#include "data/source.h"
#include "data/split.h"

namespace dl {

namespace {

// Files whose part is given, or the main ones, which are split.
struct Feed {
  std::unique_ptr<Source> source;
  std::optional<Part> part;
};

}  // namespace

struct Preparation::Impl {
  PrepConfig config;
  PrepareOptions options;
  BadRecords bad;
  std::string type;
  std::vector<Feed> feeds;
  std::unique_ptr<Splitter> splitter;
  std::unique_ptr<Statistics> statistics;
  int64_t records = 0, good = 0;
  std::vector<std::string> warnings;
  std::vector<Rows> staging;  // by part

  Source& main() { return *feeds[0].source; }

  void warn_of_empty_classes(const SourceScan& scan) {
    if (main().schema().targets[0].kind != TargetKind::class_index) return;
    const auto& names = main().schema().targets[0].classes;
    for (size_t c = 0; c < scan.class_records.size(); ++c)
      if (scan.class_records[c] == 0)
        warnings.push_back(str("class '", names[c], "' (", c, ") has no record"));
  }

  void add_feed(const std::vector<std::string>& files, Part part) {
    if (files.empty()) return;
    if (splitter->makes(part))
      throw Error(Exit::config, "/prep/split",
                  str("holds out a ", name_of(part), " part, but files for it are given too (", files[0],
                      "), expected one of them"));
    feeds.push_back({main().follow(files), part});
    records += feeds.back().source->scan().records;
  }

  Part part_of(const Feed& feed, const Rows& rows, int64_t i) {
    if (feed.part) return *feed.part;
    const auto r = static_cast<size_t>(i);
    int32_t label = -1;
    const Schema& schema = feed.source->schema();
    if (schema.targets[0].kind == TargetKind::class_index)
      std::memcpy(&label, static_cast<const char*>(rows.columns[schema.inputs.size()].raw()) + 4 * i, 4);
    return splitter->part(rows.index[r], rows.ids[r], label);
  }

  // Stand-ins for missing values, from the training part of the main files.
  void fit() {
    Source& source = main();
    if (!source.needs_fit()) return;
    Rows rows(source.schema(), block_rows(source.schema()));
    bad.begin_pass(false);
    for (bool more = true; more; rows.clear()) {
      more = source.read(rows);
      for (int64_t i = 0; i < rows.count; ++i)
        if (part_of(feeds[0], rows, i) == Part::train) source.fit(rows, i);
    }
    source.end_fit();
    source.rewind();
    splitter->rewind();
  }

  void flush(Part part, const RowSink& sink) {
    Rows& rows = staging[static_cast<size_t>(part)];
    if (rows.count == 0) return;
    std::vector<const void*> columns;
    for (const Tensor& t : rows.columns) columns.push_back(t.raw());
    const std::string name(name_of(part));
    statistics->add(name, columns, rows.count);
    if (sink) sink(name, columns, std::span(rows.ids).first(static_cast<size_t>(rows.count)), rows.count);
    good += rows.count;
    rows.clear();
  }

  void stage(const Rows& from, int64_t i, Part part, const RowSink& sink) {
    Rows& to = staging[static_cast<size_t>(part)];
    for (size_t c = 0; c < from.columns.size(); ++c) {
      const int64_t bytes = from.columns[c].bytes() / from.capacity;
      std::memcpy(to.row(c, to.count), static_cast<const uint8_t*>(from.columns[c].raw()) + i * bytes,
                  static_cast<size_t>(bytes));
    }
    to.ids[static_cast<size_t>(to.count)] = from.ids[static_cast<size_t>(i)];
    if (++to.count == to.capacity) flush(part, sink);
  }

  void pour(Feed& feed, const RowSink& sink, int64_t& done) {
    const Schema& schema = feed.source->schema();
    Rows rows(schema, block_rows(schema));
    for (bool more = true; more; rows.clear()) {
      more = feed.source->read(rows);
      for (int64_t i = 0; i < rows.count; ++i) stage(rows, i, part_of(feed, rows, i), sink);
      done += rows.count;
      if (options.on_progress && !options.on_progress(done)) return;
    }
  }
};

Preparation::Preparation(const PrepConfig& config, const PrepareInputs& inputs, const PrepareOptions& options)
    : impl_(std::make_unique<Impl>()) {
  Impl& m = *impl_;
  m.config = config;
  m.options = options;
  m.bad = BadRecords(parse_bad_limit(config.max_bad, "/prep/max_bad"));
  m.bad.on_bad = options.on_bad;
  m.bad.begin_pass(false);
  const SourceContext context{&m.bad, options.tmp, options.seed};
  m.feeds.push_back({open_source(config.from, inputs.files, context, m.type), {}});
  const SourceScan scan = m.main().scan();
  m.main().rewind();
  m.records = scan.records;
  m.warn_of_empty_classes(scan);
  m.splitter = std::make_unique<Splitter>(config.split, options.seed, scan.records, scan.class_records);
  m.fit();
  m.add_feed(inputs.valid, Part::valid);
  m.add_feed(inputs.test, Part::test);
  m.statistics = std::make_unique<Statistics>(schema());
}

Preparation::~Preparation() = default;
const Schema& Preparation::schema() const { return impl_->feeds[0].source->schema(); }
const std::string& Preparation::type() const { return impl_->type; }
int64_t Preparation::records() const { return impl_->records; }
const std::vector<std::string>& Preparation::warnings() const { return impl_->warnings; }
const Statistics& Preparation::statistics() const { return *impl_->statistics; }
int64_t Preparation::bad_records() const { return impl_->bad.count(); }

std::vector<std::string> Preparation::parts() const {
  std::vector<std::string> out;
  for (const Part part : {Part::train, Part::valid, Part::test}) {
    bool wanted = impl_->splitter->makes(part);
    for (const Feed& f : impl_->feeds) wanted = wanted || f.part == part;
    if (wanted) out.emplace_back(name_of(part));
  }
  return out;
}

void Preparation::run(const RowSink& sink) {
  Impl& m = *impl_;
  m.bad.begin_pass(true);
  for (int p = 0; p < 3; ++p) m.staging.emplace_back(schema(), block_rows(schema()));
  int64_t done = 0;
  for (Feed& feed : m.feeds) {
    feed.source->rewind();
    m.pour(feed, sink, done);
  }
  for (const Part part : {Part::train, Part::valid, Part::test}) m.flush(part, sink);
  m.bad.finish(m.good, "the input");
}

Schema Preparation::fitted_schema() const {
  Schema out = schema();
  out.normalization = fit_normalization(impl_->config.normalize, out, *impl_->statistics);
  return out;
}

}  // namespace dl
