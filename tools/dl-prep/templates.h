#pragma once
// First configs for dl-prep --init=NAME.

namespace dl::prep {

inline constexpr const char* kDigits = R"({
  // Handwriting-like digits made by a formula: no file is needed.
  "prep": {
    "from": {"type": "digits", "count": 12000},
    "split": {"valid": 0.1, "test": 0.15, "stratify": true},
    "normalize": "z_score"
  }
}
)";

inline constexpr const char* kImages = R"({
  // dl-prep -c this.json train-images.gz train-labels.gz --test t10k-images.gz --test t10k-labels.gz -o data.h5
  "prep": {
    "from": {"type": "idx"},
    "split": {"valid": 0.1, "stratify": true},
    "normalize": "z_score"
  }
}
)";

inline constexpr const char* kTable = R"({
  "prep": {
    "from": {"type": "csv", "target": "income", "missing": "?", "categorical": ["workclass", "education"]},
    "split": {"train": 0.8, "valid": 0.2, "by": "hash", "stratify": true},
    "normalize": "z_score"
  }
}
)";

inline constexpr const char* kColumns = R"({
  // Columns of a table on their way to features; dl-prep -c this.json train.csv -o data.h5, then
  // dl-prep --like data.h5 new.csv -o new.h5 for further files.
  "prep": {
    "from": {"type": "csv", "target": "income", "missing": "?"},
    "split": {"valid": 0.1, "test": 0.1, "stratify": true},
    "transforms": [
      {"type": "impute", "with": "median", "indicator": true},
      {"type": "outliers", "by": "iqr", "limit": 3, "to": "clip"},
      {"type": "hash", "columns": ["education"], "buckets": 8},
      {"type": "yeo_johnson"},
      {"type": "select", "by": "correlation"}
    ]
  }
}
)";

}  // namespace dl::prep
