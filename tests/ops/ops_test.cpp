// The properties that every row of every family must have.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "ops/harness.h"

using namespace dl;
using namespace dl::test;

namespace {

std::vector<Array> input_arrays(const Built& b, const Feeds& feeds) {
  std::vector<Array> in;
  for (ValueId v : b.in) in.push_back(v == kNone ? Array{} : to_array(feeds.at(v)));
  return in;
}

std::vector<Array> dy_arrays(const Built& b, const Feeds& feeds) {
  std::vector<Array> dy;
  for (ValueId v : b.dy) dy.push_back(v == kNone ? Array{} : to_array(feeds.at(v)));
  return dy;
}

void check_gradient(const Row& row, const Built& b, size_t i, const std::vector<int64_t>& at,
                    const std::vector<double>& want, const Tensor& dx) {
  const std::vector<float> got(dx.data<float>().begin(), dx.data<float>().end());
  double scale = 0;
  for (double w : want) scale = std::fmax(scale, std::fabs(w));
  for (size_t k = 0; k < at.size(); ++k) {
    const double g = got[static_cast<size_t>(at[k])];
    if (std::fabs(g - want[k]) <= row.opt.grad_tol * scale + 1e-9) continue;
    FAIL_CHECK("gradient of input ", i, " at ", at[k], " is ", g, ", difference quotient ", want[k],
               " (largest ", scale, ")");
    break;
  }
  CHECK(dx.type() == b.graph.type(b.in[i]));
}

}  // namespace

TEST_CASE("every operator has a row, and every gradient is checked by one") {
  if (std::getenv("DL_OP")) return;
  std::set<std::string_view> run, differentiated;
  for (const Row& row : rows()) {
    if (!row.opt.error.empty()) continue;
    INFO(row.text());
    run.insert(find_op(row.op)->name);
    if (!wants_grad(row)) continue;
    differentiated.insert(find_op(row.op)->name);
    for (const Node& node : build(row, true).graph.nodes) run.insert(node.op->name);
  }
  for (const OpDef* op : all_ops()) {
    CHECK_MESSAGE(run.contains(op->name), "operator without a row: ", std::string(op->name));
    if (op->grad)
      CHECK_MESSAGE(differentiated.contains(op->name), "no row checks the gradient of ",
                    std::string(op->name));
  }
}

TEST_CASE("every definition names itself, its operands and results, and says what it does") {
  for (const OpDef* op : all_ops()) {
    INFO(std::string(op->name));
    CHECK(find_op(op->name) == op);
    CHECK(op->doc.size() > 10);
    CHECK((op->infer != nullptr));
    const json properties = op->attrs->schema().at("properties");
    for (const auto& [key, schema] : properties.items())
      CHECK_MESSAGE(!schema.at("description").get<std::string>().empty(),
                    "attribute without a description: ", key);
  }
}

TEST_CASE("attributes survive parse, dump and parse, and a misspelt key is refused") {
  for (const Row& row : rows()) {
    INFO(row.text());
    const AttrOps& ops = *find_op(row.op)->attrs;
    const Attrs a = ops.parse(json::parse(row.attrs), "/at", {});
    CHECK(ops.equal(a.get(), ops.parse(ops.dump(a.get()), "/at", {}).get()));
    CHECK(ops.equal(a.get(), ops.parse(ops.changed(a.get()), "/at", {}).get()));
    CHECK(ops.dump(a.get()).dump() == ops.dump(ops.parse(ops.dump(a.get()), "/at", {}).get()).dump());
    const json full = ops.dump(a.get());
    for (const auto& [key, value] : full.items()) {
      json wrong{{key + "q", value}};
      CHECK_THROWS_AS(ops.parse(wrong, "/at", {}), Error);
    }
  }
}

