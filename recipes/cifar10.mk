# CIFAR-10 as one data set: the official test batch, and a tenth of the training images held out to choose by. Any number of
# the five training batches will do, as they are or compressed.
include $(dir $(lastword $(MAKEFILE_LIST)))dl.mk
DATA_DIR ?= $(RECIPES)/../data/cifar10
train := $(sort $(wildcard $(DATA_DIR)/data_batch_*.bin*))
test := $(wildcard $(DATA_DIR)/test_batch.bin*)

ifeq ($(and $(train),$(test)),)
$(DATA):
	$(MAKE) -C $(RECIPES)/../datasets cifar10 DATA_DIR=$(abspath $(DATA_DIR))
	$(MAKE) -f $(firstword $(MAKEFILE_LIST)) $@
else
$(DATA): $(train) $(test) | $(OUT)
	dl-prep -s prep.split.valid=0.1 -s prep.split.stratify=true $(train) --test $(test) -o $@
endif
