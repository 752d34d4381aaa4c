// The text form of a graph; the grammar is in graph.h.
#include <charconv>
#include <unordered_map>

#include "base/str.h"
#include "graph/graph.h"

namespace dl {
namespace {

// Values are numbered in the order in which they are printed, so the text does not show how a graph came about.
using Labels = std::vector<int64_t>;

Labels label_values(const Graph& g) {
  Labels labels(g.values.size(), -1);
  int64_t next = 0;
  for (size_t i = 0; i < g.values.size(); ++i)
    if (g.values[i].kind != ValueKind::computed) labels[i] = next++;
  for (const Node& n : g.nodes)
    for (ValueId v : n.out) labels[static_cast<size_t>(v)] = next++;
  return labels;
}

std::string operand(const Labels& labels, ValueId v) {
  return v == kNone ? "_" : str('%', labels[static_cast<size_t>(v)]);
}

void print_node(std::string& out, const Graph& g, const Labels& labels, const Node& n) {
  for (size_t i = 0; i < n.out.size(); ++i) out += str(i ? ", " : "", operand(labels, n.out[i]));
  out += str(" = ", n.op->name, '(');
  for (size_t i = 0; i < n.in.size(); ++i) out += str(i ? ", " : "", operand(labels, n.in[i]));
  out += ')';
  const json changed = n.op->attrs->changed(n.attrs.get());
  if (!changed.empty()) out += " " + changed.dump();
  out += " : ";
  for (size_t i = 0; i < n.out.size(); ++i) out += str(i ? ", " : "", g.type(n.out[i]).text());
  if (!n.name.empty() || !n.origin.empty() || n.phase != Phase::forward) {
    out += " ;";
    if (n.phase != Phase::forward) out += n.phase == Phase::backward ? " !backward" : " !update";
    if (!n.name.empty()) out += " " + n.name;
    if (!n.origin.empty()) out += " @" + n.origin;
  }
  out += '\n';
}

// Reads one line at a time; every error carries the line number.
class Parser {
 public:
  Parser(std::string_view text, const OpDef* (*find_op)(std::string_view)) : text_(text), find_op_(find_op) {}

  Graph parse() {
    for (size_t at = 0; at < text_.size();) {
      const size_t end = std::min(text_.find('\n', at), text_.size());
      ++line_;
      rest_ = trim(text_.substr(at, end - at));
      at = end + 1;
      if (!rest_.empty()) statement();
    }
    return std::move(g_);
  }

 private:
  [[noreturn]] void fail(const std::string& m) const {
    throw Error(Exit::config, str("graph text, line ", line_, ": ", m));
  }
  bool take(std::string_view word) {
    rest_ = trim(rest_);
    if (!rest_.starts_with(word)) return false;
    rest_.remove_prefix(word.size());
    return true;
  }
  void need(std::string_view word) {
    if (!take(word)) fail(str("expected '", word, "' at '", rest_.substr(0, 20), "'"));
  }
  std::string_view word(std::string_view stop) {
    rest_ = trim(rest_);
    const size_t n = std::min(rest_.find_first_of(stop), rest_.size());
    const std::string_view w = rest_.substr(0, n);
    rest_.remove_prefix(n);
    if (w.empty()) fail(str("expected a word at '", rest_.substr(0, 20), "'"));
    return w;
  }
  int64_t integer() {
    rest_ = trim(rest_);
    int64_t v = 0;
    const auto r = std::from_chars(rest_.data(), rest_.data() + rest_.size(), v);
    if (r.ec != std::errc()) fail(str("expected a number at '", rest_.substr(0, 20), "'"));
    rest_.remove_prefix(static_cast<size_t>(r.ptr - rest_.data()));
    return v;
  }
  int64_t label() {
    need("%");
    return integer();
  }
  ValueId value() {
    if (take("_")) return kNone;
    const auto it = ids_.find(label());
    if (it == ids_.end()) fail("a value is used before it is defined");
    return it->second;
  }
  TensorType type() {
    TensorType t;
    const std::string_view name = word("[");
    if (!parse_dtype(name, t.dtype)) fail(str("unknown element type '", name, "'"));
    need("[");
    while (!take("]")) {
      const int64_t extent = integer();
      if (extent < 0) fail("negative extent");
      if (t.shape.rank() == kMaxRank) fail(str("more than ", kMaxRank, " extents"));
      t.shape.push_back(extent);
      take(",");
    }
    return t;
  }
  void define(int64_t label, ValueId v) {
    if (!ids_.emplace(label, v).second) fail(str('%', label, " is defined twice"));
  }

