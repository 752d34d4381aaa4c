#pragma once
// A look at the object header of the root group before HDF5 reads it: HDF5 1.10 believes the lengths inside of
// attribute messages.
#include <cstdint>
#include <string>

#include "io/input_file.h"

namespace dl {

// What is wrong with the header at `address`, whose attributes must have the form in which they are written here;
// empty when nothing is.
std::string attribute_problem(const InputFile& file, uint64_t address);

}  // namespace dl
