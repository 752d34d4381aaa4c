#include "exchange/safetensors.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <tuple>

#include "base/json_text.h"
#include "base/str.h"

namespace dl {
namespace {

constexpr uint64_t kMostHeader = kMaxJsonBytes;

std::string_view type_name(DType t) {
  switch (t) {
    case DType::f32:
      return "F32";
    case DType::f64:
      return "F64";
    case DType::i32:
      return "I32";
    case DType::i64:
      return "I64";
    case DType::u8:
      return "U8";
    case DType::bf16:
      return "BF16";
    case DType::f16:
      return "F16";
  }
  return "";
}

uint16_t bf16_of(float v) {
  const auto bits = std::bit_cast<uint32_t>(v);
  if (std::isnan(v)) return static_cast<uint16_t>(bits >> 16 | 64);
  return static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

uint16_t f16_of(float v) {
  const auto sign = static_cast<uint16_t>(std::bit_cast<uint32_t>(v) >> 16 & 0x8000);
  const float a = std::fabs(v);
  if (std::isnan(v)) return static_cast<uint16_t>(sign | 0x7e00);
  if (a >= 65520) return static_cast<uint16_t>(sign | 0x7c00);
  const int exponent = a < 6.103515625e-05f ? -14 : std::ilogb(a);
  const auto units =
      static_cast<int>(std::nearbyint(std::ldexp(a, 10 - exponent)));  // carries into the exponent
  return static_cast<uint16_t>(sign | (a < 6.103515625e-05f ? units : (exponent + 14) * 1024 + units));
}

float from_f16(uint16_t v) {
  const int exponent = v >> 10 & 31, mantissa = v & 1023;
  const float sign = v >> 15 ? -1.0f : 1.0f;
  if (exponent == 31) return mantissa ? NAN : sign * INFINITY;
  return sign * (exponent ? std::ldexp(static_cast<float>(1024 + mantissa), exponent - 25)
                          : std::ldexp(static_cast<float>(mantissa), -24));
}

void append_tensor(std::string& out, const Tensor& t, DType as) {
  if (as == t.dtype()) {
    out.append(static_cast<const char*>(t.raw()), static_cast<size_t>(t.bytes()));
    return;
  }
  for (float v : t.data<float>()) {
    const uint16_t half = as == DType::f16 ? f16_of(v) : bf16_of(v);
    out.append(reinterpret_cast<const char*>(&half), sizeof half);
  }
}

[[noreturn]] void bad(const std::string& what) { throw Error(Exit::data, str("safetensors: ", what)); }

template <class T, class Convert>
Tensor converted(const Shape& shape, std::string_view bytes, Convert convert) {
  Tensor t(DType::f32, shape);
  for (size_t i = 0; i < t.data<float>().size(); ++i) {
    T v;
    std::memcpy(&v, bytes.data() + i * sizeof(T), sizeof(T));
    t.data<float>()[i] = convert(v);
  }
  return t;
}

struct Stored {
  std::string_view name;
  size_t bytes;
};
constexpr Stored kStored[] = {{"F32", 4}, {"F64", 8},  {"I32", 4}, {"I64", 8},
                              {"U8", 1},  {"BF16", 2}, {"F16", 2}};

Tensor tensor_of(std::string_view type, const Shape& shape, std::string_view bytes) {
  if (type == "F16") return converted<uint16_t>(shape, bytes, from_f16);
  if (type == "BF16")
    return converted<uint16_t>(
        shape, bytes, [](uint16_t v) { return std::bit_cast<float>(static_cast<uint32_t>(v) << 16); });
  if (type == "F64") return converted<double>(shape, bytes, [](double v) { return static_cast<float>(v); });
  Tensor t(type == "F32"   ? DType::f32
           : type == "I32" ? DType::i32
           : type == "I64" ? DType::i64
                           : DType::u8,
           shape);
  if (!bytes.empty()) std::memcpy(t.raw(), bytes.data(), bytes.size());
  return t;
}

// Numbers of a list that are not negative.
std::vector<uint64_t> numbers(const json& j, const std::string& where, size_t most) {
  if (!j.is_array() || j.size() > most) bad(str(where, " is no list of at most ", most, " numbers"));
  std::vector<uint64_t> out;
  for (const json& v : j) {
    if (!v.is_number_unsigned() || v.get<uint64_t>() > uint64_t{1} << 48)
      bad(str(where, " has a number out of range"));
    out.push_back(v.get<uint64_t>());
  }
  return out;
}

struct Range {
  uint64_t begin, end;
  std::string name;
};

Tensor read_one(const std::string& name, const json& entry, std::string_view data,
                std::vector<Range>& ranges) {
  const std::string where = str("tensor '", name, "': ");
  if (!entry.is_object() || !entry.contains("dtype") || !entry["dtype"].is_string() ||
      !entry.contains("shape") || !entry.contains("data_offsets"))
    bad(where + "expected dtype, shape and data_offsets");
  const auto type = entry["dtype"].get<std::string>();
  const auto* stored =
      std::find_if(std::begin(kStored), std::end(kStored), [&](const Stored& s) { return s.name == type; });
  if (stored == std::end(kStored)) bad(str(where, "elements of type ", type, " are not supported"));
  Shape shape;
  uint64_t elements = 1;
  for (uint64_t extent : numbers(entry["shape"], where + "its shape", kMaxRank)) {
    if (extent > 0 && elements > (uint64_t{1} << 48) / extent) bad(where + "its shape is too large");
    elements *= extent;
    shape.push_back(static_cast<int64_t>(extent));
  }
  const std::vector<uint64_t> at = numbers(entry["data_offsets"], where + "data_offsets", 2);
  if (at.size() != 2 || at[0] > at[1] || at[1] > data.size())
    bad(str(where, "its bytes are not inside the file, which holds ", data.size(), " of them"));
  if (at[1] - at[0] != elements * stored->bytes)
    bad(str(where, "has ", at[1] - at[0], " bytes, its shape and type need ", elements * stored->bytes));
  ranges.push_back({at[0], at[1], name});
  return tensor_of(type, shape, data.substr(at[0], at[1] - at[0]));
}

// Tensors must share no bytes and leave none unused: what hides between them belongs to nobody.
void check_ranges(std::vector<Range> ranges, uint64_t bytes) {
  std::sort(ranges.begin(), ranges.end(), [](const Range& a, const Range& b) {
    return std::tie(a.begin, a.end, a.name) < std::tie(b.begin, b.end, b.name);
  });
  uint64_t end = 0;
  for (const Range& r : ranges) {
    if (r.begin != end) bad(str("tensor '", r.name, "' begins at byte ", r.begin, ", expected ", end));
    end = r.end;
  }
  if (end != bytes) bad(str("the last tensor ends at byte ", end, " of ", bytes));
}

}  // namespace

std::string to_safetensors(const Safetensors& content, DType half) {
  json header = json::object();
  if (!content.metadata.empty()) header["__metadata__"] = content.metadata;
  uint64_t at = 0;
  for (const auto& [name, t] : content.tensors) {
    const DType as = t.dtype() == DType::f32 ? half : t.dtype();
    const uint64_t bytes = static_cast<uint64_t>(t.elements()) * static_cast<uint64_t>(size_of(as));
    header[name] = {{"dtype", type_name(as)},
                    {"shape", std::vector<int64_t>(t.shape().begin(), t.shape().end())},
                    {"data_offsets", {at, at + bytes}}};
    at += bytes;
  }
  std::string text = header.dump(-1, ' ', true, json::error_handler_t::replace);
  text.append((8 - text.size() % 8) % 8, ' ');
  const uint64_t length = text.size();
  std::string out(reinterpret_cast<const char*>(&length), sizeof length);
  out += text;
  for (const auto& [name, t] : content.tensors)
    append_tensor(out, t, t.dtype() == DType::f32 ? half : t.dtype());
  return out;
}

Safetensors from_safetensors(std::string_view bytes) {
  uint64_t length = 0;
  if (bytes.size() < sizeof length) bad("the file is shorter than its length field");
  std::memcpy(&length, bytes.data(), sizeof length);
  if (length > kMostHeader || length > bytes.size() - sizeof length)
    bad(str("the header is to have ", length, " bytes, the file has ", bytes.size()));
  const std::string_view text = bytes.substr(sizeof length, length),
                         data = bytes.substr(sizeof length + length);
  json header;
  try {
    header = parse_json(trim(text), "safetensors header").value;
  } catch (const Error& e) { bad(str("the header is no JSON: ", e.what())); }
  if (!header.is_object()) bad("the header is no JSON object");
  Safetensors out;
  std::vector<Range> ranges;
  for (const auto& item : header.items()) {
    if (item.key() != "__metadata__") {
      out.tensors.emplace(item.key(), read_one(item.key(), item.value(), data, ranges));
      continue;
    }
    if (!item.value().is_object()) bad("__metadata__ is no object");
    for (const auto& entry : item.value().items()) {
      if (!entry.value().is_string()) bad(str("__metadata__ '", entry.key(), "' is no text"));
      out.metadata[entry.key()] = entry.value().get<std::string>();
    }
  }
  check_ranges(std::move(ranges), data.size());
  return out;
}

}  // namespace dl
