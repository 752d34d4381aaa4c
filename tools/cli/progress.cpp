#include "cli/progress.h"

#include <algorithm>

#include "base/clock.h"
#include "base/str.h"
#include "cli/events.h"

namespace dl::cli {

Progress::Progress(Log& log, ProgressMode mode, int64_t total, std::string unit)
    : log_(log),
      mode_(log.level < Level::info ? ProgressMode::none : mode),
      total_(total),
      unit_(std::move(unit)),
      start_(steady_seconds()),
      next_(start_ + (mode == ProgressMode::bar ? 0.2 : pause_)) {}

Progress::~Progress() { finish(); }

double Progress::eta() const {
  if (total_ <= 0 || done_ <= 0) return -1;
  return (steady_seconds() - start_) / static_cast<double>(done_) *
         static_cast<double>(std::max<int64_t>(total_ - done_, 0));
}

std::string Progress::describe(const std::string& text) const {
  std::string out = grouped(done_);
  if (total_ > 0) out += str(" of ", grouped(total_));
  out += str(' ', unit_);
  const double seconds = steady_seconds() - start_;
  if (seconds > 0.5 && done_ > 0)
    out += str(", ", grouped(static_cast<int64_t>(static_cast<double>(done_) / seconds)), "/s");
  if (const double left = eta(); left >= 0) out += str(", ", human_seconds(left), " left");
  if (!text.empty()) out += ", " + text;
  return out;
}

void Progress::update(int64_t done, const std::string& text) {
  done_ = done;
  if (mode_ == ProgressMode::none) return;
  const double t = steady_seconds();
  if (t < next_) return;
  if (mode_ == ProgressMode::lines) {
    log_.info(describe(text));
    pause_ = std::min(pause_ * 2, 60.0);  // a long job fills no log
    next_ = t + pause_;
    return;
  }
  std::string bar;
  if (total_ > 0) {
    const auto filled = static_cast<size_t>(
        20 * std::clamp(static_cast<double>(done_) / static_cast<double>(total_), 0.0, 1.0));
    bar = str('[', std::string(filled, '='), std::string(20 - filled, ' '), "] ");
  }
  log_.bar((bar + describe(text)).substr(0, 110));
  drawn_ = true;
  next_ = t + 0.1;
}

void Progress::finish() {
  if (drawn_) log_.bar("");
  drawn_ = false;
  mode_ = ProgressMode::none;
}

}  // namespace dl::cli
