# MNIST as one data set: the official test part, and 5,000 training images held out to choose by. DATASET=fashion-mnist takes
# the files of the same form of Fashion-MNIST.
include $(dir $(lastword $(MAKEFILE_LIST)))dl.mk
DATASET ?= mnist
DATA_DIR ?= $(RECIPES)/../data/$(DATASET)
train := $(DATA_DIR)/train-images-idx3-ubyte.gz $(DATA_DIR)/train-labels-idx1-ubyte.gz
test := $(DATA_DIR)/t10k-images-idx3-ubyte.gz $(DATA_DIR)/t10k-labels-idx1-ubyte.gz

$(DATA): $(train) $(test) | $(OUT)
	dl-prep -s prep.split.valid=0.0834 -s prep.split.stratify=true $(train) $(test:%=--test %) -o $@

$(train) $(test):
	$(MAKE) -C $(RECIPES)/../datasets $(DATASET) DATA_DIR=$(abspath $(DATA_DIR))
