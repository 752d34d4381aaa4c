#include <algorithm>

#include "passes/passes.h"

namespace dl {
namespace {

size_t at(ValueId v) { return static_cast<size_t>(v); }

// Whether the operator's attribute `key` is an enum that knows `choice`: then its kernel can apply it in its epilogue.
bool accepts(const OpDef& op, const char* key, std::string_view choice) {
  const json schema = op.attrs->schema();
  const auto property = schema.at("properties").find(key);
  if (property == schema.at("properties").end() || !property->contains("enum")) return false;
  const json& names = property->at("enum");
  return std::find(names.begin(), names.end(), json(choice)) != names.end();
}

Attrs with(const Node& n, const char* key, std::string_view choice) {
  json attrs = n.op->attrs->dump(n.attrs.get());
  attrs[key] = choice;
  return n.op->attrs->parse(attrs, n.origin, {});
}

class Fuser {
 public:
  explicit Fuser(Graph g) : g_(std::move(g)), uses_(g_.values.size()), gone_(g_.nodes.size()) {
    for (const Node& n : g_.nodes)
      for (ValueId x : n.in)
        if (x != kNone) ++uses_[at(x)];
    for (const GraphOutput& o : g_.outputs) ++uses_[at(o.value)];
    for (const Update& u : g_.updates) ++uses_[at(u.next)];
  }

  Graph run() {
    for (size_t k = 0; k < g_.nodes.size(); ++k) {
      if (activation(k)) continue;
      activation_gradient(k);
    }
    std::vector<Node> kept;
    for (size_t k = 0; k < g_.nodes.size(); ++k)
      if (!gone_[k]) kept.push_back(std::move(g_.nodes[k]));
    return rebuild(g_, kept, std::vector<ValueId>(g_.values.size(), kNone));
  }

 private:
  // The node that alone produces v for one reader, or null. A node may have been fused already: then it writes v itself.
  Node* sole_producer(ValueId v) {
    const int32_t p = g_.value(v).node;
    if (p < 0 || uses_[at(v)] != 1) return nullptr;
    Node& n = g_.nodes[static_cast<size_t>(p)];
    return n.out.size() == 1 && n.out[0] == v ? &n : nullptr;
  }

  // The producer takes over the reader's output; the reader goes.
  void absorb(Node& producer, size_t reader) {
    const ValueId y = g_.nodes[reader].out[0];
    producer.out[0] = y;
    g_.values[at(y)].node = static_cast<int32_t>(&producer - g_.nodes.data());
    gone_[reader] = true;
  }

  bool activation(size_t k) {
    const Node& n = g_.nodes[k];
    if (n.in.size() != 1 || n.out.size() != 1 || !(n.op->traits & kElementwise)) return false;
    if (!n.op->attrs->changed(n.attrs.get()).empty())
      return false;  // the epilogues know the default form only
    Node* p = sole_producer(n.in[0]);
    if (!p || !accepts(*p->op, "activation", n.op->name)) return false;
    if (p->op->attrs->dump(p->attrs.get()).at("activation") != "none") return false;
    p->attrs = with(*p, "activation", n.op->name);
    absorb(*p, k);
    return true;
  }

  bool activation_gradient(size_t k) {
    const Node& n = g_.nodes[k];
    if (n.op->args != "y dy") return false;
    Node* p = sole_producer(n.in[1]);
    if (!p || p->in.size() > 2 || !accepts(*p->op, "epilogue", n.op->name)) return false;
    const ValueId y = n.in[0];
    const int32_t defined = g_.value(y).node;
    if (g_.type(y) != g_.type(p->out[0]) || defined >= p - g_.nodes.data()) return false;
    p->in.push_back(y);
    p->attrs = with(*p, "epilogue", n.op->name);
    absorb(*p, k);
    return true;
  }

  Graph g_;
  std::vector<int> uses_;
  std::vector<bool> gone_;
};

}  // namespace

Graph fuse(Graph g) { return Fuser(std::move(g)).run(); }

}  // namespace dl
