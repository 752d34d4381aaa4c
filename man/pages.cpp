// dl_pages ops|config: the pages of the manual that are lists of what the library knows, in roff.
#include <iostream>

#include "base/str.h"
#include "cli/help.h"
#include "nn/layer.h"
#include "ops/registry.h"

using namespace dl;
using cli::roff;

namespace {

std::string attributes(const json& schema) {
  std::string out;
  cli::add_keys(schema, "", out);
  return out.empty() ? "" : ".RS\n" + out + ".RE\n";
}

std::string traits(const OpDef& op) {
  std::vector<std::string> words;
  if (op.traits & kElementwise) words.push_back("elementwise");
  if (op.traits & kRandom) words.push_back("draws random numbers");
  if (op.traits & kUpdate) words.push_back("makes new values of parameters or state");
  if (!op.grad) words.push_back("not differentiable");
  if (!op.onnx.op_type.empty()) words.push_back(str("ONNX ", op.onnx.op_type));
  return words.empty() ? "" : str(".br\n", roff(join(words, ", ")), ".\n");
}

std::string ops_page() {
  std::string out = ".TH DL-OPS 7 \"\" \"dl " DL_VERSION
                    "\" \"dl manual\"\n.SH NAME\ndl\\-ops \\- operators of libdl\n.SH DESCRIPTION\n"
                    "What a graph is made of. Operands marked ? may be absent, ... stands for one or more.\n"
                    "Layers of a model config are listed in\n.BR dl\\-config (5).\n.SH OPERATORS\n";
  for (const OpDef* op : all_ops()) {
    out += str(".TP\n.B ", roff(str(op->results, " = ", op->name, "(", op->args, ")")), '\n',
               roff(std::string(op->doc)), '\n', traits(*op), attributes(op->attrs->schema()));
  }
  return out + ".SH SEE ALSO\n.BR dl\\-config (5)\n";
}

std::string layers() {
  std::string out = ".SH LAYERS\n";
  for (const std::string& name : layer_types())
    out += str(".TP\n.B ", roff(name), '\n', roff(std::string(layer_doc(name))), '\n',
               attributes(layer_schema(name)));
  return out + ".SH SEE ALSO\n.BR dl\\-train (1),\n.BR dl\\-artifact (5),\n.BR dl\\-ops (7)\n";
}

}  // namespace

int main(int argc, char** argv) {
  const std::string page = argc > 1 ? argv[1] : "";
  if (page == "ops") std::cout << ops_page();
  if (page == "config") std::cout << layers();
  return page == "ops" || page == "config" ? 0 : 2;
}