TEST_CASE("type inference gives the stated types and refuses what does not fit") {
  for (const Row& row : rows()) {
    INFO(row.text());
    if (!row.opt.error.empty()) {
      std::string message;
      try {
        build(row, false);
      } catch (const Error& e) {
        message = e.what();
        CHECK(e.code == Exit::config);
      }
      CHECK_MESSAGE(message.find(row.opt.error) != std::string::npos, "message was '", message, "'");
      continue;
    }
    const Built b = build(row, false);
    for (size_t i = 0; i < row.opt.out.size(); ++i)
      CHECK(b.graph.type(b.graph.nodes[0].out[i]).text() == row.opt.out[i]);
  }
}

TEST_CASE("every instruction set agrees with the reference in doubles and keeps its bits") {
  for (const Row& row : rows()) {
    if (!row.opt.error.empty()) continue;
    INFO(row.text());
    if (!reference_of(row.op)) {
      FAIL_CHECK("no reference");
      continue;
    }
    const Built b = build(row, false);
    const Feeds feeds = make_feeds(row, b);
    const std::vector<Array> want = run_reference(row, b, input_arrays(b, feeds));
    for (Isa isa : usable_isas()) {
      const std::vector<Tensor> values = evaluate(b.graph, feeds, isa, true, row.opt.unaligned);
      const std::vector<ValueId>& out = b.graph.nodes[b.node].out;
      for (size_t i = 0; i < out.size(); ++i) {
        const std::string diff =
            difference(to_array(values[static_cast<size_t>(out[i])]), want[i], row.opt.tol);
        CHECK_MESSAGE(diff.empty(), std::string(name_of(isa)), ": output ", i, ": ", diff);
      }
    }
  }
}

TEST_CASE("gradients agree with central differences of the reference") {
  for (const Row& row : rows()) {
    if (!wants_grad(row) || !reference_of(row.op)) continue;
    INFO(row.text());
    const Built b = build(row, true);
    CHECK_NOTHROW(verify(b.graph));
    const Feeds feeds = make_feeds(row, b);
    std::vector<std::vector<Tensor>> values;
    for (Isa isa : usable_isas()) values.push_back(evaluate(b.graph, feeds, isa, true, row.opt.unaligned));
    for (size_t i = 0; i < b.in.size(); ++i) {
      if (b.in[i] == kNone || b.graph.type(b.in[i]).dtype != DType::f32) continue;
      const bool excused = std::count(row.opt.no_dx.begin(), row.opt.no_dx.end(), static_cast<int>(i)) > 0;
      CHECK_MESSAGE((b.dx[i] == kNone) == excused, "input ", i,
                    std::string(b.dx[i] == kNone ? " has no gradient" : " has a gradient"));
      if (b.dx[i] == kNone) continue;
      const std::vector<int64_t> at = sample_positions(b.graph.type(b.in[i]).elements());
      const std::vector<double> want =
          numeric_gradient(row, b, input_arrays(b, feeds), dy_arrays(b, feeds), i, at);
      for (const std::vector<Tensor>& v : values)
        check_gradient(row, b, i, at, want, v[static_cast<size_t>(b.dx[i])]);
    }
  }
}

TEST_CASE("a gradient that is wanted alone has the bits it has among others") {
  for (const Row& row : rows()) {
    if (!wants_grad(row) || row.in.size() < 2) continue;
    INFO(row.text());
    const Built all = build(row, true);
    const std::vector<Tensor> values = evaluate(all.graph, make_feeds(row, all), best_isa(), false);
    for (size_t i = 0; i < all.in.size(); ++i) {
      if (all.dx[i] == kNone) continue;
      const Built one = build(row, true, static_cast<int>(i));
      const std::vector<Tensor> alone = evaluate(one.graph, make_feeds(row, one), best_isa(), false);
      REQUIRE(one.dx[i] != kNone);
      const Array a = to_array(values[static_cast<size_t>(all.dx[i])]),
                  b = to_array(alone[static_cast<size_t>(one.dx[i])]);
      CHECK_MESSAGE(difference(a, b, 0).empty(), "input ", i);
      for (size_t k = 0; k < one.dx.size(); ++k)
        CHECK_MESSAGE((k == i || one.dx[k] == kNone), "unwanted gradient ", k);
    }
  }
}
