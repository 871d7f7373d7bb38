# SPDX-License-Identifier: BSD-2-Clause
#
# The models of what threads hand each other: all their states, and faults that
# must be caught.
#
#   make model		check the models (after make deps-model)
#   make model-long	larger ones: an hour or more, and 6 GB
#   make deps-model	install what checks them

DEPS_MODEL := spin gcc

deps-model:
	@.ci/deps $(DEPS_MODEL)

model:
	@BUILD='$(BUILD)' tests/model/run.sh quick

model-long:
	@BUILD='$(BUILD)' LIMIT=7200 MEMORY=6000 tests/model/run.sh long

.PHONY: deps-model model model-long
