#pragma once
// The table of --plan: what each layer gives and costs.
#include <string>
#include <vector>

#include "nn/model.h"

namespace dl {

struct SummaryRow {
  std::string name, type;
  std::string output;           // of one sample: "64x56x56"
  int64_t parameters = 0;       // elements, frozen ones included
  int64_t multiply_adds = 0;    // per sample
  std::string receptive_field;  // "7x7", "all"; "-" for what never was an image
  bool frozen = false;
  std::string origin;  // JSON pointer
};

struct Summary {
  std::string name;
  std::vector<SummaryRow> rows;  // inputs first, then layers
  int64_t parameters = 0, trainable = 0, states = 0, multiply_adds = 0;
};

DL_API Summary summarize(const Model& model);
// A table with a head and a foot for people, 110 columns where names allow.
DL_API std::string text(const Summary& summary);
DL_API json to_json(const Summary& summary);

}  // namespace dl
