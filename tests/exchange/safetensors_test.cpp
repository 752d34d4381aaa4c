#include "exchange/safetensors.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>

#include "base/error.h"
#include "base/str.h"

using namespace dl;

namespace {

Tensor floats(Shape shape, std::vector<float> v) {
  Tensor t(DType::f32, shape);
  std::copy(v.begin(), v.end(), t.data<float>().begin());
  return t;
}

std::string file(const std::string& header, size_t bytes) {
  const uint64_t n = header.size();
  std::string out(reinterpret_cast<const char*>(&n), 8);
  return out + header + std::string(bytes, '\0');
}

std::string message_of(const std::string& bytes) {
  try {
    from_safetensors(bytes);
  } catch (const Error& e) {
    CHECK(e.code == Exit::data);
    return e.what();
  }
  return "no error";
}

std::vector<float> through(DType half, std::vector<float> v) {
  const auto n = static_cast<int64_t>(v.size());
  const Safetensors back = from_safetensors(to_safetensors({{{"w", floats({n}, std::move(v))}}, {}}, half));
  const auto out = back.tensors.at("w").data<float>();
  return {out.begin(), out.end()};
}

}  // namespace

TEST_CASE("tensors and metadata read back, the bytes are those of the format") {
  Safetensors content{{{"b", floats({2}, {1, -2})}, {"a.weight", floats({1, 3}, {0.1f, 3, 4})}},
                      {{"k", "v \"q\""}}};
  const std::string bytes = to_safetensors(content);
  uint64_t length = 0;
  std::memcpy(&length, bytes.data(), 8);
  CHECK(length % 8 == 0);
  CHECK(bytes.size() == 8 + length + 20);
  const json header = json::parse(bytes.substr(8, length));
  CHECK(header.at("a.weight") == json({{"dtype", "F32"}, {"shape", {1, 3}}, {"data_offsets", {0, 12}}}));
  CHECK(header.at("b").at("data_offsets") == json({12, 20}));
  const Safetensors back = from_safetensors(bytes);
  CHECK(back.metadata == content.metadata);
  CHECK(back.tensors.at("a.weight").shape() == Shape{1, 3});
  CHECK(back.tensors.at("a.weight").data<float>()[0] == 0.1f);
  CHECK(to_safetensors(back) == bytes);
}

TEST_CASE("halves are the nearest, ties to even") {
  CHECK(through(DType::f16,
                {1, -2.5f, 65504, 65519, 65520, 1e-8f, 5.9604645e-08f, 1.00048828125f, 1.00146484375f}) ==
        std::vector<float>{1, -2.5f, 65504, 65504, INFINITY, 0, 5.9604645e-08f, 1, 1.001953125f});
  CHECK(through(DType::bf16, {1, 1.00390625f, 1.01171875f, -3e38f}) ==
        std::vector<float>{1, 1, 1.015625f, through(DType::bf16, {-3e38f})[0]});
  CHECK(std::isnan(through(DType::f16, {NAN})[0]));
  CHECK(std::isnan(through(DType::bf16, {NAN})[0]));
  for (int i = 0; i < 2000; ++i) {
    const float v = std::ldexp(1 + static_cast<float>(i) / 2000, i % 30 - 14);
    CHECK(std::fabs(through(DType::f16, {v})[0] - v) <= v * 0x1p-11f);
  }
}

TEST_CASE("files that lie are refused with the place") {
  CHECK(message_of("").find("shorter than its length") != std::string::npos);
  CHECK(message_of(file("{}", 0)) == "no error");
  CHECK(message_of(std::string(8, '\xff')).find("the header is to have") != std::string::npos);
  CHECK(message_of(file("{", 0)).find("no JSON") != std::string::npos);
  const auto one = [](const std::string& type, const std::string& shape, const std::string& offsets,
                      size_t bytes) {
    return message_of(
        file(str(R"({"w":{"dtype":")", type, R"(","shape":)", shape, R"(,"data_offsets":)", offsets, "}}"),
             bytes));
  };
  CHECK(one("F32", "[2]", "[0,8]", 8) == "no error");
  CHECK(one("F32", "[2]", "[0,8]", 4).find("not inside the file") != std::string::npos);
  CHECK(one("F32", "[2]", "[0,4]", 4).find("has 4 bytes, its shape and type need 8") != std::string::npos);
  CHECK(one("F32", "[2]", "[4,12]", 12).find("begins at byte 4, expected 0") != std::string::npos);
  CHECK(one("F32", "[1]", "[0,4]", 8).find("ends at byte 4 of 8") != std::string::npos);
  CHECK(one("C64", "[1]", "[0,8]", 8).find("type C64") != std::string::npos);
  CHECK(one("F32", "[-1]", "[0,4]", 4).find("out of range") != std::string::npos);
  CHECK(one("F32", "[281474976710656,281474976710656]", "[0,0]", 0).find("too large") != std::string::npos);
  CHECK(one("F32", "[1,1,1,1,1,1,1]", "[0,4]", 4).find("its shape is no list") != std::string::npos);
}
