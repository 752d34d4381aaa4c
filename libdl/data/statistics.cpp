#include "data/statistics.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/error.h"
#include "base/str.h"

namespace dl {

double Moments::mean() const {
  if (count == 0) return 0;
  return bytes ? static_cast<double>(sum) / static_cast<double>(count) : running_mean;
}

double Moments::std() const {
  if (count == 0) return 0;
  const auto n = static_cast<double>(count);
  if (!bytes) return std::sqrt(deviations / n);
  const double m = mean();
  return std::sqrt(std::max(0.0, static_cast<double>(squares) / n - m * m));
}

void Moments::add_bytes(const uint8_t* v, int64_t n) {
  uint64_t s = 0, q = 0;
  uint8_t lo = 255, hi = 0;
  for (int64_t i = 0; i < n; ++i) {
    s += v[i];
    q += uint32_t{v[i]} * v[i];
    lo = std::min(lo, v[i]);
    hi = std::max(hi, v[i]);
  }
  min = count ? std::min<double>(min, lo) : lo;
  max = count ? std::max<double>(max, hi) : hi;
  sum += s;
  squares += q;
  count += n;
  bytes = true;
}

void Moments::add(double v) {
  min = count ? std::min(min, v) : v;
  max = count ? std::max(max, v) : v;
  ++count;
  const double d = v - running_mean;
  running_mean += d / static_cast<double>(count);
  deviations += d * (v - running_mean);
}

void Moments::merge(const Moments& other) {
  if (other.count == 0) return;
  min = count ? std::min(min, other.min) : other.min;
  max = count ? std::max(max, other.max) : other.max;
  const auto a = static_cast<double>(count), b = static_cast<double>(other.count);
  const double d = other.running_mean - running_mean;
  running_mean += d * b / (a + b);
  deviations += other.deviations + d * d * a * b / (a + b);
  sum += other.sum;
  squares += other.squares;
  count += other.count;
  bytes = bytes || other.bytes;
}

namespace {

int64_t groups_of(const Input& in) {
  return in.role == Role::image || in.type.shape.rank() == 3 ? in.type.shape[0] : in.type.elements();
}

void add_row(std::vector<Moments>& moments, DType dtype, const uint8_t* row, int64_t each) {
  for (size_t c = 0; c < moments.size(); ++c) {
    const int64_t first = static_cast<int64_t>(c) * each;
    if (dtype == DType::u8) {
      moments[c].add_bytes(row + first, each);
      continue;
    }
    for (int64_t i = first; i < first + each; ++i) {
      float v;
      std::memcpy(&v, row + i * 4, 4);
      moments[c].add(v);
    }
  }
}

// The class of a sample; of probabilities the first of the largest.
int32_t label_of(const Target& t, const uint8_t* value) {
  int32_t label;
  std::memcpy(&label, value, sizeof label);
  if (t.kind == TargetKind::class_index) return label;
  std::vector<float> p(t.classes.size());
  std::memcpy(p.data(), value, p.size() * sizeof(float));
  return static_cast<int32_t>(std::max_element(p.begin(), p.end()) - p.begin());
}

PartStatistics empty_part(const std::string& name, const Schema& schema) {
  PartStatistics p;
  p.name = name;
  for (const Input& in : schema.inputs) p.inputs.emplace_back(static_cast<size_t>(groups_of(in)));
  for (const Target& t : schema.targets) {
    const bool is_class = t.kind != TargetKind::regression;
    p.class_records.emplace_back(is_class ? t.classes.size() : 0);
    p.targets.emplace_back(is_class ? 0 : static_cast<size_t>(t.type.elements()));
  }
  return p;
}

std::string name_of_group(const Input& in, size_t c) {
  return c < in.columns.size() ? in.columns[c] : std::to_string(c);
}

json moments_json(const Moments& m) {
  return {{"mean", m.mean()}, {"std", m.std()}, {"min", m.min}, {"max", m.max}};
}

}  // namespace

void Statistics::add(const std::string& name, std::span<const void* const> columns, int64_t count) {
  auto it =
      std::find_if(parts_.begin(), parts_.end(), [&](const PartStatistics& p) { return p.name == name; });
  if (it == parts_.end()) it = parts_.insert(parts_.end(), empty_part(name, schema_));
  it->rows += count;
  for (size_t i = 0; i < schema_.inputs.size(); ++i) {
    const TensorType& type = schema_.inputs[i].type;
    const auto* rows = static_cast<const uint8_t*>(columns[i]);
    const int64_t each = type.elements() / static_cast<int64_t>(std::max<size_t>(1, it->inputs[i].size()));
    for (int64_t r = 0; r < count; ++r) add_row(it->inputs[i], type.dtype, rows + r * type.bytes(), each);
  }
  for (size_t i = 0; i < schema_.targets.size(); ++i) {
    const Target& t = schema_.targets[i];
    const auto* rows = static_cast<const uint8_t*>(columns[schema_.inputs.size() + i]);
    for (int64_t r = 0; r < count; ++r) {
      if (t.kind == TargetKind::regression) {
        add_row(it->targets[i], t.type.dtype, rows + r * t.type.bytes(), 1);
        continue;
      }
      const int32_t label = label_of(t, rows + r * t.type.bytes());
      if (label >= 0 && static_cast<size_t>(label) < t.classes.size())
        ++it->class_records[i][static_cast<size_t>(label)];
    }
  }
}

const PartStatistics* Statistics::part(const std::string& name) const {
  for (const PartStatistics& p : parts_)
    if (p.name == name) return &p;
  return nullptr;
}

json Statistics::record() const {
  json out = json::object();
  for (const PartStatistics& p : parts_) {
    json& part = out[p.name] = {{"rows", p.rows}};
    for (size_t i = 0; i < p.inputs.size(); ++i) {
      json& list = part[schema_.inputs[i].name] = json::object();
      for (size_t c = 0; c < p.inputs[i].size(); ++c)
        list[name_of_group(schema_.inputs[i], c)] = moments_json(p.inputs[i][c]);
    }
    for (size_t i = 0; i < p.class_records.size(); ++i) {
      const Target& t = schema_.targets[i];
      json& target = part[t.name] = json::object();
      for (size_t c = 0; c < t.classes.size(); ++c) target["classes"][t.classes[c]] = p.class_records[i][c];
      for (size_t c = 0; c < p.targets[i].size(); ++c)
        target[std::to_string(c)] = moments_json(p.targets[i][c]);
    }
  }
  return out;
}

json Statistics::table() const {
  json out = json::array();
  const auto row = [&](const std::string& part, const std::string& column, const std::string& item,
                       int64_t count) -> json& {
    out.push_back({{"part", part},
                   {"column", column},
                   {"item", item},
                   {"count", count},
                   {"mean", nullptr},
                   {"std", nullptr},
                   {"min", nullptr},
                   {"max", nullptr}});
    return out.back();
  };
  for (const PartStatistics& p : parts_) {
    row(p.name, "", "rows", p.rows);
    for (size_t i = 0; i < p.inputs.size(); ++i)
      for (size_t c = 0; c < p.inputs[i].size(); ++c)
        row(p.name, schema_.inputs[i].name, name_of_group(schema_.inputs[i], c), p.inputs[i][c].count)
            .update(moments_json(p.inputs[i][c]));
    for (size_t i = 0; i < p.class_records.size(); ++i) {
      const Target& t = schema_.targets[i];
      for (size_t c = 0; c < t.classes.size(); ++c) row(p.name, t.name, t.classes[c], p.class_records[i][c]);
      for (size_t c = 0; c < p.targets[i].size(); ++c)
        row(p.name, t.name, std::to_string(c), p.targets[i][c].count).update(moments_json(p.targets[i][c]));
    }
  }
  return out;
}

namespace {

std::string padded(std::string s, size_t width, bool right) {
  const size_t gap = width > s.size() ? width - s.size() : 1;
  return right ? std::string(gap, ' ') + s : s + std::string(gap, ' ');
}

std::string rounded(double v) {
  char text[32];
  std::snprintf(text, sizeof text, "%.5g", v);
  return text;
}

void add_table(std::string& out, const std::vector<Moments>& moments,
               const std::function<std::string(size_t)>& name) {
  constexpr size_t kShown = 40;
  size_t width = 8;
  for (size_t c = 0; c < std::min(moments.size(), kShown); ++c) width = std::max(width, name(c).size());
  out += "    " + padded("", width + 2, false);
  for (const char* head : {"mean", "std", "min", "max"}) out += padded(head, 12, true);
  out += '\n';
  for (size_t c = 0; c < std::min(moments.size(), kShown); ++c) {
    const Moments& m = moments[c];
    out += "    " + padded(name(c), width + 2, false);
    for (double v : {m.mean(), m.std(), m.min, m.max}) out += padded(rounded(v), 12, true);
    out += '\n';
  }
  if (moments.size() > kShown) out += str("    ... and ", moments.size() - kShown, " more\n");
}

}  // namespace

std::string Statistics::text() const {
  std::string out;
  for (const PartStatistics& p : parts_) {
    out += str(p.name, ": ", grouped(p.rows), " rows\n");
    for (size_t i = 0; i < p.class_records.size(); ++i) {
      const Target& t = schema_.targets[i];
      if (!p.targets[i].empty()) {
        out += str("  ", t.name, "\n");
        add_table(out, p.targets[i], [](size_t c) { return std::to_string(c); });
        continue;
      }
      out += str("  ", t.name, " (", t.classes.size(), " classes)\n");
      for (size_t c = 0; c < t.classes.size(); ++c) {
        const double share =
            p.rows ? 100.0 * static_cast<double>(p.class_records[i][c]) / static_cast<double>(p.rows) : 0;
        out += str("    ", padded(t.classes[c], 16, false), padded(grouped(p.class_records[i][c]), 10, true),
                   padded(rounded(share) + "%", 10, true), "\n");
      }
    }
    for (size_t i = 0; i < p.inputs.size(); ++i) {
      const Input& in = schema_.inputs[i];
      out += str("  ", in.name, " (", in.type.text(), ")\n");
      add_table(out, p.inputs[i],
                [&](size_t c) { return in.role == Role::image ? str("channel ", c) : name_of_group(in, c); });
    }
  }
  return out;
}

std::map<std::string, Normalization> fit_normalization(Normalize kind, const Schema& schema,
                                                       const Statistics& statistics,
                                                       std::span<const std::string> training_parts) {
  std::map<std::string, Normalization> out;
  if (kind == Normalize::none) return out;
  std::vector<const PartStatistics*> parts;
  for (const std::string& name : training_parts)
    if (const PartStatistics* p = statistics.part(name)) parts.push_back(p);
  if (parts.empty())
    throw Error(Exit::data, "the training part is empty, expected records to fit the normalisation to");
  for (size_t i = 0; i < schema.inputs.size(); ++i) {
    Normalization& n = out[schema.inputs[i].name];
    for (size_t c = 0; c < parts[0]->inputs[i].size(); ++c) {
      Moments m = parts[0]->inputs[i][c];
      for (size_t p = 1; p < parts.size(); ++p) m.merge(parts[p]->inputs[i][c]);
      const bool one_hot =
          c < schema.inputs[i].columns.size() && schema.inputs[i].columns[c].find('=') != std::string::npos;
      const double shift = one_hot ? 0 : kind == Normalize::z_score ? m.mean() : m.min;
      const double scale = one_hot ? 1 : kind == Normalize::z_score ? m.std() : m.max - m.min;
      n.mean.push_back(static_cast<float>(shift));
      n.std.push_back(scale > 1e-12 * std::max(std::abs(m.min), std::abs(m.max)) && scale > 0
                          ? static_cast<float>(scale)
                          : 1.0f);
    }
  }
  return out;
}

}  // namespace dl
