#include "c_program.h"

#include <charconv>
#include <cstdlib>
#include <filesystem>

#include "base/str.h"
#include "cli/child.h"
#include "io/output_file.h"

namespace dl::exporting {
namespace {

std::string upper(std::string s) {
  for (char& c : s) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return s;
}

std::string shell(const std::string& script, const std::vector<std::string>& arguments) {
  std::vector<std::string> args{"/bin/sh", "-c", script, "sh"};
  args.insert(args.end(), arguments.begin(), arguments.end());
  return cli::output_of(args);
}

void append_sample(std::string& text, const Tensor& t, int64_t row) {
  const auto write = [&](auto values) {
    const size_t n = values.size() / static_cast<size_t>(t.shape()[0]);
    for (size_t i = 0; i < n; ++i)
      text += str(static_cast<float>(values[static_cast<size_t>(row) * n + i]), ' ');
  };
  switch (t.dtype()) {
    case DType::f32:
      return write(t.data<float>());
    case DType::f64:
      return write(t.data<double>());
    case DType::u8:
      return write(t.data<uint8_t>());
    case DType::i32:
      return write(t.data<int32_t>());
    case DType::i64:
      return write(t.data<int64_t>());
    case DType::bf16:
    case DType::f16:
      break;
  }
  throw Error(Exit::internal, "no input has numbers of 16 bits");
}

std::vector<double> numbers_of(const std::string& text) {
  std::vector<double> out;
  const char *p = text.data(), *end = p + text.size();
  while (p < end) {
    if (*p == ' ' || *p == '\n') {
      ++p;
      continue;
    }
    double v = 0;
    const auto read = std::from_chars(p, end, v);
    if (read.ec != std::errc{}) throw Error(Exit::numeric, "the C program prints what is no number");
    out.push_back(v);
    p = read.ptr;
  }
  return out;
}

}  // namespace

bool have_c_compiler() {
  try {
    shell("command -v ${CC:-cc}", {});
    return true;
  } catch (const Error&) { return false; }
}

CProgram::CProgram(const CSource& source, const std::string& name, const std::string& tmp) : source_(source) {
  std::string pattern =
      str(tmp.empty() ? std::filesystem::temp_directory_path().string() : tmp, "/dl-export-XXXXXX");
  if (!mkdtemp(pattern.data()))
    throw Error(Exit::io, str("cannot make a folder for the compiler: ", pattern));
  folder_ = pattern;
  write_text(folder_ + "/network.c", source.source);
  try {
    shell(
        "${CC:-cc} -std=c99 -O2 -Wall -Wextra -pedantic -D\"$1\" -o \"$2/network\" \"$2/network.c\" -lm >&2",
        {upper(name) + "_MAIN", folder_});
  } catch (const Error& e) {
    std::filesystem::remove_all(folder_);
    throw Error(Exit::numeric, str("the C source does not compile: ", e.what()));
  }
}

CProgram::~CProgram() {
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

std::map<std::string, std::vector<double>> CProgram::run(const NetworkInputs& batch) const {
  const int64_t samples = batch.begin()->second.shape()[0];
  std::string text;
  for (int64_t i = 0; i < samples; ++i) {
    for (const CSource::Port& p : source_.inputs) append_sample(text, batch.at(p.name), i);
    text += '\n';
  }
  write_text(folder_ + "/input", text);
  std::string printed;
  try {
    printed = shell("\"$1/network\" < \"$1/input\"", {folder_});
  } catch (const Error& e) { throw Error(Exit::numeric, str("the C program fails: ", e.what())); }
  const std::vector<double> all = numbers_of(printed);
  int64_t row = 0;
  for (const CSource::Port& p : source_.outputs) row += p.elements;
  if (all.size() != static_cast<size_t>(row * samples))
    throw Error(Exit::numeric,
                str("the C program prints ", all.size(), " numbers, expected ", row * samples));
  std::map<std::string, std::vector<double>> out;
  size_t at = 0;
  for (int64_t i = 0; i < samples; ++i)
    for (const CSource::Port& p : source_.outputs)
      for (int64_t k = 0; k < p.elements; ++k) out[p.name].push_back(all[at++]);
  return out;
}

}  // namespace dl::exporting
