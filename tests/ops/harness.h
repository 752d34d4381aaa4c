#pragma once
// The case harness of the operators. A row names an operator, its operands and attributes; from it and from a
// naive reference in doubles, ops_test.cpp checks attributes, type inference, every instruction set,
// gradients, guards around all memory, alignment, in-place use, and that bits do not depend on threads. One
// file cases_<family>.cpp holds the rows and references of a family:
//
//   const AddReference kExp("exp", [](Reference& r) {
//     for (int64_t i = 0; i < r.y().size(); ++i) r.y()[i] = std::exp(r.x()[i]);
//   });
//   const AddRows kRows({
//       {"exp", {"f32[N]"}},                                         // N: once for each of a list of sizes
//       {"matmul", {"f32[2,3]", "f32[3,4] -1..1"}, R"({"transpose_b": false})", {.tol = 1e-5, .out =
//       {"f32[2,4]"}}},
//       {"matmul", {"f32[2,3]", "f32[4,4]"}, "{}", {.error = "inner extents"}},
//   });
//
// An operand is "f32[2,3]" with an optional fill, or "" where an optional one is absent. Fills: "lo..hi"
// (uniform; integers include hi), "=v" (constant), "distinct" (a permutation of evenly spaced numbers in
// -2..2). Without a fill: floats -2..2, integers 0..9. Operators of a gradient (*_grad) are covered by the
// rows of their forward operator: they run under the same checks and are compared with central differences of
// the reference. DL_OP=name runs one operator.
#include <map>
#include <set>
#include <string>
#include <vector>

#include "exec/cpu.h"
#include "graph/graph.h"
#include "ops/registry.h"

namespace dl::test {

// A tensor of doubles, dense, row-major.
struct Array {
  TensorType type;
  std::vector<double> v;
  const Shape& shape() const { return type.shape; }
  int64_t dim(int i) const { return type.shape[i < 0 ? i + type.shape.rank() : i]; }
  int64_t size() const { return static_cast<int64_t>(v.size()); }
  double operator[](int64_t i) const { return v[static_cast<size_t>(i)]; }
  double& operator[](int64_t i) { return v[static_cast<size_t>(i)]; }
};

// What a reference sees: operands, every attribute as JSON, outputs typed by infer and zeroed.
struct Reference {
  const json& attrs;
  std::vector<const Array*> in;  // null: absent
  std::vector<Array> out;
  uint64_t seed;  // of the run, for random operators
  const Array& x(size_t i = 0) const { return *in[i]; }
  Array& y(size_t i = 0) { return out[i]; }
  bool has(size_t i) const { return i < in.size() && in[i]; }
  template <class T = double>
  T attr(const char* key) const {
    return attrs.at(key).get<T>();
  }
};
using ReferenceFn = void (*)(Reference&);

struct Options {
  double tol = 2e-6;                // |y - ref| <= tol (|ref| + rms(ref)), for every element of every output
  double grad_tol = 2e-5;           // |dx - difference quotient| <= grad_tol max|difference quotient|
  std::vector<double> avoid = {};   // float inputs keep away from these points (kinks of the function)
  bool grad = true;                 // false: this row checks no gradient
  std::vector<int> grad_out = {0};  // outputs that receive a random dy
  std::vector<int> no_dx = {};      // float inputs that have no gradient by design
  bool unaligned = true;            // false: the kernel may ask for aligned pointers
  std::vector<std::string> out = {};  // expected types of the outputs, when not empty
  std::string error = {};             // infer must fail with a message that contains this
};

struct Row {
  std::string op;
  std::vector<std::string> in;
  std::string attrs = "{}";
  Options opt = {};
  std::string text() const;  // for messages
};

struct AddReference {
  AddReference(std::string_view op, ReferenceFn fn);
};
struct AddRows {
  AddRows(std::vector<Row> rows);
};

// All rows, with N expanded; only those of the operator DL_OP when that is set.
const std::vector<Row>& rows();
ReferenceFn reference_of(std::string_view op);  // null if there is none

// ---- The steps of ops_test.cpp
// ------------------------------------------------------------------------------------

inline constexpr uint64_t kSeed = 20240229;

// A row as a graph: leaves, the node, and (when the row wants it) the nodes of its gradient.
struct Built {
  Graph graph;
  std::vector<ValueId> in;      // kNone: absent
  size_t node = 0;              // the forward node
  std::vector<ValueId> dy, dx;  // per output, per input; kNone where there is none
};
// `only` restricts the wanted gradients to that input.
Built build(const Row& row, bool with_grad, int only = -1);
bool wants_grad(const Row& row);

using Feeds = std::map<ValueId, Tensor>;
Feeds make_feeds(const Row& row, const Built& b);

// Runs the graph node by node with the kernels of one instruction set; returns a tensor for every value.
// `checked` runs each node several times and CHECKs guards, untouched inputs, fully written outputs, and
// equal bits for 1, 2 and 8 threads, unaligned memory and in-place outputs.
std::vector<Tensor> evaluate(const Graph& g, const Feeds& feeds, Isa isa, bool checked,
                             bool unaligned = true);

bool same_bits(const Tensor& a, const Tensor& b);
// Which outputs of a node may share the memory of an input of the same size: sets of bits, each one alone and all of them.
std::vector<unsigned> alias_sets(const Graph& g, const Node& node);

Array to_array(const Tensor& t);
std::vector<Array> run_reference(const Row& row, const Built& b, const std::vector<Array>& in);
// Empty when equal within the tolerance, else the worst place.
std::string difference(const Array& got, const Array& want, double tol);

// Difference quotients of sum(dy f(x)) by input `i`, at `at`.
std::vector<double> numeric_gradient(const Row& row, const Built& b, std::vector<Array> in,
                                     const std::vector<Array>& dy, size_t i, const std::vector<int64_t>& at);
std::vector<int64_t> sample_positions(int64_t size);

}  // namespace dl::test
