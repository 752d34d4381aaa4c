#include "search/study.h"

#include <algorithm>
#include <cmath>

#include "base/random.h"
#include "base/schema.h"
#include "base/str.h"
#include "search/constraint.h"
#include "search/events.h"
#include "search/pruner.h"

namespace dl {
namespace {

constexpr std::string_view kStates[] = {"running", "complete", "pruned", "failed", "lost"};
constexpr int64_t kFormat = 2;  // 1: without parents, curves and reports

TrialState state_named(const std::string& name) {
  for (size_t i = 0; i < std::size(kStates); ++i)
    if (kStates[i] == name) return static_cast<TrialState>(i);
  throw Error(Exit::data, str("the study has a trial in the unknown state '", name, "'"));
}

// The first place where two values differ, as a pointer.
std::string difference(const json& a, const json& b) {
  if (!a.is_object() || !b.is_object()) return {};
  for (const auto& item : a.items())
    if (!b.contains(item.key()) || item.value() != b[item.key()])
      return pointer_join("", item.key()) +
             (b.contains(item.key()) ? difference(item.value(), b[item.key()]) : "");
  for (const auto& item : b.items())
    if (!a.contains(item.key())) return pointer_join("", item.key());
  return {};
}

}  // namespace

std::string_view name_of(TrialState s) { return kStates[static_cast<size_t>(s)]; }

void Study::start(const json& header) {
  if (header.value("record", json()) != "study" || !header.contains("config") || !header.contains("search"))
    throw Error(Exit::data, str(journal_->path(), ": does not begin with a study's record"));
  if (header.value("format", int64_t{0}) > kFormat)
    throw Error(Exit::data, str(journal_->path(), ": written by a newer version (format ",
                                header["format"].get<int64_t>(), ")"));
  header_ = header;
  config_ = header["config"];
  search_ = parse_search(header["search"], "/search");
  space_ = parse_space(search_.space, "/search/space");
  seed_ = header.value("seed", uint64_t{0});
}

void Study::read(const json& r) {
  const std::string kind = r.value("record", std::string());
  if (header_.is_null()) return start(r);
  const int64_t number = r.value("trial", int64_t{-1}), count = static_cast<int64_t>(trials_.size());
  if (kind == "ask" && number >= 0 && number <= count) return read_ask(r, number);
  if (kind == "tell" && number >= 0 && number < count)
    return read_tell(r, trials_[static_cast<size_t>(number)]);
  if (kind == "report" && number >= 0 && number < count) {
    trials_[static_cast<size_t>(number)].curve.emplace_back(r.value("step", int64_t{0}),
                                                            r.value("value", 0.0));
    return;
  }
  throw Error(Exit::data, str(journal_->path(), ": record '", kind, "' of trial ", number,
                              " does not fit what came before"));
}

void Study::read_ask(const json& r, int64_t number) {
  if (number == static_cast<int64_t>(trials_.size())) trials_.emplace_back();
  Trial& t = trials_[static_cast<size_t>(number)];
  const int64_t launches = t.launches + 1;
  t = {};
  t.number = number;
  t.launches = launches;
  t.parameters = r.value("parameters", json::object());
  t.external = r.value("external", false);
  t.epochs = r.value("epochs", int64_t{0});
  if (r.contains("parent")) t.parent = r["parent"].get<int64_t>();
  if (t.parent && (*t.parent < 0 || *t.parent >= number))
    throw Error(Exit::data, str(journal_->path(), ": trial ", number, " goes on from trial ", *t.parent));
}

void Study::read_tell(const json& r, Trial& t) {
  t.state = state_named(r.value("state", std::string()));
  t.value.reset();
  if (r.contains("value") && r["value"].is_number()) t.value = r["value"].get<double>();
  t.metrics = r.value("metrics", json::object());
  t.why = r.value("why", std::string());
  t.feasible = r.value("feasible", true);
  t.seconds = r.value("seconds", 0.0);
  if (!r.contains("curve")) return;
  t.curve.clear();
  for (const json& point : r["curve"])
    t.curve.emplace_back(point.at(0).get<int64_t>(), point.at(1).get<double>());
}

Study Study::open(const std::string& path) {
  Study s(std::make_unique<Journal>(path, false));
  s.refresh();
  if (s.header_.is_null()) throw Error(Exit::data, path + ": empty, expected a study");
  return s;
}

Study Study::open_or_create(const std::string& path, const json& config, const json& search, uint64_t seed) {
  Study s(std::make_unique<Journal>(path, true));
  const json header{
      {"record", "study"}, {"format", kFormat}, {"seed", seed}, {"search", search}, {"config", config}};
  s.journal_->transaction([&](const json& r) { s.read(r); },
                          [&]() -> std::vector<json> {
                            if (s.header_.is_null()) return {header};
                            return {};
                          });
  json before = s.header_, now = header;
  for (json* h : {&before, &now}) (*h)["search"].erase("trials");
  const std::string where = difference(before, now);
  if (!where.empty())
    throw Error(Exit::config, {},
                str("the study '", path, "' was begun with another ", dotted(where, before)),
                "go on with the same config and seed, or write to another study");
  s.search_ = parse_search(search, "/search");
  return s;
}

int64_t Study::limit() const {
  return std::min(search_.trials, trials_available(context()).value_or(search_.trials));
}

uint64_t Study::seed_of(int64_t number, int64_t repeat) const {
  const uint64_t stream = repeat ? stream_id(str("trial:", repeat)) : stream_id("trial");
  return Random(seed_, stream, static_cast<uint64_t>(number)).bits() >> 1;
}

json Study::config_of(const Trial& t) const {
  json c = apply_parameters(config_, t.parameters);
  if (t.epochs) c["train"]["epochs"] = t.epochs;
  return c;
}

const Trial* Study::best() const {
  int64_t longest = 0;  // trials of a short rung do not stand against those of a longer one
  for (const Trial& t : trials_)
    if (t.usable()) longest = std::max(longest, t.epochs);
  const Trial* best = nullptr;
  for (const Trial& t : trials_)
    if (t.usable() && t.epochs == longest && (!best || search_.objective.better(*t.value, *best->value)))
      best = &t;
  return best;
}

// The record that gives out a trial; null when there is none now.
json Study::next(int64_t limit, bool external, std::optional<int64_t>& waits_for) const {
  json record{{"record", "ask"}};
  if (external) record["external"] = true;
  const auto put = [&](int64_t number, const json& parameters, std::optional<int64_t> parent,
                       int64_t epochs) {
    record["trial"] = number;
    record["parameters"] = parameters;
    if (parent) record["parent"] = *parent;
    if (epochs) record["epochs"] = epochs;
    return record;
  };
  for (const Trial& t : trials_)
    if (t.state == TrialState::lost) return put(t.number, t.parameters, t.parent, t.epochs);
  const auto number = static_cast<int64_t>(trials_.size());
  if (number >= limit) return nullptr;
  const int64_t needed = results_needed(context(), number);
  for (int64_t i = 0; i < needed; ++i)
    if (!trials_[static_cast<size_t>(i)].finished()) {
      waits_for = i;
      return nullptr;
    }
  const Suggestion s = suggest(context(), number, trials_);
  return put(number, s.parameters, s.parent, s.epochs);
}

std::optional<Trial> Study::ask(bool external, std::optional<int64_t>* waits_for) {
  std::optional<int64_t> waits;
  json record;
  const int64_t most = limit();
  journal_->transaction([&](const json& r) { read(r); },
                        [&]() -> std::vector<json> {
                          record = next(most, external, waits);
                          if (record.is_null()) return {};
                          return {record};
                        });
  if (waits_for) *waits_for = waits;
  if (record.is_null()) return std::nullopt;
  return trials_[record["trial"].get<size_t>()];
}

Trial& Study::asked(int64_t number) {
  refresh();
  if (number < 0 || number >= static_cast<int64_t>(trials_.size()))
    throw Error(Exit::usage, str("trial ", number, " was never asked for, the study has ", trials_.size()));
  return trials_[static_cast<size_t>(number)];
}

// The first constraint that does not hold with the metrics of a trial, with the reason; empty: all hold.
std::string Study::broken_constraint(const Trial& t, const json& metrics) const {
  const json config = config_of(t);
  for (size_t i = 0; i < search_.constraints.size(); ++i) {
    const std::string& condition = search_.constraints[i];
    json values = json::object();
    for (const std::string& name : constraint_names(condition)) {
      const json key = value_in(config, name);
      const json* metric = key.is_null() ? at_path(metrics, name) : nullptr;
      const bool held_back =
          std::any_of(space_.begin(), space_.end(), [&](const Dimension& d) { return d.key == name; });
      if (key.is_null() && !metric && !held_back)
        return str("there is no metric '", name, "' for ", condition);
      values[name] = metric ? *metric : key;
    }
    if (constraint_holds(condition, values, str("/search/constraints/", i)) == false)
      return "breaks " + condition;
  }
  return {};
}

void Study::tell(int64_t number, const Outcome& o) {
  const Trial& t = asked(number);
  json record{{"record", "tell"}, {"trial", number}, {"state", name_of(o.state)}};
  if (o.value && std::isfinite(*o.value)) record["value"] = *o.value;
  if (!o.metrics.empty()) record["metrics"] = o.metrics;
  std::string why = o.why;
  if (o.state == TrialState::complete && !search_.constraints.empty()) {
    const std::string broken = broken_constraint(t, o.metrics);
    if (!broken.empty()) record["feasible"] = false, why = broken;
  }
  if (!why.empty()) record["why"] = why;
  if (!o.curve.empty()) record["curve"] = o.curve;
  if (o.seconds > 0) record["seconds"] = std::round(o.seconds * 1000) / 1000;
  journal_->transaction([&](const json& r) { read(r); }, [&] { return std::vector<json>{record}; });
}

std::optional<std::string> Study::report(int64_t number, int64_t step, double value) {
  asked(number);
  const json record{{"record", "report"}, {"trial", number}, {"step", step}, {"value", value}};
  journal_->transaction([&](const json& r) { read(r); }, [&] { return std::vector<json>{record}; });
  return reason_to_prune(context(), number, trials_[static_cast<size_t>(number)].curve, trials_);
}

std::optional<std::pair<size_t, std::string>> Study::stop(
    int64_t number, const std::vector<std::pair<int64_t, double>>& curve) const {
  for (size_t n = 1; n <= curve.size(); ++n)
    if (const auto why = reason_to_prune(context(), number, std::span(curve).first(n), trials_))
      return {{n - 1, *why}};
  return std::nullopt;
}

void Study::refresh() {
  journal_->transaction([&](const json& r) { read(r); }, [] { return std::vector<json>(); });
}

}  // namespace dl
