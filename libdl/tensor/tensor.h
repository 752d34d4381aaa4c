#pragma once
// Value types: element type, shape, and a dense row-major tensor on the host.
#include <array>
#include <cstdint>
#include <initializer_list>
#include <map>
#include <memory>
#include <span>
#include <string>

#include "base/export.h"
#include "base/memory.h"

namespace dl {

enum class DType : uint8_t { f32, f64, i32, i64, u8, bf16, f16 };
DL_API int64_t size_of(DType t);           // bytes
DL_API std::string_view name_of(DType t);  // "f32"
// What layers compute with: f32, or one of the 16-bit types that mixed precision keeps on a device.
constexpr bool is_real(DType t) { return t == DType::f32 || t == DType::bf16 || t == DType::f16; }
DL_API bool parse_dtype(std::string_view name, DType& out);
template <class T>
constexpr DType dtype_of() {
  if constexpr (std::is_same_v<T, float>)
    return DType::f32;
  else if constexpr (std::is_same_v<T, double>)
    return DType::f64;
  else if constexpr (std::is_same_v<T, int32_t>)
    return DType::i32;
  else if constexpr (std::is_same_v<T, int64_t>)
    return DType::i64;
  else {
    static_assert(std::is_same_v<T, uint8_t>);
    return DType::u8;
  }
}

inline constexpr int kMaxRank = 6;

// Up to kMaxRank extents, outermost first. A scalar has rank 0.
class DL_API Shape {
 public:
  Shape() = default;
  Shape(std::initializer_list<int64_t> dims) : Shape(std::span<const int64_t>(dims.begin(), dims.size())) {}
  explicit Shape(std::span<const int64_t> dims);  // Error (internal) above kMaxRank
  int rank() const { return rank_; }
  int64_t operator[](int i) const { return d_[static_cast<size_t>(i)]; }
  int64_t& operator[](int i) { return d_[static_cast<size_t>(i)]; }
  int64_t elements() const;                  // 1 for a scalar
  int64_t elements(int from, int to) const;  // product of extents [from, to)
  void push_back(int64_t extent);
  const int64_t* begin() const { return d_.data(); }
  const int64_t* end() const { return d_.data() + rank_; }
  bool operator==(const Shape& o) const;
  std::string text() const;  // "3,224,224"

 private:
  std::array<int64_t, kMaxRank> d_{};
  int rank_ = 0;
};

struct TensorType {
  DType dtype = DType::f32;
  Shape shape;
  int64_t elements() const { return shape.elements(); }
  int64_t bytes() const { return elements() * size_of(dtype); }
  bool operator==(const TensorType&) const = default;
  DL_API std::string text() const;  // "f32[128,1,28,28]"
};

// Dense, row-major, reference counted, host memory.
class DL_API Tensor {
 public:
  Tensor() = default;
  explicit Tensor(TensorType type)
      : type_(std::move(type)), memory_(std::make_shared<Memory>(static_cast<size_t>(type_.bytes()))) {}
  Tensor(DType dtype, Shape shape) : Tensor(TensorType{dtype, shape}) {}
  const TensorType& type() const { return type_; }
  const Shape& shape() const { return type_.shape; }
  DType dtype() const { return type_.dtype; }
  int64_t elements() const { return type_.elements(); }
  int64_t bytes() const { return type_.bytes(); }
  void* raw() { return memory_ ? memory_->data() : nullptr; }
  const void* raw() const { return memory_ ? memory_->data() : nullptr; }
  template <class T>
  std::span<T> data() {
    check(dtype_of<T>());
    return {static_cast<T*>(raw()), static_cast<size_t>(elements())};
  }
  template <class T>
  std::span<const T> data() const {
    check(dtype_of<T>());
    return {static_cast<const T*>(raw()), static_cast<size_t>(elements())};
  }
  Tensor clone() const;
  bool defined() const { return memory_ != nullptr; }

 private:
  void check(DType t) const;
  TensorType type_;
  std::shared_ptr<Memory> memory_;
};

// Tensors by name: parameters, running statistics, optimiser state.
using TensorMap = std::map<std::string, Tensor>;

}  // namespace dl
