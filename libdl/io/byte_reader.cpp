#include "io/byte_reader.h"

#include <fcntl.h>
#include <lzma.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/error.h"
#include "base/str.h"
#include "io/output_file.h"

namespace dl {

namespace {

constexpr size_t kBlock = size_t{256} << 10;
constexpr uint64_t kXzMemory = uint64_t{256}
                               << 20;  // what an xz stream may ask for: its largest preset needs 65 MiB

size_t read_some(int fd, void* dst, size_t bytes, const std::string& path) {
  for (;;) {
    const ssize_t n = ::read(fd, dst, bytes);
    if (n >= 0) return static_cast<size_t>(n);
    if (errno != EINTR) throw Error(Exit::data, str(path, ": cannot be read: ", errno_text(errno)));
  }
}

// Copies what cannot seek into a file without a name.
int spool(int in, const std::string& path, const std::string& tmp_dir) {
  const int out = open_spool(tmp_dir);
  std::vector<uint8_t> block(kBlock);
  try {
    while (const size_t n = read_some(in, block.data(), block.size(), path))
      if (!write_all(out, block.data(), n))
        throw Error(Exit::io, str(path, ": cannot be copied to a temporary file: ", errno_text(errno)));
  } catch (...) {
    ::close(out);
    throw;
  }
  ::lseek(out, 0, SEEK_SET);
  return out;
}

}  // namespace

struct ByteReader::Decoder {
  enum class Kind { plain, gzip, xz } kind = Kind::plain;
  std::vector<uint8_t> packed = std::vector<uint8_t>(kBlock);
  size_t begin = 0, end = 0;  // of `packed`
  bool input_done = false, stream_done = false, started = false;
  z_stream z{};
  lzma_stream x = LZMA_STREAM_INIT;

  ~Decoder() {
    if (!started) return;
    if (kind == Kind::gzip) inflateEnd(&z);
    if (kind == Kind::xz) lzma_end(&x);
  }

  void fill(int fd, const std::string& path) {
    if (begin < end || input_done) return;
    begin = 0;
    end = read_some(fd, packed.data(), packed.size(), path);
    input_done = end == 0;
  }

  void start(int fd, const std::string& path) {
    // A pipe may hand out fewer bytes than the longest signature.
    while (end < 6 && !input_done) {
      const size_t n = read_some(fd, packed.data() + end, packed.size() - end, path);
      input_done = n == 0;
      end += n;
    }
    input_done = false;
    const uint8_t* p = packed.data();
    if (end >= 2 && p[0] == 0x1f && p[1] == 0x8b)
      kind = Kind::gzip;
    else if (end >= 6 && std::memcmp(p,
                                     "\xFD"
                                     "7zXZ\0",
                                     6) == 0)
      kind = Kind::xz;
    if (kind == Kind::gzip && inflateInit2(&z, 15 + 16) != Z_OK)
      throw Error(Exit::memory, str(path, ": no memory to decompress"));
    if (kind == Kind::xz && lzma_stream_decoder(&x, kXzMemory, LZMA_CONCATENATED) != LZMA_OK)
      throw Error(Exit::memory, str(path, ": no memory to decompress"));
    started = true;
  }

  size_t plain(uint8_t* dst, size_t bytes, int fd, const std::string& path) {
    fill(fd, path);
    const size_t n = std::min(bytes, end - begin);
    std::memcpy(dst, packed.data() + begin, n);
    begin += n;
    return n;
  }

  size_t gzip(uint8_t* dst, size_t bytes, int fd, const std::string& path) {
    z.next_out = dst;
    z.avail_out = static_cast<uInt>(bytes);
    while (z.avail_out == bytes) {
      fill(fd, path);
      if (stream_done) {  // the next member, or the end
        if (begin == end) return 0;
        if (packed[begin] != 0x1f)
          throw Error(Exit::data, str(path, ": bytes follow the gzip data, expected its end"));
        inflateReset(&z);
        stream_done = false;
      }
      if (begin == end)
        throw Error(Exit::data, str(path, ": the gzip data is cut short, expected its end mark"));
      z.next_in = packed.data() + begin;
      z.avail_in = static_cast<uInt>(end - begin);
      const int rc = inflate(&z, Z_NO_FLUSH);
      begin = end - z.avail_in;
      if (rc == Z_STREAM_END)
        stream_done = true;
      else if (rc != Z_OK && rc != Z_BUF_ERROR)
        throw Error(Exit::data, str(path, ": the gzip data is damaged", z.msg ? str(" (", z.msg, ")") : ""));
    }
    return bytes - z.avail_out;
  }

