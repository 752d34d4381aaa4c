// Writes a data set enlarged by transformed copies of its samples.
#include "base/str.h"
#include "cli/tool.h"
#include "data/enlarge.h"
#include "io/hash.h"

using namespace dl;

namespace {

constexpr const char* kTemplate = R"({
  // Applied in this order to every copy; the same list under "augment" makes dl-train transform on the fly.
  "augment": [
    {"type": "pad_and_crop", "padding": 2},
    {"type": "flip", "direction": "horizontal", "p": 0.5}
  ]
}
)";

struct FreePool {
  void operator()(Pool* p) const { pool_destroy(p); }
};

int run(cli::Invocation& in) {
  const AugmentConfig config{in.get<std::vector<Typed<Transform>>>("augment")};
  if (config.transforms.empty())
    throw Error(Exit::config, "/augment", "names no transform, expected at least one",
                "dl-augment --init shows a first config");
  EnlargeOptions options;
  options.times = in.integer("--times");
  if (options.times < 1 || options.times > 1'000'000)
    cli::usage_error(str("--times: ", options.times, " is out of range, expected at least 1"));
  options.originals = in.on("--originals");
  if (in.has("--split")) options.splits = in.all("--split");
  options.seed = in.seed;

  const std::vector<std::string> inputs = in.inputs();
  DatasetOptions reading;
  reading.tmp = in.tmp;
  reading.memory = 0;  // one pass at a time: a small cache serves
  const Dataset data(inputs.front(), reading);
  const int64_t rows = enlarged_rows(data, options);
  (void)Augmenter(config, data.schema(), options.seed);
  const std::string out = in.output();
  const json recipe{{"augment", in.config.root()["augment"]},
                    {"times", options.times},
                    {"originals", options.originals},
                    {"splits", options.splits},
                    {"data", data.artifact().content_hash()}};
  const std::string hash = in.recipe_hash(recipe);
  const OutputOptions writing{in.tmp, in.on("--force")};
  if (in.on("--dry-run")) {
    check_output(out, writing);
    in.log.info(str("would write ", grouped(rows), " rows to ", out));
    return 0;
  }
  if (in.up_to_date(out, hash)) return 0;

  DatasetWriter writer(out, data.schema(), data.splits(), writing);
  json stored = in.config.root();
  stored["dl-augment"] = {{"times", options.times},
                          {"originals", options.originals},
                          {"splits", options.splits},
                          {"seed", options.seed}};
  writer.preparation(data.preparation());
  writer.fold_normalization(data.fold_normalization());
  writer.artifact().config(stored);
  writer.artifact().recipe_hash(hash);
  writer.artifact().parent("dataset", data.artifact().content_hash());
  const std::unique_ptr<Pool, FreePool> pool(in.threads > 1 ? pool_create(in.threads) : nullptr);
  options.pool = pool.get();
  cli::Progress progress(in.log, in.progress, rows, "rows");
  options.progress = [&](int64_t done) { progress.update(done); };
  enlarge(data, config, writer, options);
  progress.finish();
  writer.finish();
  in.write_run_record(out);
  json counts = json::object();
  for (const std::string& split : data.splits()) counts[split] = writer.rows(split);
  in.emit({{"output", out}, {"rows", counts}}, str(out, ": ", grouped(rows), " rows"));
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return cli::main(
      {.name = "dl-augment",
       .summary = "writes a data set enlarged by transformed copies of its samples",
       .synopsis = {"[-c CFG] [-s K=V]... [--times N] DATA.h5|- -o DATA.h5|-"},
       .description = "Copies a data set and adds transformed copies of the samples of its training split. "
                      "Copy k of a sample keeps its "
                      "targets and gets the id ID#k. What a copy becomes depends on the seed, on k and on "
                      "the sample's row alone.\n\n"
                      "dl-train applies the same section \"augment\" on the fly, which needs no larger data "
                      "set and draws anew in every "
                      "epoch.",
       .sections = {cli::section<std::vector<Typed<Transform>>>("augment",
                                                                "The transforms, applied in order.")},
       .options = {{.name = "--times",
                    .arg = "N",
                    .doc = "Transformed copies of each sample.",
                    .fallback = "1",
                    .type = cli::Type::integer},
                   {.name = "--originals",
                    .doc = "Keeps the samples themselves, before their copies.",
                    .fallback = "true",
                    .take = cli::Take::boolean},
                   {.name = "--split",
                    .arg = "NAME",
                    .doc =
                        "A split to enlarge, repeatable; the others are copied as they are. Default: train.",
                    .take = cli::Take::many}},
       .positional =
           {.arg = "DATA.h5|-", .doc = "The data set, from dl-prep.", .type = cli::Type::input, .max = 1},
       .output = cli::Output::artifact,
       .output_doc = "The enlarged data set.",
       .examples = {{"dl-augment -c aug.json --times 4 train.h5 -o more.h5",
                     "Five times the training samples."},
                    {"dl-prep --from digits -o - | dl-augment -s 'augment=[\"translate\"]' - -o more.h5",
                     "In a pipe."}},
       .templates = {{"default", "Crops at random places, mirrored or not.", kTemplate}},
       .run = run},
      argc, argv);
}
