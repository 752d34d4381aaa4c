#include "search/report.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "base/html.h"
#include "base/str.h"
#include "search/importance.h"

namespace dl {
namespace {

constexpr size_t kMostRows = 1000;  // of the table

std::string shown(const json& v) {
  return v.is_string()         ? v.get<std::string>()
         : v.is_number_float() ? short_number(v.get<double>())
                               : v.dump();
}

std::string note_of(const Trial& t) {
  std::string out = str("trial ", t.number, ": ", t.value ? short_number(*t.value) : "");
  for (const auto& p : t.parameters.items()) out += str("\n", p.key(), " = ", shown(p.value()));
  return out;
}

// The last part of a key, longer where several keys end alike.
std::map<std::string, std::string> short_names(const std::vector<Dimension>& space) {
  std::map<std::string, std::string> out;
  for (const Dimension& d : space) {
    size_t from = d.key.rfind('.');
    if (from != std::string::npos && from > 0 && d.key.substr(from) == ".type")
      from = d.key.rfind('.', from - 1);
    const auto ambiguous = [&](const std::string& tail) {
      return std::count_if(space.begin(), space.end(),
                           [&](const Dimension& o) { return o.key.ends_with(tail); }) > 1;
    };
    while (from != std::string::npos && ambiguous(d.key.substr(from)))
      from = from ? d.key.rfind('.', from - 1) : std::string::npos;
    out[d.key] = from == std::string::npos ? d.key : d.key.substr(from + 1);
  }
  return out;
}

struct Reporter {
  const Study& study;
  std::map<std::string, std::string> names = short_names(study.space());
  const std::string objective = study.search().objective.name();
  const Trial* best = study.best();
  std::vector<const Trial*> usable = [this] {
    std::vector<const Trial*> out;
    for (const Trial& t : study.trials())
      if (t.usable()) out.push_back(&t);
    return out;
  }();

  std::string facts() const {
    int64_t count[5] = {};
    double seconds = 0;
    for (const Trial& t : study.trials()) {
      ++count[static_cast<size_t>(t.state)];
      seconds += t.seconds;
    }
    std::string states;
    for (size_t s = 0; s < 5; ++s)
      if (count[s])
        states += str(states.empty() ? "" : ", ", count[s], ' ', name_of(static_cast<TrialState>(s)));
    std::vector<std::pair<std::string, std::string>> facts{
        {str("best ", objective), best ? short_number(*best->value) : "none"},
        {"best trial", best ? str(best->number) : "none"},
        {"trials", states.empty() ? "none" : states},
        {"sampler", study.search().sampler.type}};
    if (study.search().pruner.type != "none") facts.emplace_back("pruner", study.search().pruner.type);
    if (seconds > 0) facts.emplace_back("time in trials", human_seconds(seconds));
    return html_facts(facts);
  }

  std::string history() const {
    Series all{.name = "complete", .mark = PlotMark::dots, .color = 0},
        pruned{.name = "pruned", .mark = PlotMark::dots, .color = 5},
        infeasible{.name = "not feasible", .mark = PlotMark::dots, .color = 7},
        top{.name = "best so far", .mark = PlotMark::steps, .color = 1};
    std::optional<double> so_far;
    for (const Trial& t : study.trials()) {
      if (!t.value || !t.finished()) continue;
      Series& s = t.state == TrialState::pruned ? pruned : t.feasible ? all : infeasible;
      s.points.emplace_back(static_cast<double>(t.number), *t.value);
      s.notes.push_back(note_of(t));
      if (t.usable() && (!so_far || study.search().objective.better(*t.value, *so_far))) so_far = t.value;
      if (so_far) top.points.emplace_back(static_cast<double>(t.number), *so_far);
    }
    std::vector<Series> series{all};
    for (const Series& s : {pruned, infeasible, top})
      if (!s.points.empty()) series.push_back(s);
    return svg_plot(
        {.x_label = "trial", .y_label = objective, .series = series, .title = "value of every trial"});
  }

