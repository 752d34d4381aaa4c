#include "io/input_file.h"

#include <cerrno>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/str.h"
#include "io/output_file.h"

namespace dl {

InputFile::InputFile(const std::string& path, std::string_view signature, const std::string& tmp)
    : name_(path) {
  const bool standard = path == "-";
  if (standard) name_ = "<stdin>";
  const int source =
      standard ? ::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3) : ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (source < 0)
    throw Error(Exit::data, str(name_, errno == ENOENT ? ": there is no such file"
                                                       : ": cannot be read: " + errno_text(errno)));
  struct stat st {};
  if (::fstat(source, &st) != 0 || S_ISDIR(st.st_mode)) {
    ::close(source);
    throw Error(Exit::data, str(name_, ": is a folder, expected a file"));
  }
  if (S_ISREG(st.st_mode) && (!standard || ::lseek(source, 0, SEEK_CUR) == 0)) {
    fd_ = source;
    bytes_ = st.st_size;
    return;
  }
  try {
    spool(source, signature, tmp);
  } catch (...) {
    ::close(source);
    if (fd_ >= 0) ::close(fd_);
    throw;
  }
  ::close(source);
}

InputFile::~InputFile() {
  if (fd_ >= 0) ::close(fd_);
}

void InputFile::spool(int source, std::string_view signature, const std::string& tmp) {
  fd_ = open_spool(tmp);
  ::fcntl(source, F_SETPIPE_SZ, 1 << 20);
  bool moving = true, checked = signature.empty();  // moving: splice works, no copy through this process
  std::vector<char> copy;
  for (;;) {
    ssize_t n;
    if (moving) {
      n = ::splice(source, nullptr, fd_, nullptr, 1 << 20, 0);
      if (n < 0 && (errno == EINVAL || errno == ENOSYS)) {
        moving = false;
        copy.resize(1 << 20);
        continue;
      }
    } else {
      n = ::read(source, copy.data(), copy.size());
      if (n > 0 && !write_all(fd_, copy.data(), static_cast<size_t>(n))) {
        throw Error(Exit::io, {}, str(name_, ": cannot be copied to a temporary file: ", errno_text(errno)),
                    "--tmp names another folder for it");
      }
    }
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      const bool full = errno == ENOSPC || errno == EDQUOT || errno == EFBIG;
      throw Error(full ? Exit::io : Exit::data, {}, str(name_, ": cannot be read: ", errno_text(errno)),
                  full ? "--tmp names another folder for the temporary copy" : "");
    }
    if (n == 0) return;
    bytes_ += n;
    if (!checked && bytes_ >= static_cast<int64_t>(signature.size())) {
      if (peek(0, static_cast<int64_t>(signature.size())) != signature) return;
      checked = true;
    }
  }
}

std::string InputFile::peek(int64_t offset, int64_t count) const {
  std::string out(static_cast<size_t>(count), '\0');
  const ssize_t n = ::pread(fd_, out.data(), out.size(), offset);
  out.resize(n < 0 ? 0 : static_cast<size_t>(n));
  return out;
}

}  // namespace dl
