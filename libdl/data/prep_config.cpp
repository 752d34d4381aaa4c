#include "data/prep_config.h"

namespace dl {

std::span<const Variant> SourceKind::variants() {
  static const Variant all[] = {
      {"auto", "Told from the input: a folder, IDX, CIFAR-10 or a table.", &attr_ops<NoAttrs>},
      {"idx", "Pairs of IDX files: images, labels, images, labels ...", &attr_ops<IdxOptions>},
      {"cifar10", "Batches of the binary version of CIFAR-10.", &attr_ops<CifarOptions>},
      {"cifar100", "Batches of the binary version of CIFAR-100.", &attr_ops<CifarOptions>},
      {"folder", "A folder with a folder of pictures for each class.", &attr_ops<FolderOptions>},
      {"csv", "Tables as text, separated by commas, tabs or the like.", &attr_ops<TableOptions>},
      {"digits", "Handwriting-like digits made by a formula; needs no file.", &attr_ops<DigitsOptions>},
  };
  return all;
}

}  // namespace dl
