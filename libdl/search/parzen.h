#pragma once
// A density over the unit cube of a search space: a mixture with one kernel for each observation and a flat one for what
// was known before (Bergstra et al. 2011, "Algorithms for hyper-parameter optimization", section 4). A kernel is a
// product over keys: a normal cut to [0, 1], its mass in the cell for keys with few values, a table for unordered choices,
// and flat in keys that the observation does not have.
#include <span>
#include <vector>

#include "base/random.h"
#include "search/space.h"

namespace dl {

class DL_API Parzen {
 public:
  // `keys`: which dimensions it covers. Later points weigh more once there are many. `prior`: weight of the flat kernel.
  Parzen(const std::vector<Dimension>& space, std::vector<size_t> keys,
         std::vector<std::vector<double>> points, double prior);
  // A draw for every covered dimension, written to `point`.
  void draw(Random& r, std::vector<double>& point) const;
  // Logarithm of the density at a point; dimensions with NaN do not count.
  double log_density(const std::vector<double>& point) const;

 private:
  double log_kernel(size_t kernel, size_t key, double u) const;
  double center(size_t kernel, size_t key) const;
  double width(size_t kernel, size_t key) const;
  bool flat(size_t kernel, size_t key) const;

  const std::vector<Dimension>& space_;
  std::vector<size_t> keys_;
  std::vector<std::vector<double>> points_;
  std::vector<double> weights_;              // of points, then of the flat kernel; they sum to 1
  std::vector<std::vector<double>> widths_;  // of each point in each dimension
};

}  // namespace dl
