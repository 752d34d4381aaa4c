#pragma once
// Layer norm, group norm and root-mean-square norm as one thing: rows of `channels` times `plane` neighbouring elements that
// are normalised together. Row r has the factors gamma[first(r)], one for each of its channels.
#include "kernels/kernel.h"
#include "kernels/norm_attrs.h"

namespace dl::DL_ISA {

enum class RowForm { layer, group, rms };

struct NormRows {
  int64_t rows, channels, plane;
  int64_t groups;  // rows that make up a sample; each has channels of its own
  float epsilon;
  DL_HD int64_t length() const { return channels * plane; }
  DL_HD int64_t first(int64_t row) const { return row % groups * channels; }
};

inline NormRows norm_rows(RowForm form, const Arg& x, const void* attrs) {
  if (form == RowForm::group) {
    const auto& a = *static_cast<const GroupNormAttrs*>(attrs);
    return {x.dims[0] * a.groups, x.dims[1] / a.groups, x.size(2, x.rank), a.groups,
            static_cast<float>(a.epsilon)};
  }
  const auto& a = *static_cast<const LayerNormAttrs*>(attrs);
  const int axis = static_cast<int>(a.axis < 0 ? a.axis + x.rank : a.axis);
  return {x.size(0, axis), x.size(axis, x.rank), 1, 1, static_cast<float>(a.epsilon)};
}

}  // namespace dl::DL_ISA
