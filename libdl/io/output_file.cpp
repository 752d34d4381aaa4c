#include "io/output_file.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <system_error>
#include <vector>

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/error.h"
#include "base/str.h"

namespace dl {
namespace {

std::string temporary_prefix(const std::string& base) { return "." + base.substr(0, 200) + ".tmp-"; }

// Removes what killed writers of the same target left: files whose lock nobody holds.
void remove_stale(const std::string& folder, const std::string& prefix) {
  DIR* dir = ::opendir(folder.c_str());
  if (!dir) return;
  std::vector<std::string> found;
  while (const dirent* entry = ::readdir(dir))
    if (std::string_view(entry->d_name).starts_with(prefix)) found.push_back(folder + "/" + entry->d_name);
  ::closedir(dir);
  for (const std::string& path : found) {
    const int fd = ::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) continue;
    if (::flock(fd, LOCK_EX | LOCK_NB) == 0) ::unlink(path.c_str());
    ::close(fd);
  }
}

bool no_tmpfile(int error) {
  return error == EOPNOTSUPP || error == EISDIR || error == EINVAL || error == ENOENT || error == ENOSYS;
}

[[noreturn]] void fail(const std::string& name, const std::string& what, int error) {
  throw Error(Exit::io, str(name, ": ", what, ": ", errno_text(error)));
}

}  // namespace

std::string errno_text(int error) { return std::generic_category().message(error); }

bool write_all(int fd, const void* data, size_t bytes) {
  const char* p = static_cast<const char*>(data);
  while (bytes > 0) {
    const ssize_t n = ::write(fd, p, bytes);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return false;
    p += n;
    bytes -= static_cast<size_t>(n);
  }
  return true;
}

bool read_all(int fd, void* out, int64_t bytes, int64_t offset) {
  char* p = static_cast<char*>(out);
  while (bytes > 0) {
    const ssize_t n = ::pread(fd, p, static_cast<size_t>(bytes), offset);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    p += n;
    offset += n;
    bytes -= n;
  }
  return true;
}

int open_spool(const std::string& tmp) {
  const char* env = std::getenv("TMPDIR");
  const std::string folder = !tmp.empty() ? tmp : env && *env ? env : "/tmp";
  int fd = ::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (fd < 0 && no_tmpfile(errno)) {
    std::string path = folder + "/dl-spool-XXXXXX";
    fd = ::mkostemp(path.data(), O_CLOEXEC);
    if (fd >= 0) ::unlink(path.c_str());
  }
  if (fd < 0) fail(folder, "cannot hold a temporary file", errno);
  return fd;
}

OutputFile::OutputFile(const std::string& path, const std::string& tmp) : path_(path), name_(path) {
  struct stat st {};
  if (path == "-") {
    name_ = "<stdout>";
    stream_ = true;
  } else if (path.empty()) {
    throw Error(Exit::io, "the output path is empty");
  } else if (::stat(path.c_str(), &st) == 0) {
    if (S_ISDIR(st.st_mode)) throw Error(Exit::io, str(name_, ": is a folder, expected a file"));
    stream_ = !S_ISREG(st.st_mode);
    if (!stream_ && ::lstat(path.c_str(), &st) == 0 && S_ISLNK(st.st_mode)) {
      char* real = ::realpath(path.c_str(), nullptr);  // the link stays, what it points at is replaced
      if (!real) fail(name_, "cannot follow the link", errno);
      path_ = real;
      std::free(real);
    }
  }
  if (stream_)
    fd_ = open_spool(tmp);
  else
    open_beside();
}

void OutputFile::open_beside() {
  const size_t slash = path_.rfind('/');
  folder_ = slash == std::string::npos ? "." : slash == 0 ? "/" : path_.substr(0, slash);
  base_ = slash == std::string::npos ? path_ : path_.substr(slash + 1);
  if (base_.empty()) throw Error(Exit::io, str(name_, ": is a folder, expected a file"));
  remove_stale(folder_, temporary_prefix(base_));
  fd_ = ::open(folder_.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0666);
  if (fd_ < 0 && no_tmpfile(errno) && ::access(folder_.c_str(), F_OK) == 0) {
    for (int i = 0; fd_ < 0 && (i == 0 || errno == EEXIST) && i < 1000; ++i) {
      temporary_ = str(folder_, '/', temporary_prefix(base_), ::getpid(), '-', i);
      fd_ = ::open(temporary_.c_str(), O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0666);
    }
    if (fd_ < 0) temporary_.clear();
  }
  if (fd_ < 0) fail(name_, "cannot be written", errno);
  ::flock(fd_, LOCK_EX | LOCK_NB);  // says that this file has an owner, see remove_stale
}

OutputFile::~OutputFile() {
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
  if (fd_ >= 0) ::close(fd_);
}

void OutputFile::write(std::string_view bytes) {
  if (!write_all(fd_, bytes.data(), bytes.size())) fail(name_, "cannot be written", errno);
}

int64_t OutputFile::free_bytes() const {
  struct statvfs v {};
  if (::fstatvfs(fd_, &v) != 0) return 0;
  return static_cast<int64_t>(v.f_bavail) * static_cast<int64_t>(v.f_frsize);
}

void OutputFile::publish() {
  if (stream_) return send();
  if (::fsync(fd_) != 0) fail(name_, "cannot be written", errno);
  if (temporary_.empty()) {
    const std::string self = str("/proc/self/fd/", fd_);
    int linked = -1;
    for (int i = 0; linked != 0 && (i == 0 || errno == EEXIST) && i < 1000; ++i) {
      temporary_ = str(folder_, '/', temporary_prefix(base_), ::getpid(), '-', i);
      linked = ::linkat(AT_FDCWD, self.c_str(), AT_FDCWD, temporary_.c_str(), AT_SYMLINK_FOLLOW);
    }
    if (linked != 0) {
      temporary_.clear();
      fail(name_, "cannot be written", errno);
    }
  }
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) fail(name_, "cannot be replaced", errno);
  temporary_.clear();
  const int dir = ::open(folder_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (dir >= 0) {
    ::fsync(dir);
    ::close(dir);
  }
}

void OutputFile::send() {
  const int out = path_ == "-" ? ::dup(STDOUT_FILENO) : ::open(path_.c_str(), O_WRONLY | O_CLOEXEC);
  if (out < 0) fail(name_, "cannot be written", errno);
  struct stat st {};
  ::fstat(fd_, &st);
  ::fcntl(out, F_SETPIPE_SZ, 1 << 20);
  off_t at = 0;
  int error = 0;
  std::vector<char> copy;  // sendfile does not know every kind of target
  while (at < st.st_size && !error) {
    if (copy.empty()) {
      const ssize_t n = ::sendfile(out, fd_, &at, static_cast<size_t>(st.st_size - at));
      if (n < 0 && (errno == EINVAL || errno == ENOSYS || errno == EOPNOTSUPP))
        copy.resize(1 << 20);
      else if (n < 0 && errno != EINTR)
        error = errno;
    } else {
      const ssize_t n = ::pread(fd_, copy.data(), copy.size(), at);
      if (n <= 0 || !write_all(out, copy.data(), static_cast<size_t>(n)))
        error = n < 0 || errno ? errno : EIO;
      else
        at += n;
    }
  }
  if (::close(out) != 0 && !error) error = errno;
  if (error == EPIPE) throw Error(Exit::broken_pipe, str(name_, ": the reader went away"));
  if (error) fail(name_, "cannot be written", error);
}

void write_text(const std::string& path, std::string_view text) {
  OutputFile file(path);
  file.write(text);
  file.publish();
}

}  // namespace dl
