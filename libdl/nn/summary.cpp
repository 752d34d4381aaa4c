#include "nn/summary.h"

#include <algorithm>

#include "base/str.h"

namespace dl {
namespace {

std::string sample(const Shape& shape) {
  std::string s;
  for (int d = 1; d < shape.rank(); ++d) s += str(d > 1 ? "x" : "", shape[d]);
  return s.empty() ? "1" : s;
}

std::string field_text(const int64_t (&extent)[2]) {
  if (extent[0] == 0 || extent[1] == 0) return "all";
  return str(extent[0], 'x', extent[1]);
}

std::string pad(std::string s, size_t width, bool right) {
  const size_t n = width > s.size() ? width - s.size() : 0;
  return right ? std::string(n, ' ') + s : s + std::string(n, ' ');
}

// Whether nothing but losses reads v.
bool is_target(const Graph& g, ValueId v) {
  bool read = false;
  for (const Node& n : g.nodes)
    if (std::find(n.in.begin(), n.in.end(), v) != n.in.end()) {
      if (!n.origin.starts_with("/train/loss")) return false;
      read = true;
    }
  return read;
}

}  // namespace

Summary summarize(const Model& model) {
  Summary out;
  out.name = model.graph.name;
  bool images = false;
  for (size_t i = 0; i < model.graph.values.size(); ++i) {
    const Value& v = model.graph.values[i];
    if (v.kind != ValueKind::input || v.type.shape.rank() == 0) continue;
    SummaryRow row;
    row.name = v.name;
    row.type =
        str(is_target(model.graph, static_cast<ValueId>(i)) ? "target " : "input ", name_of(v.type.dtype));
    row.output = sample(v.type.shape);
    row.receptive_field = "-";
    images = images || v.type.shape.rank() == 4;
    out.rows.push_back(row);
  }
  for (const LayerInfo& l : model.layers) {
    SummaryRow row;
    row.name = l.name;
    row.type = l.type;
    row.output = sample(model.graph.type(l.output).shape);
    row.parameters = l.parameters;
    row.multiply_adds = l.multiply_adds;
    row.receptive_field = images ? field_text(l.receptive_field) : "-";
    row.frozen = l.frozen;
    row.origin = l.origin;
    out.parameters += l.parameters;
    out.states += l.states;
    out.multiply_adds += l.multiply_adds;
    out.rows.push_back(row);
  }
  for (const Parameter& p : model.parameters)
    if (!p.frozen) out.trainable += model.graph.type(p.value).elements();
  return out;
}

std::string text(const Summary& summary) {
  std::vector<std::vector<std::string>> cells{
      {"layer", "type", "output", "parameters", "multiply-adds", "sees"}};
  for (const SummaryRow& r : summary.rows)
    cells.push_back({r.name, r.type, r.output,
                     r.parameters ? grouped(r.parameters) + (r.frozen ? " frozen" : "") : "",
                     r.multiply_adds ? grouped(r.multiply_adds) : "", r.receptive_field});
  cells.push_back({"total", "", "", grouped(summary.parameters), grouped(summary.multiply_adds), ""});
  std::vector<size_t> width(cells[0].size());
  for (const auto& row : cells)
    for (size_t i = 0; i < row.size(); ++i) width[i] = std::max(width[i], row[i].size());
  std::string out;
  for (const auto& row : cells) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) line += (i ? "  " : "") + pad(row[i], width[i], i >= 2);
    line.resize(line.find_last_not_of(' ') + 1);
    out += line + '\n';
  }
  out += str("trainable ", grouped(summary.trainable), ", frozen ",
             grouped(summary.parameters - summary.trainable), ", running statistics ",
             grouped(summary.states), "; multiply-adds for one sample\n");
  return out;
}

json to_json(const Summary& summary) {
  json rows = json::array();
  for (const SummaryRow& r : summary.rows)
    rows.push_back({{"name", r.name},
                    {"type", r.type},
                    {"output", r.output},
                    {"parameters", r.parameters},
                    {"multiply_adds", r.multiply_adds},
                    {"receptive_field", r.receptive_field},
                    {"frozen", r.frozen},
                    {"origin", r.origin}});
  return {
      {"name", summary.name},           {"layers", rows},           {"parameters", summary.parameters},
      {"trainable", summary.trainable}, {"states", summary.states}, {"multiply_adds", summary.multiply_adds}};
}

}  // namespace dl
