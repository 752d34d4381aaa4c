// Writes a data set enlarged by transformed copies of its samples.
#include <algorithm>

#include "base/str.h"
#include "cli/tool.h"
#include "data/augment_show.h"
#include "data/enlarge.h"
#include "io/output_file.h"

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

constexpr const char* kCifar = R"({
  // What is usual for CIFAR-10: crops, mirrors, light, and a hidden square.
  "augment": [
    {"type": "pad_and_crop", "padding": 4, "border": "reflect"},
    "flip",
    {"type": "color_jitter", "brightness": 0.2, "contrast": 0.2, "saturation": 0.2, "hue": 0.02, "p": 0.8},
    {"type": "cutout", "size": 8, "content": "mean"}
  ]
}
)";

constexpr const char* kPolicy = R"({
  // A policy that was searched for, behind crops and mirrors. rand_augment and trivial_augment need no search.
  "augment": [
    {"type": "pad_and_crop", "padding": 4},
    "flip",
    {"type": "auto_augment", "policy": "cifar10"}
    // Own policies, of which every sample draws one: "policy": [[["rotate", 0.7, 3], ["invert", 0.1]], [["shear_x", 0.5, 4]]]
  ]
}
)";

constexpr const char* kMixing = R"({
  // Two samples become one, their labels probabilities. Mixing stands at the end of the list.
  "augment": [
    {"type": "pad_and_crop", "padding": 4},
    "flip",
    {"type": "choose", "p": 0.8, "of": [{"type": "mixup", "alpha": 0.2}, {"type": "cutmix", "alpha": 1}]}
  ]
}
)";

constexpr double kBenchSeconds = 0.2;

// --list: what there is.
void list(cli::Invocation& in) {
  const json all = list_transforms();
  std::string text;
  for (const json& t : all) {
    text += str(t["type"].get<std::string>(), "  ", t["doc"].get<std::string>(), '\n');
    for (const auto& a : t["attributes"].items())
      text += str("    ", a.key(),
                  a.value().contains("default") ? " = " + a.value()["default"].dump() : " (required)", "  ",
                  a.value()["doc"].get<std::string>(), '\n');
  }
  if (!text.empty()) text.pop_back();
  in.emit({{"transforms", all}}, text);
}

// --bench: samples a second of each transform.
void bench(cli::Invocation& in, const Dataset& data, const std::string& split, const AugmentConfig& config) {
  json rows = json::array();
  std::string text = "samples a second of processor time\n";
  for (const TransformSpeed& s : time_transforms(data, split, config, kBenchSeconds)) {
    rows.push_back({{"transform", s.name}, {"samples_per_second", s.samples_per_second}});
    const std::string rate = grouped(static_cast<int64_t>(s.samples_per_second));
    text += str(rate.size() < 12 ? std::string(12 - rate.size(), ' ') : "", rate, "  ", s.name, '\n');
  }
  text.pop_back();
  in.emit({{"split", split}, {"speeds", rows}}, text);
}

// "2/8": the second of eight parts.
void parse_shard(const std::string& text, EnlargeOptions& options) {
  const size_t slash = text.find('/');
  const auto whole = [](std::string_view s) {
    return !s.empty() && s.size() < 10 && s.find_first_not_of("0123456789") == std::string_view::npos;
  };
  if (slash == std::string::npos || !whole(text.substr(0, slash)) || !whole(text.substr(slash + 1)))
    cli::usage_error(str("--shard: '", text, "', expected I/N such as 1/4"));
  options.shard = std::stoll(text.substr(0, slash)) - 1;
  options.shards = std::stoll(text.substr(slash + 1));
  if (options.shard < 0 || options.shard >= options.shards)
    cli::usage_error(str("--shard: '", text, "' is out of range, expected 1/N to N/N"));
}

EnlargeOptions enlarge_options(const cli::Invocation& in) {
  EnlargeOptions options;
  options.times = in.integer("--times");
  if (options.times < 1 || options.times > 1'000'000)
    cli::usage_error(str("--times: ", options.times, " is out of range, expected at least 1"));
  options.originals = in.on("--originals");
  if (in.has("--split")) options.splits = in.all("--split");
  if (in.has("--shard")) parse_shard(in.text("--shard"), options);
  options.seed = in.seed;
  return options;
}

// What is written in the artifact and decides whether it is up to date.
json settings(const EnlargeOptions& o) {
  json j{{"times", o.times}, {"originals", o.originals}, {"splits", o.splits}};
  if (o.shards > 1) j["shard"] = str(o.shard + 1, '/', o.shards);
  return j;
}

void preview(cli::Invocation& in, const Dataset& data, const AugmentConfig& config,
             const EnlargeOptions& options) {
  const std::string path = in.text("--preview");
  write_text(path, augmented_sheet(data, config,
                                   {.split = options.splits.front(),
                                    .copies = std::min<int64_t>(options.times == 1 ? 3 : options.times, 16),
                                    .seed = options.seed}));
  in.log.info(str("the contact sheet is ", path));
}

