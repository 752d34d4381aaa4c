// Makes a data set from raw files, or from a formula; and shows what a data set holds.
#include <filesystem>
#include <optional>

#include "base/str.h"
#include "cli/tool.h"
#include "data/dataset.h"
#include "data/inspect.h"
#include "data/prepare.h"
#include "io/byte_reader.h"
#include "io/hash.h"
#include "io/output_file.h"

using namespace dl;

namespace {

constexpr const char* kDigits = R"({
  // Handwriting-like digits made by a formula: no file is needed.
  "prep": {
    "from": {"type": "digits", "count": 12000},
    "split": {"valid": 0.1, "test": 0.15, "stratify": true},
    "normalize": "z_score"
  }
}
)";

constexpr const char* kImages = R"({
  // dl-prep -c this.json train-images.gz train-labels.gz --test t10k-images.gz --test t10k-labels.gz -o data.h5
  "prep": {
    "from": {"type": "idx"},
    "split": {"valid": 0.1, "stratify": true},
    "normalize": "z_score"
  }
}
)";

constexpr const char* kTable = R"({
  "prep": {
    "from": {"type": "csv", "target": "income", "missing": "?", "categorical": ["workclass", "education"]},
    "split": {"train": 0.8, "valid": 0.2, "by": "hash", "stratify": true},
    "normalize": "z_score"
  }
}
)";

constexpr int64_t kShownBad = 20;

// What --stats, --head and --preview collect while the rows pass.
struct Views {
  std::optional<Statistics> statistics;
  std::optional<HeadRows> head;
  std::optional<PreviewRows> preview;
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
  return in.on("--check") ||
         (!in.has("--output") && (in.on("--stats") || in.has("--head") || in.has("--preview")));
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
    cli::usage_error(str(path, " is a data set already, expected raw files"),
                     "to look into it: --check, --stats, --head N, --preview FILE");
  DatasetOptions options;
  options.tmp = in.tmp;
  options.memory = 0;
  const Dataset data(path, options);
  Views views(in, data.schema(), in.on("--check"));
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
              {"content_hash", hash},
              {"output", out}},
             str(out, ": ", counts_text(rows), "\n"));
  return 0;
}

int run(cli::Invocation& in) {
  const auto config = in.get<PrepConfig>("prep");
  const std::vector<std::string>& given = in.positionals();
  if (given.size() == 1 && is_artifact(given[0])) return inspect(in, given[0]);
  Watch watch;
  watch.look = looks_only(in);
  const bool stream = given.empty() || (given.size() == 1 && given[0] == "-");
  if (stream && config.from.type == "auto" && watch.look) return inspect(in, in.inputs().front());
  const PrepareInputs inputs = inputs_of(in, config);
  const std::string out = watch.look ? "" : in.output();
  const json stored = dump_fields(config);
  std::string recipe;
  if (!watch.look) {
    const json read = digests(inputs);
    recipe = in.recipe_hash({{"prep", stored}, {"inputs", read}});
    if (!has_null(read) && in.up_to_date(out, recipe)) return 0;
    check_output(out, {in.tmp, in.on("--force")});
  }
  Preparation preparation(config, inputs, reporting(in, watch));
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
                    "--check|--stats|--head N|--preview FILE INPUT...|DATA.h5"},
       .description = "Reads IDX pairs, CIFAR batches, folders of pictures, tables or digits made by a "
                      "formula, divides the records into "
                      "parts, fits the normalisation to the training part and writes one data set. Files may "
                      "be compressed by gzip or "
                      "xz. Inputs are read in order, block by block, so memory does not grow with them. "
                      "Bytes stay bytes.\n\n"
                      "Every bad record is named with its file and place. The first one ends the run unless "
                      "--max-bad allows some.\n\n"
                      "--check, --stats, --head and --preview look at raw files or at a data set; without -o "
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
                    {"dl-prep --stats --preview sheet.png mnist.h5", "A look into a data set."}},
       .templates = {{"digits", "Digits made by a formula.", kDigits},
                     {"images", "IDX files.", kImages},
                     {"table", "A table.", kTable}},
       .graceful = true,
       .run = run},
      argc, argv);
}
