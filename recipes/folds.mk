# Cross-validation. A recipe says in MODELS which NAME.json to judge, in FOLDS how many folds $(DATA) has, and in METRICS which
# metrics to average. $(OUT)/NAME.summary.txt has a line for each: its name, mean and standard deviation over the folds.
FOLDS ?= 10
rounds := $(shell seq 0 $$(( $(FOLDS) - 1 )))

define cross_validation
$$(OUT)/$(1)_fold_%.h5: $$(HERE)/$(1).json $$(DATA)
	dl-train -q -c $$< -s train.fold=$$* --data $$(DATA) -o $$@ --resume auto $$(TRAIN)

$$(OUT)/$(1)_fold_%.json: $$(OUT)/$(1)_fold_%.h5
	dl-eval -q --model $$< --data $$(DATA) --split fold_$$* -o $$@ > /dev/null

$$(OUT)/$(1).summary.txt: $$(rounds:%=$$(OUT)/$(1)_fold_%.json)
	for metric in $$(METRICS); do \
	  sed -nE "s/^ *\"$$$$metric\": ([-+.e0-9]+),?$$$$/\1/p" $$^ | awk -v name=$$$$metric ' \
	    { n++; sum += $$$$1; squares += $$$$1 * $$$$1 } \
	    END { if (n != $$(FOLDS)) exit 1; m = sum / n; v = squares / n - m * m; \
	          printf "%s %.4f +- %.4f\n", name, m, sqrt(v > 0 ? v : 0) }'; \
	done | tee $$@
endef
$(foreach model,$(MODELS),$(eval $(call cross_validation,$(model))))
