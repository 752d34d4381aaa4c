# What the recipes share. A recipe is a folder with a config and a Makefile that includes this file; it says what it
# makes in OUT, and a killed `make` goes on where it was when it is started again.
#   OUT=FOLDER       results (default: out in the recipe's folder)
#   DATA_DIR=FOLDER  the files of the data set, where they are at hand
# The tools are those of the build folder beside the recipes, else those on PATH.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.SECONDARY:
.SUFFIXES:

RECIPES := $(patsubst %/,%,$(dir $(lastword $(MAKEFILE_LIST))))
HERE := $(patsubst %/,%,$(dir $(firstword $(MAKEFILE_LIST))))
OUT ?= $(HERE)/out
DATA ?= $(OUT)/data.h5
export PATH := $(abspath $(RECIPES)/../build):$(PATH)

.PHONY: all clean
all:
clean:
	rm -rf $(OUT)

$(OUT):
	mkdir -p $@

# $(OUT)/NAME.h5 is trained as NAME.json says; $(TRAIN) adds options.
$(OUT)/%.h5: $(HERE)/%.json $(DATA)
	dl-train -c $< --data $(DATA) -o $@ --resume auto --depfile $@.d $(TRAIN)

# $(GATES) are the conditions it must fulfil: 'accuracy>=0.98'. $(OUT)/NAME.html shows how it learnt and where it fails.
$(OUT)/%.metrics.json: $(OUT)/%.h5 $(DATA)
	dl-eval --model $< --data $(DATA) --split test -o $@ --report $(OUT)/$*.html $(foreach gate,$(GATES),--gate '$(gate)')

$(OUT)/%.onnx: $(OUT)/%.h5 $(DATA)
	dl-export $< --to onnx --data $(DATA) -o $@

# NAME.c and NAME.h; compiled and compared on 1,000 test images.
$(OUT)/%.c: $(OUT)/%.h5 $(DATA)
	dl-export $< --to c --data $(DATA) --samples 1000 -o $@

-include $(wildcard $(OUT)/*.d)
