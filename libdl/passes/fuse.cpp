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
    for (size_t k = 0; k < g_.nodes.size(); ++k)
      activation(k) || activation_gradient(k) || residual(k) || norm_gradient(k);
    for (size_t k = 0; k < g_.nodes.size(); ++k) gone_[k] || masked_gradient(k);
    std::vector<Node> kept;
    for (size_t k = 0; k < g_.nodes.size(); ++k)
      if (!gone_[k]) kept.push_back(std::move(g_.nodes[k]));
    return rebuild(g_, kept, std::vector<ValueId>(g_.values.size(), kNone));
  }

 private:
  // The node that produces v as its first output for one reader alone, or null. A node may have been fused already: then
  // it writes v itself.
  Node* sole_producer(ValueId v) {
    const int32_t p = g_.value(v).node;
    if (p < 0 || uses_[at(v)] != 1) return nullptr;
    Node& n = g_.nodes[static_cast<size_t>(p)];
    return n.out[0] == v ? &n : nullptr;
  }
  size_t index(const Node& n) const { return static_cast<size_t>(&n - g_.nodes.data()); }
  json attribute(const Node& n, const char* key) const { return n.op->attrs->dump(n.attrs.get()).at(key); }

  // The producer takes over the reader's output; the reader goes.
  void absorb(Node& producer, size_t reader) {
    const ValueId y = g_.nodes[reader].out[0];
    producer.out[0] = y;
    g_.values[at(y)].node = static_cast<int32_t>(index(producer));
    gone_[reader] = true;
  }

  bool activation(size_t k) {
    const Node& n = g_.nodes[k];
    if (n.in.size() != 1 || n.out.size() != 1 || !(n.op->traits & kElementwise)) return false;
    if (!n.op->attrs->changed(n.attrs.get()).empty())
      return false;  // the epilogues know the default form only
    Node* p = sole_producer(n.in[0]);
    if (!p || !accepts(*p->op, "activation", n.op->name)) return false;
    if (attribute(*p, "activation") != "none") return false;
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
    if (g_.type(y) != g_.type(p->out[0]) || defined >= static_cast<int32_t>(index(*p))) return false;
    p->in.push_back(y);
    p->attrs = with(*p, "epilogue", n.op->name);
    absorb(*p, k);
    return true;
  }

  // Whether this gradient of a convolution's input can be added to and masked as it is written.
  bool has_epilogue(const Node& p) const {
    const json algorithm = attribute(p, "algorithm");
    return algorithm == "direct" || algorithm == "winograd" || algorithm == "channels_last";
  }

  // Whether the node could add another term to its result before the activation.
  bool takes_residual(const Node& p) const {
    if (p.op->name == "conv2d_grad_input") return p.in.size() == 2 && has_epilogue(p);
    if (!p.op->args.ends_with(" r?") || attribute(p, "activation") != "none") return false;
    if (p.op->name == "conv2d") return p.in.size() < 4 && attribute(p, "algorithm") != "im2col";
    return p.in.size() == static_cast<size_t>(arity_of(p.op->args).least);
  }

  // A sum into the batch norm, blocked convolution or gradient of one that gives its later term: y = norm(x) + r.
  bool residual(size_t k) {
    const Node& n = g_.nodes[k];
    if (n.op->name != "add" || g_.type(n.in[0]) != g_.type(n.in[1])) return false;
    const bool later = g_.value(n.in[0]).node > g_.value(n.in[1]).node;
    const ValueId term = n.in[later ? 0 : 1], r = n.in[later ? 1 : 0];
    Node* p = sole_producer(term);
    if (!p || !takes_residual(*p)) return false;
    if (p->op->name == "conv2d") p->in.resize(3, kNone);  // without a bias
    p->in.push_back(r);
    absorb(*p, k);
    return true;
  }

  // The gradient of the relu or relu6 that a batch norm has taken in goes into the gradient of that norm, which finds the mask
  // from beta and what it reads anyway.
  bool norm_gradient(size_t k) {
    Node& n = g_.nodes[k];
    if (n.op->name != "batch_norm_grad" || n.in.size() != 5) return false;
    const Node* mask = sole_producer(n.in[1]);
    if (!mask || (mask->op->name != "relu_grad" && mask->op->name != "relu6_grad")) return false;
    const std::string activation(mask->op->name.substr(0, mask->op->name.find('_')));
    const int32_t forward = g_.value(mask->in[0]).node;
    if (forward < 0) return false;
    const Node& norm = g_.nodes[static_cast<size_t>(forward)];
    if (norm.op->name != "batch_norm" || norm.in.size() != 5 || norm.out[0] != mask->in[0]) return false;
    if (norm.in[0] != n.in[0] || attribute(norm, "activation") != activation) return false;
    gone_[index(*mask)] = true;
    n.in[1] = mask->in[1];
    n.in.push_back(norm.in[2]);
    n.attrs = with(n, "activation", activation);
    return true;
  }

  // The gradient of a relu into the gradient of the convolution that reads what the relu made. Batch norms have had their
  // choice before: theirs need no mask.
  bool masked_gradient(size_t k) {
    const Node& n = g_.nodes[k];
    if (n.op->name != "relu_grad") return false;
    Node* p = sole_producer(n.in[1]);
    const ValueId y = n.in[0];
    if (!p || p->op->name != "conv2d_grad_input" || p->in.size() > 3 || !has_epilogue(*p)) return false;
    if (g_.type(y) != g_.type(p->out[0]) || g_.value(y).node >= static_cast<int32_t>(index(*p))) return false;
    p->in.resize(3, kNone);
    p->in.push_back(y);
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