  void statement() {
    if (take("graph "))
      g_.name = trim(rest_);
    else if (take("output ")) {
      std::string name(word(" "));
      g_.outputs.push_back({name, value()});
    } else if (take("update ")) {
      const ValueId s = value();
      need("<-");
      g_.updates.push_back({s, value()});
    } else
      definition();
  }

  void definition() {
    std::vector<int64_t> labels{label()};
    while (take(",")) labels.push_back(label());
    need("=");
    for (ValueKind k : {ValueKind::input, ValueKind::parameter, ValueKind::state, ValueKind::constant})
      if (take(str(name_of(k), ' '))) return leaf(k, labels);
    node(labels);
  }

  void leaf(ValueKind kind, const std::vector<int64_t>& labels) {
    if (labels.size() != 1) fail("a leaf is one value");
    std::string name(word(" "));
    need(":");
    const TensorType t = type();
    if (g_.find(name) != kNone) fail(str("there is a leaf named '", name, "' already"));
    if (kind == ValueKind::constant && t.elements() > 1 << 20) fail("constant is too large for text");
    define(labels[0],
           kind == ValueKind::constant ? g_.add_constant(name, Tensor(t)) : g_.add_leaf(kind, name, t));
  }

  Attrs attributes(const OpDef& op) {
    rest_ = trim(rest_);
    if (!rest_.starts_with("{")) return {};
    size_t n = 0;
    int depth = 0;
    bool quoted = false;
    do {
      if (n == rest_.size()) fail("attributes do not end");
      const char c = rest_[n];
      if (quoted && c == '\\')
        ++n;
      else if (c == '"')
        quoted = !quoted;
      else if (!quoted)
        depth += c == '{' ? 1 : c == '}' ? -1 : 0;
      ++n;
    } while (depth > 0);
    const json j = json::parse(rest_.substr(0, std::min(n, rest_.size())), nullptr, false);
    if (j.is_discarded()) fail("attributes are not JSON");
    rest_.remove_prefix(std::min(n, rest_.size()));
    return op.attrs->parse(j, "", {});
  }

  void node(const std::vector<int64_t>& labels) {
    const std::string_view name = word("( ");
    const OpDef* op = find_op_(name);
    if (!op) fail(str("unknown operator '", name, "'"));
    need("(");
    std::vector<ValueId> in;
    while (!take(")")) {
      in.push_back(value());
      take(",");
    }
    Attrs attrs;
    std::vector<ValueId> out;
    std::vector<TensorType> types;
    try {
      attrs = attributes(*op);
      need(":");
      do types.push_back(type());
      while (take(","));
      Phase phase = Phase::forward;
      std::string layer, origin;
      if (take(";")) {
        if (take("!backward"))
          phase = Phase::backward;
        else if (take("!update"))
          phase = Phase::update;
        rest_ = trim(rest_);
        if (!rest_.empty() && rest_[0] != '@') layer = word(" ");
        if (take("@")) origin = rest_;
      }
      out = g_.add_node(*op, std::move(in), std::move(attrs), layer, origin, phase);
    } catch (const Error& e) {
      if (std::string_view(e.what()).starts_with("graph text")) throw;
      fail(e.what());
    }
    if (out.size() != labels.size() || out.size() != types.size())
      fail(str("'", name, "' has ", out.size(), " outputs"));
    for (size_t i = 0; i < out.size(); ++i) {
      if (types[i] != g_.type(out[i]))
        fail(str("type is ", types[i].text(), ", inferred ", g_.type(out[i]).text()));
      define(labels[i], out[i]);
    }
  }

  std::string_view text_, rest_;
  const OpDef* (*find_op_)(std::string_view);
  Graph g_;
  std::unordered_map<int64_t, ValueId> ids_;
  int line_ = 0;
};

}  // namespace

std::string print(const Graph& g) {
  const Labels labels = label_values(g);
  std::string out = str("graph ", g.name, '\n');
  for (size_t i = 0; i < g.values.size(); ++i) {
    const Value& v = g.values[i];
    if (v.kind != ValueKind::computed)
      out += str('%', labels[i], " = ", name_of(v.kind), ' ', v.name, " : ", v.type.text(), '\n');
  }
  for (const Node& n : g.nodes) print_node(out, g, labels, n);
  for (const GraphOutput& o : g.outputs) out += str("output ", o.name, ' ', operand(labels, o.value), '\n');
  for (const Update& u : g.updates)
    out += str("update ", operand(labels, u.state), " <- ", operand(labels, u.next), '\n');
  return out;
}

Graph parse_graph(std::string_view text, const OpDef* (*find_op)(std::string_view)) {
  Graph g = Parser(text, find_op).parse();
  try {
    verify(g);
  } catch (const Error& e) {  // what no single line can tell, such as a read behind an update
    throw Error(Exit::config, str("graph text: ", e.what()));
  }
  return g;
}

}  // namespace dl
