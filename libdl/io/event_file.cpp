#include "io/event_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <filesystem>

#include "base/clock.h"
#include "base/error.h"
#include "base/str.h"
#include "io/output_file.h"
#include "io/protobuf_writer.h"

namespace dl {
namespace {

constexpr size_t kMostWaiting = 256 << 10;  // bytes
constexpr double kLongestWait = 10;         // seconds
constexpr int kBins = 64;                   // of a histogram

// Field numbers of tensorflow/core/util/event.proto, framework/summary.proto, framework/tensor.proto, framework/graph.proto
// and of tensorboard/plugins/hparams/plugin_data.proto.
namespace event {
constexpr int wall_time = 1, step = 2, file_version = 3, graph = 4, summary = 5, session_log = 7;
}
namespace value {
constexpr int tag = 1, simple_value = 2, histogram = 5, tensor = 8, metadata = 9;
}
namespace metadata {
constexpr int plugin = 1, data_class = 4;
constexpr int64_t class_tensor = 2;
}  // namespace metadata
namespace tensor {
constexpr int dtype = 1, shape = 2, string_value = 8;
constexpr int64_t string_type = 7;
}  // namespace tensor
namespace histogram {
constexpr int min = 1, max = 2, count = 3, sum = 4, squares = 5, limits = 6, counts = 7;
}
namespace graph {
constexpr int node = 1, name = 1, op = 2, input = 3;
}
namespace session {
constexpr int status = 1;
constexpr int64_t start = 1;
}  // namespace session
namespace hparams {
constexpr int version = 1, start = 3, end = 4;
constexpr int values = 1, start_time = 5;  // of the start
constexpr int status = 1, end_time = 2;    // of the end
constexpr int number = 2, text = 3;        // of a value
constexpr int64_t succeeded = 1, failed = 2;
}  // namespace hparams

double now() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

void put(std::string& out, uint64_t v, int bytes) {
  for (int i = 0; i < bytes; ++i) out += static_cast<char>(v >> (8 * i));
}

// A checksum of data that holds checksums would be weak, so TFRecords turn and shift it.
uint32_t masked_crc(std::string_view bytes) {
  const uint32_t crc = crc32c(bytes);
  return (crc >> 15 | crc << 17) + 0xa282ead8u;
}

std::string summary_of(std::string_view tag, const auto& fill) {
  ProtobufWriter value, summary, event;
  value.bytes(value::tag, tag);
  fill(value);
  summary.message(1, value);
  event.message(event::summary, summary);
  return event.text();
}

ProtobufWriter metadata_of(std::string_view plugin, std::string_view content, int64_t data_class) {
  ProtobufWriter data, out;
  data.bytes(1, plugin);
  if (!content.empty()) data.bytes(2, content);
  out.message(metadata::plugin, data);
  if (data_class) out.integer(metadata::data_class, data_class);
  return out;
}

// A value of the hparams plug-in, which lies in the metadata.
std::string hparams_event(std::string_view tag, int field, const ProtobufWriter& content) {
  ProtobufWriter data;
  data.integer(hparams::version, 0);
  data.message(field, content);
  return summary_of(tag, [&](ProtobufWriter& v) {
    v.message(value::metadata, metadata_of("hparams", data.text(), 0));
    ProtobufWriter empty;
    empty.integer(tensor::dtype, 1);
    empty.message(tensor::shape, {});
    v.message(value::tensor, empty);
  });
}

[[noreturn]] void fail(const std::string& path, int error) {
  throw Error(error == EPIPE ? Exit::broken_pipe : Exit::io,
              str(path, ": cannot be written: ", errno_text(error)));
}

}  // namespace

uint32_t crc32c(std::string_view bytes) {
  static const auto table = [] {
    std::array<uint32_t, 256> t{};
    for (uint32_t i = 0; i < 256; ++i) {
      uint32_t c = i;
      for (int bit = 0; bit < 8; ++bit) c = c & 1 ? c >> 1 ^ 0x82f63b78u : c >> 1;
      t[i] = c;
    }
    return t;
  }();
  uint32_t crc = ~0u;
  for (char b : bytes) crc = table[(crc ^ static_cast<unsigned char>(b)) & 0xff] ^ crc >> 8;
  return ~crc;
}

EventFile::EventFile(const std::string& folder, int64_t first_step) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  for (int n = 0; fd_ < 0; ++n) {
    char name[64];
    std::snprintf(name, sizeof name, "/events.out.tfevents.%010lld.%04d.dl", static_cast<long long>(now()),
                  n);
    path_ = folder + name;
    fd_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0666);
    if (fd_ < 0 && errno != EEXIST) fail(path_, errno);
  }
  ProtobufWriter version, start, log;
  version.bytes(event::file_version, "brain.Event:2");
  add(version.text(), 0);
  log.integer(session::status, session::start);
  start.message(event::session_log, log);
  if (first_step > 0) add(start.text(), first_step);
  flush();
}

