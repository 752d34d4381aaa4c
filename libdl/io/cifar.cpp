#include "io/cifar.h"

#include "base/error.h"
#include "base/str.h"

namespace dl {

bool CifarReader::next(uint8_t* labels, uint8_t* pixels) {
  const auto head = static_cast<size_t>(label_bytes_);
  if (at_ > 0 && in_.at_end()) return false;
  const std::string& file = in_.path();
  if (in_.read(labels, head) < head || in_.read(pixels, kPixels) < static_cast<size_t>(kPixels)) {
    if (in_.position() == 0) throw Error(Exit::data, str(file, ": is empty, expected CIFAR records"));
    throw Error(Exit::data, str(file, ": ends in record ", at_, ", expected records of ",
                                kPixels + label_bytes_, " bytes"));
  }
  ++at_;
  return true;
}

}  // namespace dl