  size_t xz(uint8_t* dst, size_t bytes, int fd, const std::string& path) {
    x.next_out = dst;
    x.avail_out = bytes;
    while (x.avail_out == bytes && !stream_done) {
      fill(fd, path);
      x.next_in = packed.data() + begin;
      x.avail_in = end - begin;
      const lzma_ret rc = lzma_code(&x, input_done ? LZMA_FINISH : LZMA_RUN);
      begin = end - x.avail_in;
      if (rc == LZMA_STREAM_END)
        stream_done = true;
      else if (rc == LZMA_MEMLIMIT_ERROR)
        throw Error(Exit::data, str(path, ": the xz data needs more than 256 MiB to decompress"));
      else if (rc == LZMA_BUF_ERROR)
        throw Error(Exit::data, str(path, ": the xz data is cut short, expected its end mark"));
      else if (rc != LZMA_OK)
        throw Error(Exit::data, str(path, ": the xz data is damaged"));
    }
    return bytes - x.avail_out;
  }

  size_t run(uint8_t* dst, size_t bytes, int fd, const std::string& path) {
    if (!started) start(fd, path);
    switch (kind) {
      case Kind::gzip:
        return gzip(dst, bytes, fd, path);
      case Kind::xz:
        return xz(dst, bytes, fd, path);
      default:
        return plain(dst, bytes, fd, path);
    }
  }
};

ByteReader::ByteReader(const std::string& path, const std::string& tmp_dir)
    : path_(path == "-" ? "<stdin>" : path), ready_(kBlock), decoder_(std::make_unique<Decoder>()) {
  if (path == "-") {
    fd_ = spool(STDIN_FILENO, path_, tmp_dir);
    return;
  }
  fd_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd_ < 0) throw Error(Exit::data, str(path, ": cannot be opened: ", errno_text(errno)));
  struct stat st {};
  if (::fstat(fd_, &st) == 0 && S_ISDIR(st.st_mode)) {
    ::close(fd_);
    throw Error(Exit::data, str(path, ": is a directory, expected a file"));
  }
  if (!S_ISREG(st.st_mode)) {
    const int copy = spool(fd_, path_, tmp_dir);
    ::close(fd_);
    fd_ = copy;
  }
}

ByteReader::~ByteReader() {
  if (fd_ >= 0) ::close(fd_);
}

ByteReader::ByteReader(ByteReader&& o) noexcept
    : path_(std::move(o.path_)),
      fd_(o.fd_),
      position_(o.position_),
      ready_(std::move(o.ready_)),
      begin_(o.begin_),
      end_(o.end_),
      decoder_(std::move(o.decoder_)) {
  o.fd_ = -1;
}

size_t ByteReader::refill() {
  begin_ = 0;
  end_ = decoder_->run(ready_.data(), ready_.size(), fd_, path_);
  return end_;
}

size_t ByteReader::read(void* dst, size_t bytes) {
  auto* out = static_cast<uint8_t*>(dst);
  size_t done = 0;
  while (done < bytes && (begin_ < end_ || refill() > 0)) {
    const size_t n = std::min(bytes - done, end_ - begin_);
    std::memcpy(out + done, ready_.data() + begin_, n);
    begin_ += n;
    done += n;
  }
  position_ += static_cast<int64_t>(done);
  return done;
}

void ByteReader::read_exact(void* dst, size_t bytes, const std::string& what) {
  if (read(dst, bytes) == bytes) return;
  if (position_ == 0) throw Error(Exit::data, str(path_, ": is empty, expected ", what));
  throw Error(Exit::data, str(path_, ": ends after ", position_, " bytes, expected ", what));
}

bool ByteReader::at_end() { return begin_ == end_ && refill() == 0; }

void ByteReader::rewind() {
  if (::lseek(fd_, 0, SEEK_SET) != 0)
    throw Error(Exit::data, str(path_, ": cannot be read twice: ", errno_text(errno)));
  decoder_ = std::make_unique<Decoder>();
  begin_ = end_ = 0;
  position_ = 0;
}

std::vector<uint8_t> read_file(const std::string& path, int64_t limit) {
  ByteReader in(path);
  std::vector<uint8_t> out;
  for (;;) {
    const size_t old = out.size(), step = std::max(kBlock, old);
    out.resize(old + step);
    const size_t n = in.read(out.data() + old, step);
    out.resize(old + n);
    if (static_cast<int64_t>(out.size()) > limit)
      throw Error(Exit::data,
                  str(path, ": is larger than ", human_bytes(static_cast<double>(limit)), ", the limit"));
    if (n < step) return out;
  }
}

}  // namespace dl