EventFile::~EventFile() {
  if (fd_ >= 0) ::close(fd_);
}

void EventFile::add(std::string_view what, int64_t step) {
  ProtobufWriter event;
  event.real(event::wall_time, now());
  event.integer(event::step, step);
  const std::string bytes = event.text() + std::string(what);
  std::string length;
  put(length, bytes.size(), 8);
  waiting_ += length;
  put(waiting_, masked_crc(length), 4);
  waiting_ += bytes;
  put(waiting_, masked_crc(bytes), 4);
  if (waiting_.size() > kMostWaiting || steady_seconds() - flushed_ > kLongestWait) flush();
}

void EventFile::flush() {
  if (!write_all(fd_, waiting_.data(), waiting_.size())) fail(path_, errno);
  waiting_.clear();
  flushed_ = steady_seconds();
}

void EventFile::scalar(std::string_view tag, double number, int64_t step) {
  add(summary_of(tag, [&](ProtobufWriter& v) { v.real32(value::simple_value, static_cast<float>(number)); }),
      step);
}

void EventFile::histogram(std::string_view tag, std::span<const float> values, int64_t step) {
  double least = INFINITY, most = -INFINITY, sum = 0, squares = 0, count = 0;
  for (float v : values) {
    if (!std::isfinite(v)) continue;
    least = std::min(least, static_cast<double>(v));
    most = std::max(most, static_cast<double>(v));
    sum += static_cast<double>(v);
    squares += static_cast<double>(v) * static_cast<double>(v);
    ++count;
  }
  if (count == 0) return;
  const double width = (most - least) / kBins;
  std::vector<double> counts(kBins), limits(kBins);
  for (int i = 0; i < kBins; ++i)
    limits[static_cast<size_t>(i)] = i + 1 < kBins ? least + width * (i + 1) : most;
  for (float v : values)
    if (std::isfinite(v)) {
      const double place = width > 0 ? (static_cast<double>(v) - least) / width : 0;
      ++counts[static_cast<size_t>(std::min<double>(kBins - 1, place))];
    }
  ProtobufWriter h;
  h.real(histogram::min, least);
  h.real(histogram::max, most);
  h.real(histogram::count, count);
  h.real(histogram::sum, sum);
  h.real(histogram::squares, squares);
  h.packed(histogram::limits, limits);
  h.packed(histogram::counts, counts);
  add(summary_of(tag, [&](ProtobufWriter& v) { v.message(value::histogram, h); }), step);
}

void EventFile::text(std::string_view tag, std::string_view markdown, int64_t step) {
  ProtobufWriter t;
  t.integer(tensor::dtype, tensor::string_type);
  t.message(tensor::shape, {});
  t.bytes(tensor::string_value, markdown);
  add(summary_of(tag,
                 [&](ProtobufWriter& v) {
                   v.message(value::metadata, metadata_of("text", "", metadata::class_tensor));
                   v.message(value::tensor, t);
                 }),
      step);
}

void EventFile::graph(std::span<const EventGraphNode> nodes) {
  ProtobufWriter g, event;
  for (const EventGraphNode& n : nodes) {
    ProtobufWriter node;
    node.bytes(graph::name, n.name);
    node.bytes(graph::op, n.op);
    for (const std::string& input : n.inputs) node.bytes(graph::input, input);
    g.message(graph::node, node);
  }
  event.message(event::graph, g);
  add(event.text(), 0);
}

void EventFile::parameters(std::span<const EventParameter> values) {
  ProtobufWriter start;
  for (const EventParameter& p : values) {
    ProtobufWriter entry, number;
    if (p.is_number)
      number.real(hparams::number, p.number);
    else
      number.bytes(hparams::text, p.text);
    entry.bytes(1, p.name);
    entry.message(2, number);
    start.message(hparams::values, entry);
  }
  start.real(hparams::start_time, now());
  add(hparams_event("_hparams_/session_start_info", hparams::start, start), 0);
}

void EventFile::end(bool success) {
  ProtobufWriter end;
  end.integer(hparams::status, success ? hparams::succeeded : hparams::failed);
  end.real(hparams::end_time, now());
  add(hparams_event("_hparams_/session_end_info", hparams::end, end), 0);
  flush();
}

}  // namespace dl
