#include "search/study.h"

#include <cmath>

#include "base/random.h"
#include "base/schema.h"
#include "base/str.h"

namespace dl {
namespace {

constexpr std::string_view kStates[] = {"running", "complete", "pruned", "failed", "lost"};
constexpr int64_t kFormat = 1;

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
  const int64_t number = r.value("trial", int64_t{-1});
  if (kind == "ask" && number >= 0 && number <= static_cast<int64_t>(trials_.size())) {
    if (number == static_cast<int64_t>(trials_.size())) trials_.emplace_back();
    Trial& t = trials_[static_cast<size_t>(number)];
    t = {};
    t.number = number;
    t.parameters = r.value("parameters", json::object());
    t.external = r.value("external", false);
  } else if (kind == "tell" && number >= 0 && number < static_cast<int64_t>(trials_.size())) {
    Trial& t = trials_[static_cast<size_t>(number)];
    t.state = state_named(r.value("state", std::string()));
    t.value.reset();
    if (r.contains("value") && r["value"].is_number()) t.value = r["value"].get<double>();
    t.metrics = r.value("metrics", json::object());
    t.why = r.value("why", std::string());
  } else {
    throw Error(Exit::data, str(journal_->path(), ": record '", kind, "' of trial ", number,
                                " does not fit what came before"));
  }
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

void Study::refresh() {
  journal_->transaction([&](const json& r) { read(r); }, [] { return std::vector<json>(); });
}

uint64_t Study::seed_of(int64_t number) const {
  return Random(seed_, stream_id("trial"), static_cast<uint64_t>(number)).bits() >> 1;
}

const Trial* Study::best() const {
  const Trial* best = nullptr;
  for (const Trial& t : trials_)
    if (t.state == TrialState::complete && t.value &&
        (!best || search_.objective.better(*t.value, *best->value)))
      best = &t;
  return best;
}

std::optional<Trial> Study::ask(int64_t limit, bool external) {
  std::optional<int64_t> number;
  journal_->transaction([&](const json& r) { read(r); },
                        [&]() -> std::vector<json> {
                          for (const Trial& t : trials_)
                            if (t.state == TrialState::lost && !number) number = t.number;
                          const auto count = static_cast<int64_t>(trials_.size());
                          if (!number && count < limit) number = count;
                          if (!number) return {};
                          const json parameters = *number < count
                                                      ? trials_[static_cast<size_t>(*number)].parameters
                                                      : parameters_of(*number);
                          json record{{"record", "ask"}, {"trial", *number}, {"parameters", parameters}};
                          if (external) record["external"] = true;
                          return {record};
                        });
  if (!number) return std::nullopt;
  return trials_[static_cast<size_t>(*number)];
}

void Study::tell(int64_t number, TrialState state, std::optional<double> value, const json& metrics,
                 const std::string& why) {
  refresh();
  if (number < 0 || number >= static_cast<int64_t>(trials_.size()))
    throw Error(Exit::usage, str("trial ", number, " was never asked for, the study has ", trials_.size()));
  json record{{"record", "tell"}, {"trial", number}, {"state", name_of(state)}};
  if (value && std::isfinite(*value)) record["value"] = *value;
  if (!metrics.empty()) record["metrics"] = metrics;
  if (!why.empty()) record["why"] = why;
  journal_->transaction([&](const json& r) { read(r); }, [&] { return std::vector<json>{record}; });
}

}  // namespace dl