int write(cli::Invocation& in, const Dataset& data, const AugmentConfig& config, EnlargeOptions& options) {
  const int64_t rows = enlarged_rows(data, options);
  const Schema schema = enlarged_schema(data, config);
  const std::string out = in.output();
  json recipe = settings(options);
  recipe["augment"] = in.config.root()["augment"];
  recipe["data"] = data.artifact().content_hash();
  const std::string hash = in.recipe_hash(recipe);
  const OutputOptions writing{in.tmp, in.on("--force")};
  if (in.on("--dry-run")) {
    check_output(out, writing);
    in.log.info(str("would write ", grouped(rows), " rows to ", out));
    return 0;
  }
  if (in.up_to_date(out, hash)) return 0;

  DatasetWriter writer(out, schema, data.splits(), writing);
  json stored = in.config.root();
  stored["dl-augment"] = settings(options);
  stored["dl-augment"]["seed"] = options.seed;
  writer.preparation(data.preparation());
  writer.fold_normalization(data.fold_normalization());
  writer.artifact().config(stored);
  writer.artifact().recipe_hash(hash);
  writer.artifact().parent("dataset", data.artifact().content_hash());
  const PoolOwner pool(in.threads > 1 ? pool_create(in.threads) : nullptr);
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

int run(cli::Invocation& in) {
  if (in.on("--list")) {
    list(in);
    return 0;
  }
  AugmentConfig config;
  if (in.config.root().contains("augment")) config = parse_augment(in.config.section("augment"), "/augment");
  if (config.transforms.empty() && !in.on("--bench"))
    throw Error(Exit::config, "/augment", "names no transform, expected at least one",
                "dl-augment --init shows a first config");
  EnlargeOptions options = enlarge_options(in);
  DatasetOptions reading;
  reading.tmp = in.tmp;
  const Dataset data(in.inputs().front(), [&] {
    // One pass at a time: a small cache serves. Mixing takes samples from anywhere.
    const bool anywhere = std::any_of(config.transforms.begin(), config.transforms.end(), works_on_pairs);
    if (!anywhere) reading.memory = 0;
    return reading;
  }());
  enlarged_rows(data, options);  // the splits are there
  if (in.on("--bench")) {
    bench(in, data, options.splits.front(), config);
    return 0;
  }
  if (in.has("--preview")) {
    preview(in, data, config, options);
    if (!in.has("--output")) return 0;
  }
  return write(in, data, config, options);
}

}  // namespace

int main(int argc, char** argv) {
  return cli::main(
      {.name = "dl-augment",
       .summary = "writes a data set enlarged by transformed copies of its samples",
       .synopsis = {"[-c CFG] [-s K=V]... [--times N] DATA.h5|- -o DATA.h5|-",
                    "[-c CFG] [-s K=V]... --preview FILE|--bench DATA.h5", "--list"},
       .description =
           "Copies a data set and adds transformed copies of the samples of its training split. "
           "Copy k of a sample keeps its "
           "targets and gets the id ID#k. What a copy becomes depends on the seed, on k and on "
           "the sample's row alone, so that the parts of --shard put together hold the rows of the whole. "
           "Where samples are mixed (mixup, cutmix), labels of classes become probabilities.\n\n"
           "dl-train applies the same section \"augment\" on the fly, which needs no larger data "
           "set and draws anew in every "
           "epoch.",
       .sections = {{.name = "augment",
                     .doc = "The transforms, applied in order.",
                     .schema = augment_schema,
                     .check = [](const json& value, const std::string& at) { parse_augment(value, at); }}},
       .options =
           {{.name = "--times",
             .arg = "N",
             .doc = "Transformed copies of each sample.",
             .fallback = "1",
             .type = cli::Type::integer},
            {.name = "--originals",
             .doc = "Keeps the samples themselves, before their copies.",
             .fallback = "true",
             .take = cli::Take::boolean},
            {.name = "--shard",
             .arg = "I/N",
             .doc = "Writes part I of N of the rows alone, for several machines at a time."},
            {.name = "--preview",
             .arg = "FILE",
             .doc = "Writes a contact sheet as PNG: the first pictures, what each transform alone makes of "
                    "them, and copies through the whole list. Without -o nothing else is written.",
             .type = cli::Type::output},
            {.name = "--bench",
             .doc = "Measures how many samples a second each transform takes; without \"augment\" all there "
                    "are.",
             .take = cli::Take::nothing},
            {.name = "--list",
             .doc = "Prints every transform with its attributes and defaults.",
             .take = cli::Take::nothing},
            {.name = "--split",
             .arg = "NAME",
             .doc = "A split to enlarge, repeatable; the others are copied as they are. Default: train.",
             .take = cli::Take::many}},
       .positional =
           {.arg = "DATA.h5|-", .doc = "The data set, from dl-prep.", .type = cli::Type::input, .max = 1},
       .output = cli::Output::artifact,
       .output_doc = "The enlarged data set.",
       .examples = {{"dl-augment -c aug.json --times 4 train.h5 -o more.h5",
                     "Five times the training samples."},
                    {"dl-prep --from digits -o - | dl-augment -s 'augment=[\"translate\"]' - -o more.h5",
                     "In a pipe."}},
       .templates = {{"default", "Crops at random places, mirrored or not.", kTemplate},
                     {"cifar", "Crops, mirrors, colours and a hidden square.", kCifar},
                     {"policy", "AutoAugment.", kPolicy},
                     {"mixing", "Mixup and CutMix.", kMixing}},
       .run = run},
      argc, argv);
}
