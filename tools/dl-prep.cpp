// Makes a data set from raw files, or from a formula; and shows what a data set holds.
#include <filesystem>
#include <optional>

#include "base/str.h"
#include "cli/tool.h"
#include "data/dataset.h"
#include "data/inspect.h"
#include "data/prepare.h"
#include "dl-prep/derive.h"
#include "dl-prep/templates.h"
#include "io/byte_reader.h"
#include "io/hash.h"
#include "io/output_file.h"
#include "io/stored_json.h"

using namespace dl;

namespace {

constexpr int64_t kShownBad = 20;

// What --stats, --head and --preview collect while the rows pass.
struct Views {
  std::optional<Statistics> statistics;
  std::optional<HeadRows> head;
  std::optional<PreviewRows> preview;
  json report;              // what each step of the transforms did
  bool everything = false;  // all rows are wanted

  Views(cli::Invocation& in, const Schema& schema, bool every) : everything(every || in.on("--stats")) {
    if (in.on("--stats")) statistics.emplace(schema);
    if (in.has("--head")) head.emplace(schema, in.integer("--head"));
    if (in.has("--preview")) preview.emplace(schema, in.integer("--preview-count"));
  }
  void add(const std::string& part, std::span<const void* const> columns, std::span<const std::string> ids,
           int64_t count) {
    if (statistics) statistics->add(part, columns, count);
    if (head) head->add(part, columns, ids, count);
    if (preview) preview->add(columns, count);
  }
  bool more() const { return everything || (head && !head->full()) || (preview && !preview->full()); }
  void show(cli::Invocation& in, json record, std::string text) const {
    const bool csv = in.text("--format") == "csv";
    if (preview) {
      write_text(in.text("--preview"), preview->png());
      in.log.info(str("the contact sheet is ", in.text("--preview")));
    }
    if (in.on("--report")) {
      record["transforms"] = report;
      text += report_text(report);
    }
    if (statistics) {
      record["statistics"] = statistics->record();
      text += statistics->text();
      if (csv) return in.emit(statistics->table(), text);
    }
    if (head) {
      record["head"] = head->records();
      text += head->text();
      if (csv) return in.emit(head->table(), text);
    }
    while (text.ends_with('\n')) text.pop_back();
    if (!record.empty() || !text.empty()) in.emit(record, text);
  }
};

bool looks_only(const cli::Invocation& in) {
  return in.on("--check") || (!in.has("--output") && (in.on("--stats") || in.has("--head") ||
                                                      in.has("--preview") || in.on("--report")));
}

bool is_artifact(const std::string& path) {
  if (path == "-" || !std::filesystem::is_regular_file(path)) return false;
  ByteReader file(path);
  char head[8];
  return file.read(head, sizeof head) == sizeof head &&
         std::string_view(head, sizeof head) == "\x89HDF\r\n\x1a\n";
}

int inspect(cli::Invocation& in, const std::string& path) {
  if (!looks_only(in))
    cli::usage_error(
        str(path, " is a data set already, expected raw files"),
        "to look into it: --check, --stats, --report, --head N, --preview FILE; to make another of it: "
        "--fraction, --shard, --shuffle, --merge");
  DatasetOptions options;
  options.tmp = in.tmp;
  options.memory = 0;
  const Dataset data(path, options);
  Views views(in, data.schema(), in.on("--check"));
  if (const json stored = data.preparation(); in.on("--report") && stored.is_object())
    views.report = stored.value("report", json::array());
  int64_t rows = 0, total = 0;
  for (const std::string& split : data.splits()) total += data.rows(split);
  cli::Progress progress(in.log, in.progress, total, "rows");
  pour_dataset(
      data,
      [&](const std::string& part, auto columns, auto ids, int64_t count) {
        views.add(part, columns, ids, count), rows += count;
      },
      [&](int64_t done) {
        progress.update(done);
        return views.more();
      });
  progress.finish();
  if (in.on("--check"))
    views.show(in, {{"rows", rows}}, str(path, ": ", grouped(rows), " rows, all good\n"));
  else
    views.show(in, json::object(), "");
  return 0;
}

PrepareInputs inputs_of(cli::Invocation& in, const PrepConfig& config) {
  PrepareInputs inputs;
  if (config.from.type != "digits" || !in.positionals().empty()) inputs.files = in.inputs();
  inputs.valid = in.all("--valid");
  inputs.test = in.all("--test");
  for (const auto* list : {&inputs.valid, &inputs.test})
    for (const std::string& f : *list) in.reads(f);
  return inputs;
}

// Digests of what is read, so that --if-changed can tell.
json digests(const PrepareInputs& inputs) {
  const auto digest = [](const std::string& path) -> json {
    if (path == "-") return nullptr;
    std::vector<std::string> files{path};
    if (std::filesystem::is_directory(path)) {
      files.clear();
      for (const auto& e : std::filesystem::recursive_directory_iterator(path))
        if (e.is_regular_file()) files.push_back(e.path().string());
      std::sort(files.begin(), files.end());
    }
    Sha256 hash;
    std::vector<char> block(1 << 18);
    for (const std::string& f : files) {
      if (!std::filesystem::is_regular_file(f)) return nullptr;
      if (files.size() > 1) hash.add(f.substr(path.size()) + '\n');
      ByteReader in(f, {});
      while (const size_t n = in.read(block.data(), block.size())) hash.add(block.data(), n);
    }
    return hash.hex();
  };
  json out = json::object();
  for (const auto& [name, list] :
       {std::pair{"files", &inputs.files}, {"valid", &inputs.valid}, {"test", &inputs.test}})
    for (const std::string& f : *list) out[name].push_back(digest(f));
  return out;
}

bool has_null(const json& digests) {
  for (const auto& list : digests)
    for (const json& d : list)
      if (d.is_null()) return true;
  return false;
}

// What the callbacks of a preparation report to.
struct Watch {
  bool look = false;  // nothing is written: stop when the views have what they want
  cli::Progress* progress = nullptr;
  const Views* views = nullptr;
  bool stopped = false;
  int64_t bad = 0;
};

PrepareOptions reporting(cli::Invocation& in, Watch& watch) {
  PrepareOptions options{in.seed, in.tmp, {}, {}};
  options.on_bad = [&](const std::string& message) {
    if (++watch.bad < kShownBad)
      in.log.warning(message);
    else if (watch.bad == kShownBad)
      in.log.warning(str(message, "; further bad records go to --events only"));
    in.events.emit("bad_record", {{"message", message}});
  };
  options.on_progress = [&](int64_t done) {
    watch.progress->update(done);
    watch.stopped = watch.stopped || cli::interrupted() != 0;
    return !watch.stopped && (!watch.look || watch.views->more());
  };
  return options;
}

// Passes all records to the views and, unless it is null, to the writer. False when a signal asked to stop.
bool pour(cli::Invocation& in, Preparation& preparation, Watch& watch, Views& views, DatasetWriter* writer) {
  cli::Progress progress(in.log, in.progress, preparation.records(), "records");
  watch.progress = &progress;
  watch.views = &views;
  preparation.run([&](const std::string& part, auto columns, auto ids, int64_t count) {
    if (writer) writer->append(part, columns, ids, count);
    views.add(part, columns, ids, count);
  });
  progress.finish();
  return !watch.stopped;
}

json rows_by_part(const Preparation& preparation) {
  json rows = json::object();
  for (const std::string& part : preparation.parts()) {
    const PartStatistics* p = preparation.statistics().part(part);
    rows[part] = p ? p->rows : 0;
  }
  return rows;
}

std::string counts_text(const json& rows) {
  std::string out;
  for (const auto& part : rows.items())
    out += str(out.empty() ? "" : ", ", part.key(), " ", grouped(part.value().get<int64_t>()));
  return out;
}

int look_at(cli::Invocation& in, Preparation& preparation, Watch& watch) {
  Views views(in, preparation.schema(), in.on("--check"));
  if (!pour(in, preparation, watch, views, nullptr)) return cli::interrupted();
  views.report = preparation.report();
  if (!in.on("--check")) {
    views.show(in, json::object(), "");
    return 0;
  }
  const json rows = rows_by_part(preparation);
  const int64_t bad = preparation.bad_records();
  views.show(in, {{"type", preparation.type()}, {"rows", rows}, {"bad_records", bad}},
             str("checked: ", counts_text(rows), "; ", bad, " bad records\n"));
  return 0;
}

int write(cli::Invocation& in, Preparation& preparation, Watch& watch, const std::string& out,
          const json& stored, const std::string& recipe) {
  DatasetWriter writer(out, preparation.schema(), preparation.parts(), {in.tmp, in.on("--force")});
  Views views(in, preparation.schema(), true);
  if (!pour(in, preparation, watch, views, &writer)) return cli::interrupted();
  writer.schema().normalization = preparation.fitted_schema().normalization;
  writer.fold_normalization(preparation.fold_normalization());
  writer.preparation(preparation.stored());
  views.report = preparation.report();
  for (const json& step : views.report) in.events.emit("transform", step);
  if (preparation.dropped_records() > 0)
    in.log.info(str(grouped(preparation.dropped_records()), " training records were dropped as outliers"));
  json document = in.config.root();
  document["prep"] = stored;
  document["seed"] = in.seed;
  writer.artifact().config(document);
  writer.artifact().recipe_hash(recipe);
  const std::string hash = writer.finish();
  const json rows = rows_by_part(preparation);
  in.write_run_record(out, {{"rows", rows}});
  views.show(in,
             {{"type", preparation.type()},
              {"rows", rows},
              {"bad_records", preparation.bad_records()},
              {"dropped_records", preparation.dropped_records()},
              {"content_hash", hash},
              {"output", out}},
             str(out, ": ", counts_text(rows), "\n"));
  return 0;
}

// The data set, or the model trained on it, whose preparation further files go through; `config` becomes its own.
StoredPreparation stored_in(cli::Invocation& in, PrepConfig& config) {
  const ArtifactReader file(in.input("--like"), "", in.tmp);
  if (file.kind() != "dataset" && file.kind() != "model")
    cli::usage_error(str("--like: ", file.name(), " is a ", file.kind(), ", expected a data set or a model"));
  StoredPreparation like{read_json(file, kPreparation),
                         Schema::parse(file.parsed("schema"), file.name()),
                         file.name(),
                         in.text("--part"),
                         {}};
  if (!like.document.is_object())
    throw Error(Exit::data, {}, str(file.name(), ": does not say how its data was made"),
                "it was made by an older version, or by another tool: prepare the data anew");
  if (in.config.root().contains("prep") && in.config.root()["prep"].contains("split"))
    cli::usage_error("--like: the rows go to one part, expected no prep.split; --part names it");
  if (in.has("--unknown")) {
    like.unknown.emplace();
    FieldType<Unknown>::parse(*like.unknown, in.text("--unknown"), "--unknown", cli::kNoBounds);
  }
  FieldType<Typed<SourceKind>>::parse(config.from, like.document.value("from", json()), "/prep/from",
                                      cli::kNoBounds);
  return like;
}

int run(cli::Invocation& in) {
  if (prep::derives(in)) return prep::derive(in);
  auto config = in.get<PrepConfig>("prep");
  const std::vector<std::string>& given = in.positionals();
  if (given.size() == 1 && is_artifact(given[0])) return inspect(in, given[0]);
  Watch watch;
  watch.look = looks_only(in);
  const bool stream = given.empty() || (given.size() == 1 && given[0] == "-");
  if (stream && config.from.type == "auto" && watch.look) return inspect(in, in.inputs().front());
  std::optional<StoredPreparation> like;
  if (in.has("--like")) like = stored_in(in, config);
  const PrepareInputs inputs = inputs_of(in, config);
  const std::string out = watch.look ? "" : in.output();
  const json stored = dump_fields(config);
  std::string recipe;
  if (!watch.look) {
    const json read = digests(inputs);
    json what{{"prep", stored}, {"inputs", read}};
    if (like) what.update({{"like", like->document}, {"part", like->part}});
    recipe = in.recipe_hash(what);
    if (!has_null(read) && in.up_to_date(out, recipe)) return 0;
    check_output(out, {in.tmp, in.on("--force")});
  }
  PrepareOptions options = reporting(in, watch);
  options.like = std::move(like);
  Preparation preparation(config, inputs, options);
  for (const std::string& w : preparation.warnings()) in.log.warning(w);
  if (in.on("--dry-run")) {
    in.log.info(str(grouped(preparation.records()), " records from ", preparation.type(),
                    watch.look ? "" : " would go to ", out));
    return 0;
  }
  if (watch.look) return look_at(in, preparation, watch);
  return write(in, preparation, watch, out, stored, recipe);
}

}  // namespace

