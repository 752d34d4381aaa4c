#pragma once
// How far a run is: a bar on a terminal, a line now and then elsewhere.
#include <cstdint>
#include <string>

#include "cli/log.h"

namespace dl::cli {

enum class ProgressMode { none, bar, lines };

class Progress {
 public:
  // `total` in units of `unit` ("records"); 0 when not known.
  Progress(Log& log, ProgressMode mode, int64_t total, std::string unit);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // `text` is shown behind the counts ("loss 0.123"). Cheap: draws ten times a second at most.
  void update(int64_t done, const std::string& text = {});
  void finish();  // removes the bar
  // Seconds still to go at the pace so far, negative when not known.
  double eta() const;

 private:
  std::string describe(const std::string& text) const;
  Log& log_;
  ProgressMode mode_;
  int64_t total_, done_ = 0;
  std::string unit_;
  double pause_ = 2;  // seconds between lines; grows
  double start_, next_;
  bool drawn_ = false;
};

}  // namespace dl::cli
