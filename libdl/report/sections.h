#pragma once
// The sections of a report. Each adds itself to the page where the data has something for it.
#include "base/html.h"
#include "report/report.h"

namespace dl {

// What many sections ask for, computed once.
struct ReportContext {
  const ReportInputs& in;
  const Head& head;
  size_t index = 0;                   // of the head
  Tensor probabilities;               // (n, classes or labels) f64; numbers as they are
  std::vector<int64_t> truth, guess;  // classes, by sample; empty for other forms
  const Evaluation& evaluation() const { return *in.evaluation; }
  const Kept& kept() const { return in.evaluation->kept[index]; }
  const Metrics& metrics() const { return in.evaluation->metrics[index]; }
  int64_t samples() const { return kept().outputs.shape()[0]; }
  double probability(int64_t sample, int64_t column) const {
    return probabilities.data<double>()[static_cast<size_t>(sample * probabilities.shape()[1] + column)];
  }
  const Input* image() const;  // the picture among the inputs; null where there is none
};

void add_summary(HtmlPage& page, const ReportContext& c);
void add_learning(HtmlPage& page, const ReportInputs& in);
void add_diagnosis(HtmlPage& page, const ReportContext& c);
void add_groups(HtmlPage& page, const ReportContext& c);
void add_classes(HtmlPage& page, const ReportContext& c);
void add_curves(HtmlPage& page, const ReportContext& c);
void add_mistakes(HtmlPage& page, const ReportContext& c);
void add_labels(HtmlPage& page, const ReportContext& c);
void add_numbers(HtmlPage& page, const ReportContext& c);
void add_inside(HtmlPage& page, const ReportContext& c);
void add_origin(HtmlPage& page, const ReportInputs& in);

}  // namespace dl
