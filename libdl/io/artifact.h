#pragma once
// Artifacts: everything that leaves a process. One HDF5 file with a kind, a format number, the resolved
// config, hashes and a completion mark, and no clock, host or path in it: equal inputs give equal bytes. The
// layout of each kind is described in model_file.h, data/dataset.h and dl-artifact(5).
//
// Root attributes: kind, format, min_reader, complete (1), config and schema (JSON text), recipe_hash,
// parents (JSON text, [{kind, content_hash}]), content_hash. Files are written with the 1.10 file format,
// whose metadata carries checksums.
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/export.h"
#include "base/json.h"
#include "tensor/tensor.h"

namespace dl {

inline constexpr int64_t kArtifactFormat = 1;     // written, and the newest that this library reads
inline constexpr int64_t kChunkBytes = 64 << 10;  // size of a chunk of rows, before compression

struct OutputOptions {
  std::string tmp;     // folder for what is sent to a stream; empty: $TMPDIR, else /tmp
  bool force = false;  // replace an existing file that is not an artifact of ours
};

// Checks what ArtifactWriter would refuse (Exit::io) without leaving a trace: the folder can be written, an
// existing file is ours. Returns the free bytes of the file system that the output goes to.
DL_API int64_t check_output(const std::string& path, const OutputOptions& options = {});

// Writes one artifact. The bytes go to a nameless file in the folder of `path`; finish() gives it its name,
// so a reader never sees an unfinished artifact and a failure leaves an older one as it was. "-" and paths
// that are no regular files (FIFOs, /dev/fd/N) are sent the whole artifact by finish(), all or nothing. A
// writer destroyed before finish() leaves nothing behind. Failures throw Error (Exit::io; Exit::broken_pipe
// when the reader of a stream is gone).
class DL_API ArtifactWriter {
 public:
  ArtifactWriter(const std::string& path, std::string_view kind, const OutputOptions& options = {});
  ~ArtifactWriter();
  ArtifactWriter(const ArtifactWriter&) = delete;
  ArtifactWriter& operator=(const ArtifactWriter&) = delete;

  // Attributes of the root group; on `object` ("/train/image") for the second form. Each name once.
  void attribute(std::string_view name, std::string_view text);
  void attribute(std::string_view name, int64_t value);
  void attribute(std::string_view name, double value);
  void attribute(std::string_view name, const json& value);  // as JSON text
  void attribute(const std::string& object, std::string_view name, const json& value);
  void config(const json& resolved) { attribute("config", resolved); }
  void recipe_hash(std::string_view hash) { attribute("recipe_hash", hash); }
  // An artifact that this one was made from; in order.
  void parent(std::string_view kind, std::string_view content_hash);

  // A whole tensor, uncompressed. Groups in the path are made as needed.
  void write(const std::string& name, const Tensor& value);
  // A data set that grows along axis 0: `row` is the type of one row (rank 0 for a number). chunk_rows 0:
  // about kChunkBytes. Rows that do not fill a chunk wait in memory; each full chunk is compressed and
  // written.
  void create(const std::string& name, const TensorType& row, int64_t chunk_rows = 0);
  void append(const std::string& name, const void* rows, int64_t count);

  // Completes the artifact: hash, completion mark, sync, name. Returns the content hash (64 hex digits).
  std::string finish();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// One data set of an artifact. Chunk reading is safe from several threads at once.
class DL_API ArtifactColumn {
 public:
  const TensorType& type() const { return type_; }  // extents with axis 0
  int64_t rows() const { return type_.shape.rank() ? type_.shape[0] : 1; }
  int64_t row_bytes() const { return row_bytes_; }
  bool chunked() const { return chunked_; }
  int64_t chunk_rows() const { return chunk_rows_; }  // rows() when the data set is not chunked
  int64_t chunks() const { return (rows() + chunk_rows_ - 1) / chunk_rows_; }
  // Rows of chunk i into `out`, which holds chunk_rows() rows (fewer only for the last chunk).
  void read_chunk(int64_t i, void* out) const;
  // Any range of rows; decompresses the chunks that it touches.
  void read_rows(int64_t first, int64_t count, void* out) const;
  ~ArtifactColumn();

 private:
  friend class ArtifactReader;
  struct Impl;
  ArtifactColumn(std::unique_ptr<Impl> impl, TensorType type, int64_t chunk_rows);
  std::unique_ptr<Impl> impl_;
  TensorType type_;
  int64_t row_bytes_, chunk_rows_;
  bool chunked_;
};

// Reads one artifact. A regular file is read in place (`< file` too); any other stream is first copied to a
// nameless file under `tmp`. Empty, truncated, concatenated, text, incomplete, wrong-kind and newer files
// have a message each (Exit::data); a file that is not there or cannot be read is Exit::data too. The content
// is not trusted: sizes are checked against the length of the file before memory is asked for (at most 1032
// times it, the limit of deflate).
class DL_API ArtifactReader {
 public:
  // kind "" takes any.
  ArtifactReader(const std::string& path, std::string_view kind, const std::string& tmp = {});
  ~ArtifactReader();
  ArtifactReader(ArtifactReader&&) noexcept;
  ArtifactReader& operator=(ArtifactReader&&) noexcept;

  const std::string& name() const;  // the path, or "<stdin>"
  std::string kind() const;
  std::string content_hash() const;

  // Attributes of the root group. The getters throw Exit::data when the attribute is missing or of another
  // type.
  bool has_attribute(std::string_view name) const;
  std::string text(std::string_view name) const;
  int64_t integer(std::string_view name) const;
  double real(std::string_view name) const;
  json parsed(std::string_view name) const;  // JSON text; an empty object when the attribute is missing
  json config() const { return parsed("config"); }
  json parents() const { return parsed("parents"); }

  bool exists(const std::string& name) const;
  std::vector<std::string> names(const std::string& group) const;  // direct members, in order of creation
  std::vector<std::string> data_sets(const std::string& group)
      const;  // all below, paths relative to `group`; empty if there is no such group
  TensorType type(const std::string& name) const;
  Tensor read(const std::string& name) const;
  void read_rows(const std::string& name, int64_t first, int64_t count, void* out) const;
  std::shared_ptr<const ArtifactColumn> column(const std::string& name) const;

  struct Impl;

 private:
  std::shared_ptr<Impl> impl_;
};

}  // namespace dl