  std::string slice(const Dimension& d) const {
    Plot p{.x_label = names.at(d.key), .y_label = objective, .width = 360, .height = 240, .title = d.key};
    p.log_x = d.kind == Dimension::Kind::log_uniform || d.kind == Dimension::Kind::log_integer;
    const bool named = d.kind == Dimension::Kind::choice;
    for (const json& c : d.choices) p.x_names.push_back(shown(c));
    Series s{.mark = PlotMark::dots, .color = 0}, top{.mark = PlotMark::dots, .color = 1};
    for (const Trial* t : usable) {
      const auto v = t->parameters.find(d.key);
      if (v == t->parameters.end()) continue;
      const double x =
          named ? static_cast<double>(std::find(d.choices.begin(), d.choices.end(), *v) - d.choices.begin())
                : v->get<double>();
      Series& to = t == best ? top : s;
      to.points.emplace_back(x, *t->value);
      to.notes.push_back(note_of(*t));
    }
    p.series = {s, top};
    return str("<div>", svg_plot(p), "</div>");
  }

  // One upright axis for each key and one for the objective; the best quarter of the trials in colour.
  std::string coordinates() const {
    std::vector<double> values;
    for (const Trial* t : usable) values.push_back(study.search().objective.cost(*t->value));
    std::sort(values.begin(), values.end());
    const double good = values[(values.size() - 1) / 4], low = values.front(), high = values.back();
    const auto axes = static_cast<double>(study.space().size()) + 1;
    const double width = std::max(640.0, 110 * axes), top = 30, bottom = 250,
                 step = (width - 110) / std::max(axes - 1, 1.0);
    std::string out = str("<div class=\"scroll\"><svg style=\"min-width:", short_number(95 * axes),
                          "px\" viewBox=\"0 0 ", short_number(width), " 290\" role=\"img\">");
    const auto place = [&](double axis, double u) {
      return str(short_number(50 + axis * step), ' ', short_number(bottom - u * (bottom - top)));
    };
    std::string faint, strong;
    for (const Trial* t : usable) {
      std::string path;
      double axis = 0;
      for (const Dimension& d : study.space()) {
        if (const auto v = t->parameters.find(d.key); v != t->parameters.end())
          path += str(path.empty() ? 'M' : 'L', place(axis, d.unit(*v)));
        ++axis;
      }
      const double cost = study.search().objective.cost(*t->value);
      path += str(path.empty() ? 'M' : 'L', place(axis, high > low ? (high - cost) / (high - low) : 0.5));
      (cost <= good ? strong : faint) +=
          str("<path d=\"", path, "\"><title>", html_escape(note_of(*t)), "</title></path>");
    }
    out += str("<g fill=\"none\" stroke=\"var(--soft)\" stroke-opacity=\".25\">", faint,
               "</g><g fill=\"none\" stroke=\"var(--c1)\" stroke-opacity=\".75\" stroke-width=\"1.6\">",
               strong, "</g>");
    const bool larger = study.search().objective.larger_is_better();
    for (size_t i = 0; i <= study.space().size(); ++i) {
      const bool last = i == study.space().size();
      const auto x = static_cast<double>(i);
      const std::string name = last ? objective : names.at(study.space()[i].key);
      const std::string above = last ? short_number(larger ? -low : low) : shown(study.space()[i].value(1)),
                        below = last ? short_number(larger ? -high : high) : shown(study.space()[i].value(0));
      const std::string at = short_number(50 + x * step);
      out += str("<path class=\"axis\" d=\"M", place(x, 0), 'L', place(x, 1), "\"/>");
      for (const auto& [y, text, kind] :
           {std::tuple{22.0, above, ""}, {266.0, below, ""}, {284.0, name, " class=\"name\""}})
        out += str("<text", kind, " x=\"", at, "\" y=\"", short_number(y), "\" text-anchor=\"middle\">",
                   html_escape(text), "</text>");
    }
    return out + "</svg></div>";
  }

