#include "tensor/tensor.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "base/str.h"

namespace dl {
namespace {
struct Row {
  DType type;
  std::string_view name;
  int64_t bytes;
};
constexpr Row kTypes[] = {
    {DType::f32, "f32", 4}, {DType::f64, "f64", 8},   {DType::i32, "i32", 4}, {DType::i64, "i64", 8},
    {DType::u8, "u8", 1},   {DType::bf16, "bf16", 2}, {DType::f16, "f16", 2},
};
}  // namespace

int64_t size_of(DType t) { return kTypes[static_cast<size_t>(t)].bytes; }
std::string_view name_of(DType t) { return kTypes[static_cast<size_t>(t)].name; }
bool parse_dtype(std::string_view name, DType& out) {
  for (const Row& r : kTypes)
    if (r.name == name) {
      out = r.type;
      return true;
    }
  return false;
}

Shape::Shape(std::span<const int64_t> dims) {
  if (dims.size() > kMaxRank)
    throw Error(Exit::internal, str("shape of rank ", dims.size(), ", at most ", kMaxRank));
  std::copy(dims.begin(), dims.end(), d_.begin());
  rank_ = static_cast<int>(dims.size());
}

int64_t Shape::elements() const { return elements(0, rank_); }

int64_t Shape::elements(int from, int to) const {
  int64_t n = 1;
  for (int i = from; i < to; ++i) n *= (*this)[i];
  return n;
}

void Shape::push_back(int64_t extent) {
  if (rank_ == kMaxRank) throw Error(Exit::internal, str("shape of rank above ", kMaxRank));
  d_[static_cast<size_t>(rank_++)] = extent;
}

bool Shape::operator==(const Shape& o) const {
  return rank_ == o.rank_ && std::equal(begin(), end(), o.begin());
}

std::string Shape::text() const {
  std::string s;
  for (int i = 0; i < rank_; ++i) s += str(i ? "," : "", (*this)[i]);
  return s;
}

std::string TensorType::text() const { return str(name_of(dtype), '[', shape.text(), ']'); }

Tensor Tensor::clone() const {
  Tensor t(type_);
  if (bytes()) std::memcpy(t.raw(), raw(), static_cast<size_t>(bytes()));
  return t;
}

void Tensor::check(DType t) const {
  if (t != type_.dtype)
    throw Error(Exit::internal, str("tensor of ", name_of(type_.dtype), " read as ", name_of(t)));
}

}  // namespace dl
