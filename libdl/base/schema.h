#pragma once
// Walks the JSON Schemas that field lists give (base/fields.h): which key is known, what is its default.
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/json.h"

namespace dl {

// The tokens of a JSON pointer, unescaped: "/a~1b/0" -> {"a/b", "0"}.
DL_API std::vector<std::string> pointer_tokens(std::string_view pointer);

// Where a member stands among the children of an object or array: the token is a key or an index. npos when
// absent.
DL_API size_t child_index(const json& value, std::string_view token);
DL_API const json* child(const json* value,
                         std::string_view token);  // null when absent, or when `value` is null

// "/model/layers/3/units" -> "model.layers[3].units"; a key that dots cannot express leaves the pointer as it
// is. `root` tells array elements from keys that look like numbers.
DL_API std::string dotted(const std::string& pointer, const json& root);

// The schema of one member of `value` (the member itself may be absent), null when the schema has no such
// key. An empty schema stands for "anything" and is its own member. Of the alternatives of an "anyOf" the one
// counts whose "type" constant equals that of `value`; without one, the first that knows the key.
DL_API const json* schema_member(const json& schema, const json& value, std::string_view key);

// The keys that the schema knows for members of `value`, and those that `value` has.
DL_API std::vector<std::string> schema_keys(const json& schema, const json& value);

// What a schema allows, in words for messages: "number, default 0.1", "one of constant, step".
DL_API std::string schema_words(const json& schema);

// `value` with the defaults of every absent member; a variant's bare name becomes the object it stands for.
DL_API json with_defaults(const json& value, const json& schema);

}  // namespace dl
