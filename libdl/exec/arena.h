#pragma once
// Memory for activations, gradients and scratch that executors share: one of them runs at a time.
#include "base/memory.h"

namespace dl {

class Arena {
 public:
  // Makes room. Where it grows, it moves and its content is lost.
  void reserve(size_t bytes) {
    if (bytes <= memory_.bytes()) return;
    memory_ = Memory();
    memory_ = Memory(bytes);
    user_ = nullptr;
  }
  char* data() const { return static_cast<char*>(memory_.data()); }
  size_t bytes() const { return memory_.bytes(); }
  // Before `user` runs. True when someone else did since it did, or the content was lost.
  bool claim(const void* user) {
    const bool lost = user_ != user;
    user_ = user;
    return lost;
  }

 private:
  Memory memory_;
  const void* user_ = nullptr;
};

}  // namespace dl
