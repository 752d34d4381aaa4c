#include "dl-prep/derive.h"

#include <memory>

#include "base/str.h"
#include "data/derive.h"
#include "io/output_file.h"

namespace dl::prep {

namespace {

DeriveOptions options_of(const cli::Invocation& in) {
  DeriveOptions o;
  o.seed = in.seed;
  o.shuffle = in.on("--shuffle");
  if (in.has("--fraction")) o.fraction = in.number("--fraction");
  if (!(o.fraction > 0 && o.fraction <= 1))
    cli::usage_error(
        str("--fraction: ", number(o.fraction), " is out of range, expected above 0 and at most 1"));
  if (!in.has("--shard")) return o;
  const std::string text = in.text("--shard");
  const std::vector<std::string> parts = split(text, '/');
  const auto whole = [](const std::string& s) {
    return !s.empty() && s.size() < 10 && s.find_first_not_of("0123456789") == s.npos ? std::stoll(s) : -1;
  };
  o.shard = whole(parts[0]);
  o.shards = parts.size() == 2 ? whole(parts[1]) : -1;
  if (o.shard < 0 || o.shards < 1 || o.shard >= o.shards)
    cli::usage_error(str("--shard: '", text, "' is no shard, expected I/N with I from 0 to N - 1, as 0/4"));
  return o;
}

// How the first data set was normalised: a new training part is fitted in the same way.
Normalize kind_of(const Dataset& data) {
  const json prep = data.artifact().config().value("prep", json::object());
  Normalize kind = Normalize::z_score;
  if (prep.contains("normalize")) FieldType<Normalize>::parse(kind, prep["normalize"], "", cli::kNoBounds);
  return data.schema().normalization.empty() ? Normalize::none : kind;
}

}  // namespace

bool derives(const cli::Invocation& in) {
  return in.on("--merge") || in.on("--shuffle") || in.has("--fraction") || in.has("--shard");
}

int derive(cli::Invocation& in) {
  const std::vector<std::string> paths = in.inputs();
  if (in.on("--merge") ? paths.size() < 2 : paths.size() != 1)
    cli::usage_error(in.on("--merge")
                         ? "--merge takes two data sets or more"
                         : "--fraction, --shard and --shuffle take one data set, or several with --merge");
  std::vector<std::unique_ptr<Dataset>> owned;
  std::vector<const Dataset*> from;
  for (const std::string& path : paths) {
    owned.push_back(std::make_unique<Dataset>(path, DatasetOptions{.tmp = in.tmp}));
    from.push_back(owned.back().get());
  }
  const DeriveOptions options = options_of(in);
  check_derivable(from, options);
  const std::string out = in.output();
  json parents = json::array();
  for (const Dataset* d : from) parents.push_back(d->artifact().content_hash());
  const json what{{"fraction", options.fraction}, {"shard", options.shard}, {"shards", options.shards},
                  {"shuffle", options.shuffle},   {"seed", options.seed},   {"data", parents}};
  const std::string recipe = in.recipe_hash(what);
  if (in.up_to_date(out, recipe)) return 0;
  const OutputOptions writing{in.tmp, in.on("--force")};
  if (in.on("--dry-run")) {
    check_output(out, writing);
    in.log.info(str("would write ", out));
    return 0;
  }
  const Schema& schema = from[0]->schema();
  const std::vector<std::string> splits = derived_splits(from);
  DatasetWriter writer(out, schema, splits, writing);
  json config = from[0]->artifact().config();
  config["derived"] = what;
  writer.artifact().config(config);
  writer.artifact().recipe_hash(recipe);
  for (const Dataset* d : from) writer.artifact().parent("dataset", d->artifact().content_hash());
  writer.preparation(from[0]->preparation());
  int64_t total = 0;
  for (const std::string& name : splits)
    total += static_cast<int64_t>(derived_rows(from, name, options).size());
  cli::Progress progress(in.log, in.progress, total, "rows");
  Statistics statistics(schema);
  dl::derive(from, options, writer, &statistics, [&](int64_t done) {
    progress.update(done);
    return cli::interrupted() == 0;
  });
  progress.finish();
  if (const int code = cli::interrupted()) return code;
  // Shards and other orders belong to a whole and keep its constants; a new training part has its own.
  const std::vector<std::string> training{"train"};
  if ((options.fraction < 1 || from.size() > 1) && statistics.part("train"))
    writer.schema().normalization = fit_normalization(kind_of(*from[0]), schema, statistics, training);
  else
    writer.fold_normalization(from[0]->fold_normalization());
  const std::string hash = writer.finish();
  json rows = json::object();
  std::string text;
  for (const std::string& name : splits) {
    rows[name] = writer.rows(name);
    text += str(text.empty() ? "" : ", ", name, " ", grouped(writer.rows(name)));
  }
  in.write_run_record(out, {{"rows", rows}});
  in.emit({{"rows", rows}, {"content_hash", hash}, {"output", out}}, str(out, ": ", text));
  return 0;
}

}  // namespace dl::prep