int main(int argc, char** argv) {
  return cli::main(
      {.name = "dl-prep",
       .summary = "makes a data set from raw files",
       .synopsis = {"[-c CFG] [-s K=V]... INPUT... [--test FILE]... -o DATA.h5|-",
                    "[-c CFG] [-s K=V]... --from digits -o DATA.h5|-",
                    "--like DATA.h5|MODEL.h5 INPUT... -o NEW.h5|-",
                    "--fraction F|--shard I/N|--shuffle DATA.h5|- -o DATA.h5|-",
                    "--merge DATA.h5... -o DATA.h5|-",
                    "--check|--stats|--report|--head N|--preview FILE INPUT...|DATA.h5"},
       .description =
           "Reads IDX pairs, CIFAR batches, folders of pictures, tables or digits made by a "
           "formula, divides the records into "
           "parts, fits the normalisation to the training part and writes one data set. Files may "
           "be compressed by gzip or "
           "xz. Inputs are read in order, block by block, so memory does not grow with them. "
           "Bytes stay bytes.\n\n"
           "Every bad record is named with its file and place. The first one ends the run unless "
           "--max-bad allows some.\n\n"
           "What prep.transforms learn is kept in the data set. --like DATA.h5|MODEL.h5 takes further files "
           "the "
           "same way: same columns, categories, constants and normalisation. Their columns go by name "
           "where there is a header, and the target may be missing.\n\n"
           "--fraction, --shard, --shuffle and --merge make a data set of data sets.\n\n"
           "--check, --stats, --report, --head and --preview look at raw files or at a data set; without -o "
           "nothing else is written.",
       .sections = {cli::section<PrepConfig>("prep",
                                             "Where records come from, how they are split and normalised.")},
       .options =
           {{.name = "--from",
             .arg = "TYPE",
             .doc = "Form of the input: auto, idx, cifar10, cifar100, folder, csv or digits.",
             .choices = "auto idx cifar10 cifar100 folder csv digits",
             .config = "/prep/from/type"},
            {.name = "--target",
             .arg = "COLUMN",
             .doc = "Column of a table to predict, by name or number (-1 is the last); with --from csv.",
             .config = "/prep/from/target"},
            {.name = "--valid",
             .arg = "FILE",
             .doc = "A file of the validation part, repeatable (IDX: images, then labels).",
             .take = cli::Take::many,
             .type = cli::Type::input},
            {.name = "--test",
             .arg = "FILE",
             .doc = "A file of the test part, repeatable (IDX: images, then labels).",
             .take = cli::Take::many,
             .type = cli::Type::input},
            {.name = "--hold-out",
             .arg = "SHARE",
             .doc = "Share of the records that becomes the validation part.",
             .type = cli::Type::number,
             .config = "/prep/split/valid"},
            {.name = "--max-bad",
             .arg = "N|P%",
             .doc = "Bad records to pass over: a number or a share.",
             .config = "/prep/max_bad"},
            {.name = "--like",
             .arg = "DATA.h5|MODEL.h5",
             .doc = "Take the input as this data set's was taken, or that of the data set that this model "
                    "was trained "
                    "on; nothing is learned or split.",
             .type = cli::Type::input},
            {.name = "--unknown",
             .arg = "error|none",
             .doc = "What a category is that the data set did not have, with --like: a bad record, or none "
                    "of those "
                    "known. Default: as prep.from.unknown said.",
             .choices = "error none"},
            {.name = "--part",
             .arg = "NAME",
             .doc = "The part that the rows go to, with --like.",
             .fallback = "test"},
            {.name = "--fraction",
             .arg = "F",
             .doc = "Keep this share of the training part, of each class as much; with the same seed a "
                    "smaller share "
                    "is a part of each larger one (learning curves). The normalisation is fitted anew.",
             .type = cli::Type::number},
            {.name = "--shard",
             .arg = "I/N",
             .doc = "Keep every N-th row of every part, from row I (0 to N - 1).",
             .type = cli::Type::text},
            {.name = "--shuffle",
             .doc = "Write the rows of each part in an order drawn with the seed.",
             .take = cli::Take::nothing},
            {.name = "--merge",
             .doc = "Write the rows of several data sets together, part by part.",
             .take = cli::Take::nothing},
            {.name = "--report",
             .doc =
                 "Shows what each step of prep.transforms did: features kept and dropped and why, outliers, "
                 "what stands in for missing values.",
             .take = cli::Take::nothing},
            {.name = "--check",
             .doc = "Reads everything, reports, writes nothing.",
             .take = cli::Take::nothing},
            {.name = "--stats",
             .doc = "Shows rows, classes and the moments of each channel or feature for each part.",
             .take = cli::Take::nothing},
            {.name = "--head", .arg = "N", .doc = "Shows the first N rows.", .type = cli::Type::integer},
            {.name = "--preview",
             .arg = "FILE",
             .doc = "Writes a contact sheet of the first pictures, with labels, as PNG.",
             .type = cli::Type::path},
            {.name = "--preview-count",
             .arg = "N",
             .doc = "Pictures on the contact sheet.",
             .fallback = "100",
             .type = cli::Type::integer}},
       .positional = {.arg = "INPUT...",
                      .doc = "Files, in order; IDX in pairs of images and labels; \"-\" for one table.",
                      .type = cli::Type::input,
                      .max = 100000},
       .output = cli::Output::artifact,
       .output_doc = "The data set.",
       .examples = {{"dl-prep --from digits -o digits.h5", "Digits without any file."},
                    {"dl-prep train-images.gz train-labels.gz --test t10k-images.gz --test t10k-labels.gz "
                     "--hold-out 0.1 -o mnist.h5",
                     "MNIST."},
                    {"dl-prep --from csv --target 4 --hold-out 0.2 iris.csv -o iris.h5", "A table."},
                    {"dl-prep --like iris.h5 new.csv -o new.h5", "Further rows, prepared as iris.h5 was."},
                    {"dl-prep --fraction 0.1 mnist.h5 -o tenth.h5", "A tenth of the training part."},
                    {"dl-prep --stats --preview sheet.png mnist.h5", "A look into a data set."}},
       .templates = {{"digits", "Digits made by a formula.", prep::kDigits},
                     {"images", "IDX files.", prep::kImages},
                     {"table", "A table.", prep::kTable},
                     {"columns", "A table with transforms of its columns.", prep::kColumns}},
       .graceful = true,
       .run = run},
      argc, argv);
}
