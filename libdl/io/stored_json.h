#pragma once
// JSON in an artifact as compressed bytes: attributes hold at most 64 KiB.
#include <string>

#include "base/export.h"
#include "base/json.h"
#include "io/artifact.h"

namespace dl {

// How the rows of a data set were made (data/prepare.h): in data sets, and in the models trained on them.
inline constexpr const char* kPreparation = "/preparation";

DL_API void write_json(ArtifactWriter& writer, const std::string& name, const json& value);
// Null where there is no such data set. Error (data): it is no JSON object or array.
DL_API json read_json(const ArtifactReader& reader, const std::string& name);

}  // namespace dl
