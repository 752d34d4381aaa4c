#pragma once
// One HTML page about a trained network: how it learnt, how well it does and where it fails, and what it looks at. Holds all
// that it shows; no scripts. Equal inputs give equal bytes.
#include <limits>
#include <string>
#include <vector>

#include "train/bootstrap.h"
#include "train/breakdown.h"
#include "train/evaluate.h"

namespace dl {

struct ReportInputs {
  Inference* network = nullptr;
  const Dataset* data = nullptr;
  const Evaluation* evaluation = nullptr;  // whose samples were kept
  std::string model_name, data_name;
  json history = json::array();                                   // as ModelFile::history
  std::vector<std::vector<ConfidenceInterval>> intervals;         // one list for each head, or none
  std::vector<std::vector<Breakdown>> breakdowns;                 // one list for each head, or none
  double human_error = std::numeric_limits<double>::quiet_NaN();  // error rate of people at the task
  uint64_t seed = 0;
};
DL_API std::string report_html(const ReportInputs& in);

// {"epoch", "step", "lr", "train.loss", ...} of every event "epoch" in a file of events; later ones of an epoch win. Error
// (data): not JSON lines, or no such event.
DL_API json history_from_events(std::string_view text, const std::string& name);

}  // namespace dl
