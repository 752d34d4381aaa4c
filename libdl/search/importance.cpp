#include "search/importance.h"

#include <algorithm>
#include <cmath>

#include "base/random.h"
#include "base/str.h"

namespace dl {
namespace {

constexpr int kTrees = 64;
constexpr int kMaxDepth = 16;
constexpr size_t kMinLeaf = 2;

struct Leaf {
  std::vector<double> low, high;  // its box in the unit cube
  double value;
  double volume_without(size_t d) const {
    double v = 1;
    for (size_t k = 0; k < low.size(); ++k)
      if (k != d) v *= high[k] - low[k];
    return v;
  }
};

struct Data {
  std::vector<std::vector<double>> points;
  std::vector<double> values;
};

struct Split {
  size_t key = 0;
  double at = 0, gain = 0;
};

// The split of `rows` that leaves the least variance, among some of the keys drawn at random.
Split best_split(const Data& data, std::vector<size_t>& rows, Random& r) {
  Split best;
  const size_t keys = data.points[0].size(), tried = std::max<size_t>(1, (keys * 5 + 5) / 6);
  std::vector<size_t> order(keys);
  for (size_t k = 0; k < keys; ++k) order[k] = k;
  for (size_t k = keys - 1; k > 0; --k)
    std::swap(order[k], order[static_cast<size_t>(r.below(static_cast<int64_t>(k) + 1))]);
  double total = 0;
  for (size_t i : rows) total += data.values[i];
  const auto n = static_cast<double>(rows.size());
  for (size_t t = 0; t < tried; ++t) {
    const size_t key = order[t];
    std::sort(rows.begin(), rows.end(), [&](size_t a, size_t b) {
      return data.points[a][key] != data.points[b][key] ? data.points[a][key] < data.points[b][key] : a < b;
    });
    double left = 0;
    for (size_t i = 1; i < rows.size(); ++i) {
      left += data.values[rows[i - 1]];
      const double a = data.points[rows[i - 1]][key], b = data.points[rows[i]][key];
      if (!(a < b) || i < kMinLeaf || rows.size() - i < kMinLeaf) continue;
      const auto count = static_cast<double>(i);
      const double gain =
          left * left / count + (total - left) * (total - left) / (n - count) - total * total / n;
      if (gain > best.gain) best = {key, (a + b) / 2, gain};
    }
  }
  return best;
}

void grow(const Data& data, std::vector<size_t> rows, Leaf box, int depth, Random& r,
          std::vector<Leaf>& leaves) {
  const Split s = depth < kMaxDepth && rows.size() >= 2 * kMinLeaf ? best_split(data, rows, r) : Split{};
  if (!(s.gain > 1e-12)) {
    box.value = 0;
    for (size_t i : rows) box.value += data.values[i] / static_cast<double>(rows.size());
    leaves.push_back(std::move(box));
    return;
  }
  std::vector<size_t> side[2];
  for (size_t i : rows) side[data.points[i][s.key] < s.at ? 0 : 1].push_back(i);
  Leaf low = box, high = std::move(box);
  low.high[s.key] = high.low[s.key] = s.at;
  grow(data, std::move(side[0]), std::move(low), depth + 1, r, leaves);
  grow(data, std::move(side[1]), std::move(high), depth + 1, r, leaves);
}

// For each key, the variance of the tree's mean over all other keys, as a part of its variance. Empty for a flat tree.
std::vector<double> shares(const std::vector<Leaf>& leaves, size_t keys) {
  double mean = 0, variance = 0;
  for (const Leaf& l : leaves) mean += l.volume_without(keys) * l.value;
  for (const Leaf& l : leaves) variance += l.volume_without(keys) * (l.value - mean) * (l.value - mean);
  if (!(variance > 1e-18)) return {};
  std::vector<double> out;
  for (size_t k = 0; k < keys; ++k) {
    std::vector<double> ends{0, 1};
    for (const Leaf& l : leaves) ends.push_back(l.low[k]), ends.push_back(l.high[k]);
    std::sort(ends.begin(), ends.end());
    double own = 0;
    for (size_t i = 0; i + 1 < ends.size(); ++i) {
      if (!(ends[i] < ends[i + 1])) continue;
      const double middle = (ends[i] + ends[i + 1]) / 2;
      double marginal = 0;
      for (const Leaf& l : leaves)
        if (l.low[k] <= middle && middle < l.high[k]) marginal += l.volume_without(k) * l.value;
      own += (ends[i + 1] - ends[i]) * (marginal - mean) * (marginal - mean);
    }
    out.push_back(own / variance);
  }
  return out;
}

Data data_of(const Study& study) {
  int64_t longest = 0;
  for (const Trial& t : study.trials())
    if (t.usable()) longest = std::max(longest, t.epochs);
  Data data;
  for (const Trial& t : study.trials()) {
    if (!t.usable() || t.epochs != longest) continue;
    std::vector<double> point;
    for (const Dimension& d : study.space()) {
      const auto v = t.parameters.find(d.key);
      point.push_back(v == t.parameters.end() ? 0.5 : d.unit(*v));
    }
    data.points.push_back(std::move(point));
    data.values.push_back(*t.value);
  }
  if (data.values.size() < 4 || study.space().empty())
    throw Error(Exit::data,
                str("importance needs four complete trials at least, the study has ", data.values.size()));
  double mean = 0, square = 0;
  for (double v : data.values) mean += v / static_cast<double>(data.values.size());
  for (double v : data.values) square += (v - mean) * (v - mean) / static_cast<double>(data.values.size());
  for (double& v : data.values) v = square > 0 ? (v - mean) / std::sqrt(square) : 0;
  return data;
}

}  // namespace

std::vector<Importance> importance(const Study& study) {
  const Data data = data_of(study);
  const size_t keys = study.space().size();
  std::vector<std::vector<double>> trees;
  for (int t = 0; t < kTrees; ++t) {
    Random r(study.seed(), stream_id("importance"), static_cast<uint64_t>(t));
    std::vector<size_t> rows;
    for (size_t i = 0; i < data.values.size(); ++i)
      rows.push_back(static_cast<size_t>(r.below(static_cast<int64_t>(data.values.size()))));
    std::vector<Leaf> leaves;
    grow(data, rows, {std::vector<double>(keys, 0), std::vector<double>(keys, 1), 0}, 0, r, leaves);
    if (auto s = shares(leaves, keys); !s.empty()) trees.push_back(std::move(s));
  }
  std::vector<Importance> out;
  for (size_t k = 0; k < keys; ++k) {
    Importance i{.key = study.space()[k].key};
    const double n = std::max<double>(1, static_cast<double>(trees.size()));
    for (const auto& s : trees) i.share += s[k] / n;
    for (const auto& s : trees) i.spread += (s[k] - i.share) * (s[k] - i.share) / n;
    i.spread = std::sqrt(i.spread);
    out.push_back(i);
  }
  std::stable_sort(out.begin(), out.end(),
                   [](const Importance& a, const Importance& b) { return a.share > b.share; });
  return out;
}

}  // namespace dl
