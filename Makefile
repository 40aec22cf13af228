# From a bare Debian 12 to running nodes; every step is skipped when what it depends on is unchanged.
# Uses the ROS 2 that is sourced, else builds one below .venv and .ros (see underlay/README.md).

MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
.PHONY: help env build test demo lock clean

help:  ## This list
	@sed -nE 's/^([a-z]+):.*## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 14
	@echo
	@echo "  Commands afterwards: .venv/bin/perception-stack, .venv/bin/ros2; for a shell: source .ros/setup.sh"
	@echo "  Edits of Python, launch and configuration files count at once; after new files of"
	@echo "  launch/, config/, rviz/ or a change of msg/ or srv/ run make build (make test and make demo do)."

env:  ## Debian packages and .venv
	@scripts/env.sh

build: env  ## Messages, underlay, machine code of the nodes and the package, installed below .ros/install
	@scripts/build.sh

test: build  ## ruff, import directions, mypy, pytest; PYTEST="-k tracker -x" passes options on
	@scripts/test.sh $(PYTEST)

demo: build  ## Simulated road: nodes over DDS, tracked objects, score and HTML report
	@.venv/bin/perception-stack demo

lock:  ## Resolves requirements/*.in again and writes requirements/python.lock
	@scripts/lock.sh

clean:  ## Removes all that make has built
	@rm -rf .venv .ros .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache *.egg-info build
