#include "data/loader.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <numeric>
#include <optional>
#include <thread>

#include "base/clock.h"
#include "base/error.h"
#include "base/random.h"
#include "base/str.h"

namespace dl {
namespace {

void fisher_yates(std::vector<int64_t>& v, Random random) {
  for (size_t i = v.size(); i > 1; --i)
    std::swap(v[i - 1], v[static_cast<size_t>(random.below(static_cast<int64_t>(i)))]);
}

// One more than is prepared ahead: what next() shows is not refilled meanwhile. Each further worker has one in hand.
int64_t loader_slots(const LoaderOptions& o) { return std::max(1, o.prefetch + std::max(1, o.workers)); }

}  // namespace

Permutation::Permutation(int64_t rows, uint64_t seed, uint64_t epoch, int64_t block_rows,
                         int64_t window_blocks)
    : rows_(rows), block_rows_(block_rows), window_blocks_(window_blocks), seed_(seed), epoch_(epoch) {
  blocks_.resize(static_cast<size_t>(block_rows ? (rows + block_rows - 1) / block_rows : rows));
  std::iota(blocks_.begin(), blocks_.end(), 0);
  fisher_yates(blocks_, Random(seed, stream_id("shuffle"), epoch));
  if (block_rows && rows % block_rows)
    short_at_ = std::find(blocks_.begin(), blocks_.end(), rows / block_rows) - blocks_.begin();
}

int64_t Permutation::window_begin(int64_t window) const {
  const int64_t first = std::min<int64_t>(window * window_blocks_, static_cast<int64_t>(blocks_.size()));
  return first * block_rows_ - (short_at_ >= 0 && short_at_ < first ? block_rows_ - rows_ % block_rows_ : 0);
}

std::span<const int64_t> Permutation::blocks(int64_t window) const {
  const auto n = static_cast<int64_t>(blocks_.size()), first = std::min(window * window_blocks_, n);
  return std::span(blocks_).subspan(static_cast<size_t>(first),
                                    static_cast<size_t>(std::min(window_blocks_, n - first)));
}

void Permutation::enter(int64_t window) {
  current_ = window;
  order_.clear();
  for (int64_t block : blocks(window))
    for (int64_t row = block * block_rows_; row < std::min(rows_, (block + 1) * block_rows_); ++row)
      order_.push_back(row);
  fisher_yates(order_,
               Random(seed_, stream_id("shuffle.window"), epoch_ << 32 | static_cast<uint64_t>(window)));
}

int64_t Permutation::window_of(int64_t i) const {
  int64_t w = i / (window_blocks_ * block_rows_);
  while (window_begin(w + 1) <= i) ++w;  // a short block moves the later windows forward by less than one
  return w;
}

int64_t Permutation::operator[](int64_t i) {
  if (!block_rows_) return blocks_[static_cast<size_t>(i)];
  const int64_t w = window_of(i);
  if (w != current_) enter(w);
  return order_[static_cast<size_t>(i - window_begin(w))];
}

struct Loader::Impl {
  // A batch being prepared, or prepared and waiting, or shown.
  struct Slot {
    Batch batch;
    std::vector<Tensor> raw;     // as the data set has them, where mixing makes others of them
    std::vector<int64_t> ahead;  // blocks to read when this batch is done
    std::exception_ptr error;
    uint64_t turn = 0;
    int64_t number = 0;  // counts the batches of a turn
    Image work;
  };

  const Dataset& data;
  const LoaderOptions options;
  Augmenter augmenter;
  int64_t rows, batches, block_rows = 0, window_blocks = 0;

  std::mutex mutex;  // of everything below
  std::condition_variable wake, filled;
  std::optional<Permutation> order;
  int64_t order_epoch = -1;
  std::vector<std::unique_ptr<Slot>> slots;
  std::deque<Slot*> empty;
  std::map<int64_t, Slot*> full;  // by number
  Slot* shown = nullptr;          // what next() returned last
  int64_t epoch = 0, batch = 0;   // what is prepared next
  int64_t next_number = 0,
          number = 0;  // of the batch that is prepared next, and of the one that is shown next
  uint64_t turn = 0;   // counts set_position: older results are dropped
  bool stop = false;
  double waited = 0;
  std::vector<std::thread> threads;

  Impl(const Dataset& d, const LoaderOptions& o);
  ~Impl();
  void claim(Slot& slot);
  void prepare(Slot& slot) const;
  void fill(Slot& slot) const;
  void run();

