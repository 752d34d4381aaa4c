#include "exchange/c_emit.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "base/str.h"
#include "exchange/c_runtime.h"

namespace dl {
namespace {

constexpr size_t kPerLine = 8;

// Bit patterns: exact, and several times faster to compile than decimal or hexadecimal floats.
std::string float_table(const std::string& name, const std::vector<float>& values) {
  std::string out = str("static const union { uint32_t bits[", values.size(), "]; float value[",
                        values.size(), "]; } @", name, " = {{");
  char text[16];
  for (size_t i = 0; i < values.size(); ++i) {
    std::snprintf(text, sizeof text, "0x%x,", std::bit_cast<uint32_t>(values[i]));
    out += str(i % kPerLine ? " " : "\n  ", text);
  }
  return out + "\n}};\n";
}

std::string integer_table(const std::string& type, const std::string& name,
                          const std::vector<int64_t>& values) {
  std::string out = str("static const ", type, " @", name, "[", values.size(), "] = {");
  for (size_t i = 0; i < values.size(); ++i)
    out += str(values.size() > kPerLine && i % (4 * kPerLine) == 0 ? "\n  " : i ? " " : "", values[i], ',');
  return out + "};\n";
}

}  // namespace

void CEmitter::plan() {
  std::vector<Scratch> scratch;
  for (const Node& n : graph_.nodes)
    scratch.push_back({c_scratch_floats(graph_, n) * static_cast<int64_t>(sizeof(float))});
  memory_ = plan_memory(graph_, plan_in_place(graph_), scratch);
}

std::string CEmitter::functions_of(const Node& n) {
  if (n.op->traits & kView) return "view";
  if (memory_.alias.empty()) plan();
  functions_.clear();
  if (!emit_c(*this, n)) return {};
  return functions_.empty() ? "memmove" : functions_.back();
}

void CEmitter::run() {
  plan();
  for (const Value& v : graph_.values)
    if (v.kind == ValueKind::computed && v.type.dtype != DType::f32)
      throw Error(Exit::config, graph_.nodes[static_cast<size_t>(v.node)].origin,
                  str("layer '", graph_.nodes[static_cast<size_t>(v.node)].name, "' gives ", v.type.text(),
                      ", a C source computes with f32 alone"));
  for (const Node& n : graph_.nodes) {
    if (n.op->traits & kView) continue;
    statements_ += str("  /* ", n.name.empty() ? std::string(n.op->name) : c_name(n.name), ": ", n.op->name,
                       ", ", graph_.type(n.out[0]).text(), " */\n");
    if (!emit_c(*this, n))
      throw Error(Exit::config, n.origin,
                  str("layer '", n.name, "': operator '", n.op->name, "' has no C form"),
                  "dl-export --check --to c lists what each layer becomes");
  }
}

const Tensor* CEmitter::constant(ValueId v) const {
  const auto found = v == kNone ? graph_.constants.end() : graph_.constants.find(v);
  return found == graph_.constants.end() ? nullptr : &found->second;
}

std::string CEmitter::at(ValueId v) {
  if (v == kNone) return "NULL";
  const ValueId root = memory_.alias[static_cast<size_t>(v)];
  const Value& value = graph_.value(root);
  if (value.kind == ValueKind::input) return c_name(value.name);
  if (const Tensor* t = constant(root)) {
    std::string& name = constants_[root];
    const auto numbers = t->data<float>();
    if (name.empty()) name = floats(value.name, {numbers.begin(), numbers.end()});
    return name;
  }
  const int64_t offset = memory_.offset[static_cast<size_t>(root)] / static_cast<int64_t>(sizeof(float));
  return offset ? str("memory + ", offset) : "memory";
}

std::string CEmitter::scratch(const Node& n) const {
  const size_t k = static_cast<size_t>(&n - graph_.nodes.data());
  return str("memory + ", memory_.scratch[k] / static_cast<int64_t>(sizeof(float)));
}

std::string CEmitter::unique(const std::string& stem) {
  std::string name = c_name(stem);
  for (int i = 1; !names_.insert(name).second; ++i) name = str(c_name(stem), '_', i);
  return name;
}

std::string CEmitter::floats(const std::string& stem, const std::vector<float>& values) {
  const std::string name = unique(stem);
  tables_ += float_table(name, values.empty() ? std::vector<float>{0} : values);
  weight_bytes_ += static_cast<int64_t>(values.size() * sizeof(float));
  return str('@', name, ".value");
}

std::string CEmitter::sizes(const std::string& stem, const std::vector<int64_t>& values) {
  const std::string name = unique(stem);
  tables_ += integer_table("size_t", name, values);
  return str('@', name);
}

std::string CEmitter::weights(const std::string& stem, const Packed& packed) {
  if (weights_ == CWeights::f32) return floats(stem, packed.values);
  std::vector<float> scale(static_cast<size_t>(packed.rows));
  for (size_t i = 0; i < packed.values.size(); ++i) {
    float& largest = scale[static_cast<size_t>(packed.row_of[i])];
    largest = std::max(largest, std::fabs(packed.values[i]));
  }
  for (float& s : scale) s /= 127;
  std::vector<int64_t> steps;
  for (size_t i = 0; i < packed.values.size(); ++i) {
    const float s = scale[static_cast<size_t>(packed.row_of[i])];
    steps.push_back(s > 0 ? std::lround(packed.values[i] / s) : 0);
  }
  const std::string name = unique(stem);
  tables_ += integer_table("signed char", name, steps);
  weight_bytes_ += static_cast<int64_t>(steps.size());
  return str('@', name, ", ", floats(stem + "_scale", scale));
}

void CEmitter::use(const std::string& function) {
  if (std::find(functions_.begin(), functions_.end(), function) != functions_.end()) return;
  for (const std::string& needed : split(c_function(function, false).needs, ' '))
    if (!needed.empty()) use(needed);
  functions_.push_back(function);
}

void CEmitter::call(const std::string& function, const std::vector<std::string>& arguments) {
  use(function);
  line(str('@', function, '(', join(arguments, ", "), ");"));
}

void CEmitter::line(const std::string& text) { statements_ += str("  ", text, '\n'); }

}  // namespace dl
