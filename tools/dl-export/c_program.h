#pragma once
// A written C source at work: compiled with the system's compiler, fed samples, its outputs read.
#include <string>
#include <vector>

#include "exchange/agreement.h"
#include "exchange/c_source.h"

namespace dl::exporting {

// Whether there is a compiler: $CC, else cc.
bool have_c_compiler();

class CProgram {
 public:
  // Compiles under `tmp` (empty: $TMPDIR, else /tmp). Error (numeric) when the compiler refuses the source.
  CProgram(const CSource& source, const std::string& name, const std::string& tmp);
  ~CProgram();
  CProgram(const CProgram&) = delete;
  CProgram& operator=(const CProgram&) = delete;
  // Outputs by name, row-major with the batch extent. Error (numeric) when the program fails.
  std::map<std::string, std::vector<double>> run(const NetworkInputs& batch) const;

 private:
  const CSource& source_;
  std::string folder_;
};

}  // namespace dl::exporting