 private:
  int64_t row_at(int64_t of_epoch, int64_t position);
  void plan_ahead(Slot& slot, int64_t position);
  std::vector<void*> shape_columns(std::vector<Tensor>& columns, const Schema& schema, int64_t n) const;
};

Loader::Impl::Impl(const Dataset& d, const LoaderOptions& o)
    : data(d), options(o), augmenter(o.augment, d.schema(), o.seed, o.soft_targets), rows(d.rows(o.split)) {
  if (rows == 0) throw Error(Exit::data, str(d.name(), ": split '", o.split, "' is empty"));
  if (o.batch_size < 1) throw Error(Exit::internal, "batch size below 1");
  batches = o.drop_last ? rows / o.batch_size : (rows + o.batch_size - 1) / o.batch_size;
  if (batches == 0)
    throw Error(Exit::data, str(d.name(), ": split '", o.split, "' has ", rows,
                                " rows, expected at least one batch of ", o.batch_size));
  augmenter.fit(d, o.split);
  if (!d.in_memory(o.split)) {
    block_rows = d.block_rows(o.split);
    window_blocks =
        std::max<int64_t>(1, d.cached_blocks(o.split) / 2);  // half for the window, half for the next one
  }
  for (int64_t i = 0; i < loader_slots(o); ++i) {
    slots.push_back(std::make_unique<Slot>());
    empty.push_back(slots.back().get());
  }
  for (int i = 0; o.prefetch > 0 && i < std::max(1, o.workers); ++i) threads.emplace_back([this] { run(); });
}

Loader::Impl::~Impl() {
  {
    const std::lock_guard lock(mutex);
    stop = true;
  }
  wake.notify_all();
  for (std::thread& t : threads) t.join();
}

// Blocks of the next window are read in step with the use of this one, so that no batch waits for a whole window.
void Loader::Impl::plan_ahead(Slot& slot, int64_t position) {
  const int64_t w = order->window_of(position), begin = order->window_begin(w),
                size = order->window_begin(w + 1) - begin;
  const std::span<const int64_t> next = order->blocks(w + 1);
  const auto count = static_cast<int64_t>(next.size());
  const int64_t from = (position - begin) * count / size,
                to = std::min(count, (position - begin + options.batch_size) * count / size + 1);
  for (int64_t i = from; i < to; ++i) slot.ahead.push_back(next[static_cast<size_t>(i)]);
}

// The row that stands at a position of an epoch: the only place that decides what is learned from, and when.
int64_t Loader::Impl::row_at(int64_t of_epoch, int64_t position) {
  if (!options.shuffle) return position;
  if (order_epoch != of_epoch) {
    order.emplace(rows, options.seed, static_cast<uint64_t>(of_epoch), block_rows, window_blocks);
    order_epoch = of_epoch;
  }
  return (*order)[position];
}

// Gives the slot the next batch: its number and its samples. Called with the mutex held where there are threads.
void Loader::Impl::claim(Slot& slot) {
  Batch& b = slot.batch;
  slot.turn = turn;
  slot.number = next_number++;
  slot.ahead.clear();
  b.epoch = epoch;
  b.index = batch;
  if (++batch == batches) batch = 0, ++epoch;
  const int64_t first = b.index * options.batch_size;
  b.rows = std::min(options.batch_size, rows - first);
  b.samples.resize(static_cast<size_t>(b.rows));
  for (int64_t i = 0; i < b.rows; ++i) b.samples[static_cast<size_t>(i)] = row_at(b.epoch, first + i);
  if (options.shuffle && block_rows) plan_ahead(slot, first);
}

// Tensors of n rows for the columns of a schema; where they are.
std::vector<void*> Loader::Impl::shape_columns(std::vector<Tensor>& columns, const Schema& schema,
                                               int64_t n) const {
  columns.resize(schema.columns());
  std::vector<void*> out(schema.columns());
  for (size_t c = 0; c < out.size(); ++c) {
    TensorType type{schema.column_type(c).dtype, {n}};
    for (int64_t d : schema.column_type(c).shape) type.shape.push_back(d);
    if (columns[c].type() != type || !columns[c].defined()) columns[c] = Tensor(type);
    out[c] = columns[c].raw();
  }
  return out;
}

void Loader::Impl::prepare(Slot& slot) const {
  Batch& b = slot.batch;
  const Schema &in = data.schema(), &out = augmenter.schema();
  const bool soft = augmenter.softens();
  const std::vector<void*> read = shape_columns(soft ? slot.raw : b.columns, in, b.rows);
  data.gather(options.split, b.samples, read);
  for (int64_t block : slot.ahead) data.preload(options.split, block);
  std::vector<void*> own(in.columns()), mixed(in.columns());
  std::vector<const void*> other(in.columns());
  const auto at = [](const std::vector<void*>& columns, const Schema& schema, size_t c, int64_t row) {
    return static_cast<unsigned char*>(columns[c]) + row * schema.column_type(c).bytes();
  };
  const auto epoch_of = static_cast<uint64_t>(b.epoch);
  for (int64_t i = 0; !augmenter.empty() && i < b.rows; ++i) {
    for (size_t c = 0; c < own.size(); ++c) own[c] = at(read, in, c, i);
    augmenter.apply(own, epoch_of, static_cast<uint64_t>(b.samples[static_cast<size_t>(i)]), slot.work);
  }
  if (!soft) return;
  const std::vector<void*> written = shape_columns(b.columns, out, b.rows);
  for (int64_t i = 0; i < b.rows; ++i) {
    const auto sample = static_cast<uint64_t>(b.samples[static_cast<size_t>(i)]);
    const int64_t partner = augmenter.mixes() ? augmenter.partner(epoch_of, sample, b.rows) : i;
    for (size_t c = 0; c < own.size(); ++c) {
      own[c] = at(read, in, c, i);
      other[c] = at(read, in, c, partner);
      mixed[c] = at(written, out, c, i);
    }
    augmenter.mix(mixed, std::vector<const void*>(own.begin(), own.end()), other, epoch_of, sample,
                  slot.work);
  }
}

void Loader::Impl::fill(Slot& slot) const {
  slot.error = nullptr;
  try {
    prepare(slot);
  } catch (...) { slot.error = std::current_exception(); }
}

void Loader::Impl::run() {
  std::unique_lock lock(mutex);
  for (;;) {
    wake.wait(lock, [&] { return stop || !empty.empty(); });
    if (stop) return;
    Slot* const slot = empty.front();
    empty.pop_front();
    claim(*slot);
    lock.unlock();
    fill(*slot);
    lock.lock();
    if (slot->turn == turn)
      full[slot->number] = slot;
    else
      empty.push_back(slot);
    filled.notify_one();
  }
}

int64_t loader_bytes(const Dataset& data, const LoaderOptions& options) {
  const Schema& schema = data.schema();
  int64_t sample = static_cast<int64_t>(sizeof(int64_t));
  for (size_t c = 0; c < schema.columns(); ++c) sample += schema.column_type(c).bytes();
  if (const Augmenter augmenter(options.augment, schema, options.seed, options.soft_targets);
      augmenter.softens())
    for (size_t c = 0; c < schema.columns(); ++c) sample += augmenter.schema().column_type(c).bytes();
  const int64_t rows = data.rows(options.split), batches = loader_slots(options);
  const int64_t order =
      data.in_memory(options.split) ? rows : rows / std::max<int64_t>(1, data.block_rows(options.split));
  return batches * std::min(rows, options.batch_size) * sample +
         (options.shuffle ? order * static_cast<int64_t>(sizeof(int64_t)) : 0);
}

Loader::Loader(const Dataset& data, const LoaderOptions& options)
    : impl_(std::make_unique<Impl>(data, options)) {}
Loader::~Loader() = default;

const Schema& Loader::schema() const { return impl_->augmenter.schema(); }
int64_t Loader::batches() const { return impl_->batches; }
int64_t Loader::samples() const { return std::min(impl_->rows, impl_->batches * impl_->options.batch_size); }
Shuffle Loader::shuffle() const { return impl_->block_rows ? Shuffle::block : Shuffle::full; }
double Loader::wait_seconds() const { return impl_->waited; }

const Batch& Loader::next() {
  Impl& l = *impl_;
  const double start = steady_seconds();
  if (l.threads.empty()) {
    l.shown = l.slots.front().get();
    l.claim(*l.shown);
    l.fill(*l.shown);
  } else {
    std::unique_lock lock(l.mutex);
    if (l.shown) l.empty.push_back(std::exchange(l.shown, nullptr));
    l.wake.notify_one();
    l.filled.wait(lock, [&] { return l.full.contains(l.number); });
    l.shown = l.full.at(l.number);
    l.full.erase(l.number++);
  }
  l.waited += steady_seconds() - start;
  if (l.shown->error) std::rethrow_exception(l.shown->error);
  return l.shown->batch;
}

void Loader::set_position(int64_t epoch, int64_t batch) {
  Impl& l = *impl_;
  if (epoch < 0 || batch < 0 || batch >= l.batches)
    throw Error(Exit::internal, str("batch ", batch, " of ", l.batches, " asked for"));
  {
    const std::lock_guard lock(l.mutex);
    l.epoch = epoch;
    l.batch = batch;
    ++l.turn;
    l.next_number = l.number = 0;
    for (const auto& [number, slot] : l.full) l.empty.push_back(slot);
    l.full.clear();
  }
  l.wake.notify_all();
}

}  // namespace dl
