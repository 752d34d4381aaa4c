#include <doctest/doctest.h>

#include <csignal>
#include <thread>

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "io/artifact.h"
#include "io/output_file.h"
#include "io/temp_folder.h"

using namespace dl;

namespace {

void write_model(const std::string& path, int64_t floats = 100'000) {
  ArtifactWriter w(path, "model");
  Tensor t(DType::f32, {floats});
  for (size_t i = 0; i < t.data<float>().size(); ++i) t.data<float>()[i] = static_cast<float>(i);
  w.write("/parameters/w", t);
  w.finish();
}

// Puts a descriptor in the place of stdin or stdout while it lives.
class Redirect {
 public:
  Redirect(int which, int fd) : which_(which), saved_(::dup(which)) {
    ::dup2(fd, which);
    ::close(fd);
  }
  ~Redirect() {
    ::dup2(saved_, which_);
    ::close(saved_);
  }

 private:
  int which_, saved_;
};

std::string fifo(const TempFolder& dir) {
  const std::string path = dir / "fifo";
  REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
  return path;
}

std::string read_to_end(int fd) {
  std::string out;
  char buffer[65536];
  for (ssize_t n; (n = ::read(fd, buffer, sizeof buffer)) > 0;) out.append(buffer, static_cast<size_t>(n));
  return out;
}

std::string failure_of_stdin(int fd) {
  const Redirect in(STDIN_FILENO, fd);
  try {
    ArtifactReader r("-", "model");
    return "";
  } catch (const Error& e) {
    CHECK(e.code == Exit::data);
    return e.what();
  }
}

}  // namespace

TEST_CASE("what goes through a FIFO or stdout is what a file would hold") {
  TempFolder dir;
  write_model(dir / "m.h5");
  const std::string path = fifo(dir);
  std::thread writer([&] { write_model(path); });
  const int in = ::open(path.c_str(), O_RDONLY);
  CHECK(read_to_end(in) == dir.bytes("m.h5"));
  writer.join();
  ::close(in);

  const std::string out = dir.put("out", "");
  {
    const Redirect stdout_to_file(STDOUT_FILENO, ::open(out.c_str(), O_WRONLY));
    write_model("-");
  }
  CHECK(dir.bytes("out") == dir.bytes("m.h5"));
}

