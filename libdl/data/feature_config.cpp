#include "data/feature_config.h"

namespace dl {

std::span<const Variant> TransformKind::variants() {
  static const Variant all[] = {
      {"impute", "Something stands in for missing values.", &attr_ops<ImputeOptions>},
      {"outliers", "Values far from the others are counted, clipped, taken as missing, or dropped.",
       &attr_ops<OutlierOptions>},
      {"one_hot", "A category becomes a column for each of its values.", &attr_ops<OneHotOptions>},
      {"ordinal", "A category becomes its number in an order.", &attr_ops<OrdinalOptions>},
      {"hash", "A text becomes one of a fixed number of columns, whichever its hash says.",
       &attr_ops<HashOptions>},
      {"bin", "A number becomes the bin that it falls into.", &attr_ops<BinOptions>},
      {"log1p", "log(1 + x).", &attr_ops<Log1pOptions>},
      {"box_cox", "(x^lambda - 1) / lambda of numbers above 0 (Box and Cox 1964).", &attr_ops<PowerOptions>},
      {"yeo_johnson", "The same idea for any numbers (Yeo and Johnson 2000).", &attr_ops<PowerOptions>},
      {"z_score", "Mean 0, standard deviation 1.", &attr_ops<ScaleOptions>},
      {"min_max", "From the least to the largest value.", &attr_ops<MinMaxOptions>},
      {"max_abs", "Divided by the largest magnitude.", &attr_ops<ScaleOptions>},
      {"robust", "Less the median, divided by the distance of the quartiles; holds the columns in memory.",
       &attr_ops<ScaleOptions>},
      {"quantile", "Values become their place in the distribution; holds the columns in memory.",
       &attr_ops<QuantileOptions>},
      {"unit_norm", "The columns of each record are divided by their norm.", &attr_ops<UnitNormOptions>},
      {"polynomial", "Products of columns are added.", &attr_ops<PolynomialOptions>},
      {"pca", "Principal components take the place of the columns.", &attr_ops<PcaOptions>},
      {"zca", "Whitening that stays as near to the columns as it can (Krizhevsky 2009): a picture stays one.",
       &attr_ops<ZcaOptions>},
      {"lda", "Directions that separate the classes best take the place of the columns (Fisher 1936).",
       &attr_ops<LdaOptions>},
      {"select", "Columns that tell little, or what others tell, go.", &attr_ops<SelectOptions>},
  };
  return all;
}

}  // namespace dl
