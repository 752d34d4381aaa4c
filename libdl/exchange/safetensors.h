#pragma once
// Files of named tensors in the safetensors format: eight bytes of length, a JSON header, the bytes of the tensors.
#include <map>
#include <string>
#include <string_view>

#include "base/export.h"
#include "io/model_file.h"

namespace dl {

struct Safetensors {
  TensorMap tensors;  // f32 ones may be stored as f16 or bf16
  std::map<std::string, std::string> metadata;
};

// The bytes of a file: tensors in order of name, behind a header padded to eight bytes. `half`: f32 tensors are written as f16
// or bf16 (nearest, ties to even), others as they are; f32: all as they are. Equal tensors give equal bytes.
DL_API std::string to_safetensors(const Safetensors& content, DType half = DType::f32);

// Bytes from anywhere: tensors or Error (data) that says what is wrong and where. Halves and f64 become f32; extents, ranges
// and types are checked before memory is asked for, which is at most twice the bytes.
DL_API Safetensors from_safetensors(std::string_view bytes);

}  // namespace dl