TEST_CASE("a reader takes a FIFO, a pipe on stdin and a file on stdin alike") {
  TempFolder dir;
  write_model(dir / "m.h5");
  const auto last = [](const ArtifactReader& r) {
    float v = 0;
    r.read_rows("/parameters/w", 99'999, 1, &v);
    return v;
  };
  const std::string path = fifo(dir);
  {
    std::thread writer([&] { write_model(path); });
    CHECK(last(ArtifactReader(path, "model")) == 99'999);
    writer.join();
  }
  {
    std::thread writer([&] { write_model(path); });
    const Redirect in(STDIN_FILENO, ::open(path.c_str(), O_RDONLY));
    const ArtifactReader r("-", "model");
    CHECK(r.name() == "<stdin>");
    CHECK(last(r) == 99'999);
    writer.join();
  }
  {
    const Redirect in(STDIN_FILENO, ::open((dir / "m.h5").c_str(), O_RDONLY));
    CHECK(last(ArtifactReader("-", "model")) == 99'999);
  }
}

TEST_CASE("bad streams have the messages of bad files") {
  TempFolder dir;
  write_model(dir / "m.h5");
  const std::string good = dir.bytes("m.h5");
  const auto through_pipe = [&](const std::string& bytes) {
    int ends[2];
    REQUIRE(::pipe(ends) == 0);
    std::thread writer([&, fd = ends[1]] {
      write_all(fd, bytes.data(), bytes.size());
      ::close(fd);
    });
    const std::string message = failure_of_stdin(ends[0]);
    writer.join();
    return message;
  };
  CHECK(through_pipe("") == "<stdin>: is empty, expected an artifact of dl");
  CHECK(through_pipe("epoch,loss\n1,0.5\n").find("<stdin>: is text (\"epoch,loss\")") == 0);
  CHECK(through_pipe(good.substr(0, 5000)).find("<stdin>: is truncated: 5000 of ") == 0);
  CHECK(through_pipe(good + good).find("<stdin>: holds two or more artifacts") == 0);
  CHECK(through_pipe(good).empty());
}

TEST_CASE("an endless stream that is no artifact is refused at once") {
  const int zero = ::open("/dev/zero", O_RDONLY);
  CHECK(failure_of_stdin(zero) == "<stdin>: is not an HDF5 file, expected an artifact of dl");
}

TEST_CASE("a reader that goes away ends the writer as a broken pipe") {
  TempFolder dir;
  std::signal(SIGPIPE, SIG_IGN);
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  ::close(ends[0]);
  const Redirect out(STDOUT_FILENO, ends[1]);
  try {
    write_model("-", 1'000'000);
    FAIL("no error");
  } catch (const Error& e) { CHECK(e.code == Exit::broken_pipe); }
}

TEST_CASE("a disk that is full gives an I/O error and leaves the older file") {
  TempFolder dir;
  write_model(dir / "m.h5", 1000);
  const std::string before = dir.bytes("m.h5");
  std::signal(SIGXFSZ, SIG_IGN);
  struct rlimit old {};
  ::getrlimit(RLIMIT_FSIZE, &old);
  for (rlim_t limit : {0, 500, 3000, 100'000}) {  // from the first header write to the data
    const struct rlimit small { limit, old.rlim_max };
    ::setrlimit(RLIMIT_FSIZE, &small);
    Exit code = Exit::ok;
    std::string what;
    try {
      write_model(dir / "m.h5");
    } catch (const Error& e) {
      code = e.code;
      what = e.what();
    }
    ::setrlimit(RLIMIT_FSIZE, &old);
    CHECK(code == Exit::io);
    CHECK(what == (dir / "m.h5") + ": cannot be written: File too large");
    CHECK(dir.bytes("m.h5") == before);
    CHECK(dir.list() == std::vector<std::string>{"m.h5"});
  }
}

TEST_CASE("a writer that is killed leaves nothing") {
  TempFolder dir;
  for (int signal : {SIGKILL, SIGTERM}) {
    const pid_t child = ::fork();
    if (child == 0) {
      std::signal(signal, SIG_DFL);
      ArtifactWriter w(dir / "m.h5", "model");
      w.create("/x", {DType::f32, {1000}});
      std::vector<float> rows(1000 * 1000);
      w.append("/x", rows.data(), 1000);
      ::kill(::getpid(), signal);
      ::_exit(1);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    CHECK(WTERMSIG(status) == signal);
    CHECK(dir.list().empty());
  }
}

TEST_CASE("a temporary name that a killed writer left is removed by the next one") {
  TempFolder dir;
  dir.put(".m.h5.tmp-123-0", "left over");
  dir.put(".other.h5.tmp-123-0", "not ours");
  write_model(dir / "m.h5", 10);
  CHECK(dir.list() == std::vector<std::string>{".other.h5.tmp-123-0", "m.h5"});
}

TEST_CASE("a link stays a link and what it points at is replaced") {
  TempFolder dir;
  write_model(dir / "real.h5", 10);
  REQUIRE(::symlink("real.h5", (dir / "link.h5").c_str()) == 0);
  write_model(dir / "link.h5", 20);
  CHECK(std::filesystem::is_symlink(dir / "link.h5"));
  CHECK(ArtifactReader(dir / "real.h5", "model").type("/parameters/w").text() == "f32[20]");
}

TEST_CASE("text is written whole or not at all") {
  TempFolder dir;
  write_text(dir / "a.json", "{}\n");
  CHECK(dir.bytes("a.json") == "{}\n");
  CHECK_THROWS_AS(write_text(dir / "missing/a.json", "{}"), Error);
}
