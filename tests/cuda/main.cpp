// The device's tests. Where there is none, the reason is printed and the exit code is 77.
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <cstdio>

#include "exec/device.h"

int main(int argc, char** argv) {
  std::string why;
  if (dl::Device::count(why) == 0) {
    std::printf("SKIP: %s\n", why.c_str());
    return 77;
  }
  return doctest::Context(argc, argv).run();
}