  std::string curves() const {
    Plot p{.x_label = study.search().runs() > 1 ? "runs" : "epoch",
           .y_label = objective,
           .title = "values on the way"};
    const auto add = [&](const Trial& t, bool faint) {
      if (t.curve.size() < 2 && !faint) return;
      Series s{.name = faint ? str("trial ", t.number, t.state == TrialState::pruned ? ", pruned" : "")
                             : str("best, trial ", t.number),
               .faint = faint,
               .color = faint ? (t.state == TrialState::pruned ? 5 : 0) : 1};
      for (const auto& [epoch, v] : t.curve) s.points.emplace_back(static_cast<double>(epoch), v);
      if (!s.points.empty()) p.series.push_back(s);
    };
    for (const Trial& t : study.trials())
      if (&t != best) add(t, true);
    if (best) add(*best, false);
    return p.series.empty() ? "" : svg_plot(p);
  }

  std::string bars(const std::vector<Importance>& all) const {
    std::vector<Bar> bars;
    double rest = 1;
    for (const Importance& i : all) {
      bars.push_back(
          {names.at(i.key), i.share, i.spread, str(short_number(std::round(1000 * i.share) / 10), " %")});
      rest -= i.share;
    }
    bars.push_back({"together", std::max(rest, 0.0), 0,
                    str(short_number(std::round(1000 * std::max(rest, 0.0)) / 10), " %")});
    return svg_bars(bars, "share of the variance");
  }

  std::string table() const {
    std::vector<std::string> columns{"trial", "state", objective};
    for (const Dimension& d : study.space()) columns.push_back(names.at(d.key));
    columns.emplace_back("seconds");
    columns.emplace_back("why");
    std::vector<std::vector<std::string>> rows;
    int64_t marked = -1;
    for (const Trial& t : study.trials()) {
      if (rows.size() == kMostRows) break;
      if (&t == best) marked = static_cast<int64_t>(rows.size());
      std::vector<std::string> row{str(t.number), std::string(name_of(t.state)),
                                   t.value ? short_number(*t.value) : ""};
      for (const Dimension& d : study.space())
        row.push_back(t.parameters.contains(d.key) ? shown(t.parameters[d.key]) : "");
      row.push_back(t.seconds > 0 ? short_number(t.seconds) : "");
      row.push_back(t.why);
      rows.push_back(std::move(row));
    }
    return html_table(columns, rows, marked);
  }
};

}  // namespace

std::string study_report(const Study& study, const std::string& name) {
  const Reporter r{study};
  HtmlPage page(name,
                str("a search by dl-hpo over ", study.space().size(), " keys, ",
                    study.search().objective.larger_is_better() ? "for the largest " : "for the smallest ",
                    r.objective));
  page.section("", r.facts());
  if (!r.usable.empty()) {
    page.section("History", r.history());
    if (r.usable.size() >= 4 && !study.space().empty()) {
      std::string body;
      try {
        body = r.bars(importance(study));
      } catch (const Error&) {}  // trials of several lengths, and too few of the longest
      if (!body.empty())
        page.section(
            "Importance", body,
            "How much of the variance each key explains by itself (functional analysis of variance over a "
            "random forest), with its standard deviation over trees; together: keys that depend on one "
            "another.");
    }
    page.section("Parallel coordinates", r.coordinates(),
                 "One line for each complete trial; the best quarter in colour.");
    std::string slices;
    for (const Dimension& d : study.space()) slices += r.slice(d);
    page.section("Slices", str("<div class=\"many\">", slices, "</div>"),
                 "The value over each key; the best trial in the second colour.");
  }
  if (const std::string curves = r.curves(); !curves.empty()) page.section("Curves", curves);
  page.section("Trials", r.table(),
               study.trials().size() > kMostRows
                   ? str("The first ", kMostRows, " of ", study.trials().size(), '.')
                   : "");
  return page.text();
}

}  // namespace dl
